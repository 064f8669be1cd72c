package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/cause"
	"github.com/regent-dev/regent/core/channel"
	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/deliver"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/pipeline"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/reload"
	"github.com/regent-dev/regent/core/route"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

const (
	metaInstallation = "daemon/installation"
	metaGeneration   = "daemon/generation"
	metaClean        = "daemon/clean"
	// retryBroken is how often plugins that could not be asked what they are are asked again.
	retryBroken = 30 * time.Second
	// retainEvery is how often what is past its retention is removed.
	retainEvery = time.Hour
	// stopGrace bounds an orderly stop.
	stopGrace = 30 * time.Second
	// ownInstance records what people do through the API.
	ownInstance = record.Instance("regent.api.audit")
)

// Options are what a daemon is started with.
type Options struct {
	// Path is the configuration, a file or a folder; Vars set its variables.
	Path    string
	Vars    map[string]string
	Version string
	Log     *slog.Logger
	// Reload is sent on to read the files again, as SIGHUP does.
	Reload <-chan os.Signal
	// Ready is called once the daemon records and judges.
	Ready func(*Daemon)
}

// Daemon is a running daemon.
type Daemon struct {
	o        Options
	log      *slog.Logger
	cfg      *config.Config
	store    *store.Store
	host     *host.Host
	pipeline *pipeline.Pipeline
	router   *route.Router
	causes   *cause.Linker
	deliver  *deliver.Deliverer
	lake     *lake.Lake
	channel  *channel.Manager
	ledger   *ledger.Ledger
	marker   *pipeline.Marker
	cache    *policy.Cache
	registry *prometheus.Registry
	loop     *reload.Loop
	started  time.Time
	source   string
	sql      sql

	mu         sync.Mutex
	build      *Build
	types      map[record.Instance]*intake.Types
	generation api.Generation
	ready      bool
	unwell     unwell
	reloads    *prometheus.CounterVec
	reloadedAt prometheus.Gauge
}

// Run starts the daemon and returns when ctx ends and everything has stopped. A *Refused says that the
// configuration cannot be used at all.
func Run(ctx context.Context, o Options) error {
	d := &Daemon{
		o: o, log: o.Log, cache: policy.NewCache(), registry: prometheus.NewRegistry(), started: time.Now().UTC(),
		types: map[record.Instance]*intake.Types{},
	}
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "regent_reload_attempts_total", Help: "Reloads by outcome."}, []string{"outcome"})
	d.reloadedAt = prometheus.NewGauge(prometheus.GaugeOpts{Name: "regent_reload_last_success_timestamp_seconds", Help: "When a generation was last put in force."})
	d.registry.MustRegister(d.reloads, d.reloadedAt)
	return d.run(ctx)
}

// Refused says that there is no configuration to run on.
type Refused struct {
	Problems diag.Problems
	Sources  config.Sources
}

// Error implements error.
func (r *Refused) Error() string { return r.Problems.Err().Error() }

func (d *Daemon) run(ctx context.Context) error {
	// The data folder must be known before anything else; it comes from the files as they are, or,
	// where they cannot be read, from the environment variable that `run` documents.
	cfg, problems, sources := config.Load(d.o.Path, config.Options{Vars: d.o.Vars})
	if problems.HasErrors() && cfg.DataDir == "" {
		cfg.DataDir = os.Getenv("REGENT_DATA_DIR")
	}
	if problems.HasErrors() && (cfg.DataDir == "" || !exists(keep(cfg.DataDir))) {
		return &Refused{problems, sources}
	}
	var err error
	if d.store, err = store.Open(ctx, store.Options{Dir: cfg.DataDir, Log: d.log}); err != nil {
		return err
	}
	defer func() {
		if err := d.store.Close(); err != nil {
			d.log.Error("the store did not close cleanly", "err", err)
		}
	}()
	if err := d.identify(ctx); err != nil {
		return err
	}
	key, err := redactionKey(cfg.DataDir)
	if err != nil {
		return err
	}
	var left []pipeline.Pair
	if d.marker, left, err = pipeline.OpenMarker(filepath.Join(cfg.DataDir, "evaluations")); err != nil {
		return err
	}
	defer d.marker.Close()
	runDir := cfg.RunDir
	if runDir == "" {
		runDir = filepath.Join(cfg.DataDir, "run")
	}
	if err := d.openLake(cfg); err != nil {
		return err
	}
	defer d.lake.Close()
	d.causes = cause.New(cause.Options{
		Store: d.store, Events: d.lake, Log: d.log, Now: time.Now, Own: []record.Instance{ownInstance}, Told: func() { d.router.Wake() },
	})
	if err := d.causes.Open(ctx); err != nil {
		return err
	}
	d.router = route.New(route.Options{Store: d.store, Log: d.log, Now: time.Now, Source: d.source, Delivering: func() { d.deliver.Wake() }, Describe: d.causes.Describe})
	d.pipeline = pipeline.New(pipeline.Options{
		Store: d.store, Intake: intake.New(key), Log: d.log, Now: time.Now, Types: d.typesOf,
		Changed: d.router.Wake, Metrics: pipeline.NewMetrics(d.registry), Causes: d.causes,
	})
	if d.host, err = host.New(host.Options{
		RunDir: runDir, DataDir: cfg.DataDir, Log: d.log, Sink: d.pipeline, Cursors: d,
		OnHealth: func(h host.Health) { d.health(ctx, h) }, OnDescribe: d.described, OpenGap: d.openGap,
	}); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		if err := d.host.Stop(stop); err != nil {
			d.log.Warn("plugins did not stop in time", "err", err)
		}
	}()
	d.deliver = deliver.New(deliver.Options{Store: d.store, Sender: d.host, Log: d.log, Now: time.Now, Registry: d.registry, Dead: d.dead})
	d.channel = d.newChannels(cfg.DataDir)
	clean, err := d.opened(ctx)
	if err != nil {
		return err
	}
	if err := d.pipeline.Crashed(ctx, left, clean); err != nil {
		return err
	}
	if err := d.unwell.load(ctx, d.store); err != nil {
		return err
	}
	if err := d.first(ctx, cfg.DataDir); err != nil {
		return err
	}
	if err := d.openLedger(d.cfg); err != nil {
		return err
	}
	return d.serve(ctx)
}

// serve runs the stages. Collectors stop first, then what they sent is committed, then the rest ends.
func (d *Daemon) serve(ctx context.Context) error {
	stages, stopStages := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStages()
	g, gctx := errgroup.WithContext(stages)
	for _, run := range []func(context.Context) error{d.pipeline.Run, d.causes.Run, d.router.Run, d.deliver.Run, d.channel.Run, d.retain, d.lake.Run, d.ledger.Run} {
		g.Go(func() error { return ended(run(gctx)) })
	}
	front, stopFront := context.WithCancel(gctx)
	defer stopFront()
	var f errgroup.Group
	f.Go(func() error { return ended(d.loop.Run(front, d.build.Folders)) })
	f.Go(func() error { d.signals(front); return nil })
	f.Go(func() error { d.retryPlugins(front); return nil })
	server := api.New(d.backend(), d.o.Version, d.tokens())
	serveErr := make(chan error, 1+len(d.cfg.API.Listeners))
	f.Go(func() error {
		err := ended(server.ServeUnix(front, d.cfg.API.Socket))
		serveErr <- err
		return err
	})
	for _, l := range d.cfg.API.Listeners {
		f.Go(func() error {
			err := ended(server.ServeTCP(front, api.Listener{Address: l.Address, CertFile: l.TLSCert, KeyFile: l.TLSKey, Insecure: l.Insecure}))
			serveErr <- err
			return err
		})
	}
	for _, p := range d.apply(gctx, d.build.Specs) {
		d.log.Error("an instance did not start", "summary", p.Summary, "err", p.Error())
	}
	d.broken(ctx, d.build)
	d.mu.Lock()
	d.ready = true
	d.mu.Unlock()
	d.log.Info("the daemon records and judges", "generation", d.generation.Number, "policies", d.generation.Policies, "instances", len(d.build.Specs), "socket", d.cfg.API.Socket)
	if d.o.Ready != nil {
		d.o.Ready(d)
	}
	var err error
	select {
	case <-ctx.Done():
	case <-gctx.Done():
		err = context.Cause(gctx)
	case err = <-serveErr:
		if err != nil {
			err = fmt.Errorf("the API cannot be served: %w", err)
		}
	}
	d.log.Info("stopping")
	d.mu.Lock()
	d.ready = false
	d.mu.Unlock()
	stop, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if stopErr := d.host.Stop(stop); stopErr != nil {
		d.log.Warn("plugins did not stop in time", "err", stopErr)
	}
	stopFront()
	_ = f.Wait()
	stopStages()
	if stageErr := g.Wait(); err == nil {
		err = stageErr
	}
	if err == nil {
		err = d.store.Update(context.Background(), func(tx *store.Tx) error { return tx.SetMeta(metaClean, []byte("stopped")) })
	}
	d.log.Info("stopped")
	return err
}

// ended takes the end of a context for no error.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// identify gives the installation its name, once.
func (d *Daemon) identify(ctx context.Context) error {
	err := d.store.Update(ctx, func(tx *store.Tx) error {
		b, err := tx.Meta(metaInstallation)
		if err != nil {
			return err
		}
		if b == nil {
			b = []byte(strings.ToLower(rand.Text()))
			if err := tx.SetMeta(metaInstallation, b); err != nil {
				return err
			}
		}
		d.source = "regent://" + string(b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("name installation: %w", err)
	}
	return nil
}

// opened notes that the daemon runs, and reports whether the last one was stopped in order.
func (d *Daemon) opened(ctx context.Context) (clean bool, err error) {
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		b, err := tx.Meta(metaClean)
		clean = string(b) == "stopped"
		if err != nil {
			return err
		}
		return tx.SetMeta(metaClean, []byte("running"))
	})
	return clean, err
}

// redactionKey reads the key of redaction, or makes it.
func redactionKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "redaction.key")
	b, err := os.ReadFile(path)
	if err == nil && len(b) >= 32 {
		return b, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read redaction key: %w", err)
	}
	b = make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("make redaction key: %w", err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, fmt.Errorf("write redaction key: %w", err)
	}
	return b, nil
}

// Cursor implements host.Cursors.
func (d *Daemon) Cursor(ctx context.Context, inst record.Instance) (cursor []byte, err error) {
	err = d.store.View(ctx, func(tx *store.Tx) (err error) { cursor, err = tx.Cursor(inst); return err })
	return cursor, err
}

// openGap finds the gap of an instance that was open when the last daemon ended, so that it is closed.
func (d *Daemon) openGap(ctx context.Context, inst record.Instance) (from time.Time, ok bool, err error) {
	err = d.store.View(ctx, func(tx *store.Tx) error {
		gaps, err := tx.Gaps(time.Now())
		for _, g := range gaps {
			if g.Instance == inst && g.To.IsZero() {
				from, ok = g.From, true
			}
		}
		return err
	})
	return from, ok, err
}

func (d *Daemon) typesOf(inst record.Instance) *intake.Types {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.types[inst]; t != nil {
		return t
	}
	return noTypes
}

// noTypes are those of an instance that declares none.
var noTypes = func() *intake.Types {
	t, err := intake.NewTypes(nil, nil)
	if err != nil {
		panic(err)
	}
	return t
}()

// described takes what a process that was started declares: it may be another version than the one
// that was asked at the reload.
func (d *Daemon) described(inst record.Instance, describe *pluginv1.DescribeResponse) {
	t, err := typesOf(describe)
	if err != nil {
		d.log.Error("a plugin declares something that cannot be used; its records are taken as they are", "instance", inst, "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.types[inst] = t
}

// dead tells that a notification was given up. It goes to every notifier but the one that failed.
func (d *Daemon) dead(ctx context.Context, dl store.Delivery) {
	err := d.pipeline.Report(context.WithoutCancel(ctx), verdict.Change{
		Severity: verdict.High, Key: "deliveries/" + string(dl.Instance), Title: "A notification was given up",
		Message: fmt.Sprintf("Delivery %s of route %s after %d attempts: %s. `regent deliveries retry %s` tries it again.", dl.ID, dl.Route, dl.Attempts, dl.Answer, dl.ID),
		New:     "DEAD", Active: true, Instance: string(dl.Instance),
	})
	if err != nil {
		d.log.Error("a dead letter cannot be told", "instance", dl.Instance, "err", err)
	}
}

// retain removes what is past its retention.
func (d *Daemon) retain(ctx context.Context) error {
	t := time.NewTicker(retainEvery)
	defer t.Stop()
	for {
		d.mu.Lock()
		r := d.build.Config.Retention
		d.mu.Unlock()
		n, err := d.store.Retain(ctx, store.Retention{Events: r.Events, Versions: r.Versions, Quarantine: r.Quarantine, Deliveries: r.Deliveries, Episodes: r.Alarms, Verdicts: r.Verdicts}, time.Now())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.log.Error("what is past its retention cannot be removed; trying again", "in", retainEvery, "err", err)
		case n > 0:
			d.log.Info("removed what is past its retention", "rows", n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

func (d *Daemon) tokens() []api.Token {
	roles := map[string]api.Role{"read": api.RoleRead, "operate": api.RoleOperate, "admin": api.RoleAdmin}
	var out []api.Token
	for _, t := range d.cfg.API.Tokens {
		out = append(out, api.Token{Name: t.Name, Role: roles[t.Role], SHA256: t.SHA256})
	}
	return out
}
