package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/regent-dev/regent/core/config"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/query"
	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// sql is what answers SQL. The engine's plugin starts at the first question: most daemons are never
// asked one.
type sql struct {
	mu sync.Mutex
	// applied are the instances of the generation in force, beside which the engine's runs.
	applied []host.Spec
	used    bool
	engine  *query.Engine
	config  config.Query
}

// apply makes the host run the instances of a generation, and the query engine where it was needed.
func (d *Daemon) apply(ctx context.Context, specs []host.Spec) []diag.Problem {
	d.sql.mu.Lock()
	defer d.sql.mu.Unlock()
	d.sql.applied = specs
	return d.host.Apply(ctx, d.withEngine())
}

// withEngine returns the instances that are to run. d.sql.mu is held.
func (d *Daemon) withEngine() []host.Spec {
	specs := d.sql.applied[:len(d.sql.applied):len(d.sql.applied)]
	if !d.sql.used {
		return specs
	}
	d.mu.Lock()
	cfg := d.build.Config
	d.mu.Unlock()
	if s, err := engineSpec(cfg); err == nil {
		specs = append(specs, s)
	}
	return specs
}

// engineSpec is the instance of the query engine. An error says that there is no such plugin.
func engineSpec(cfg *config.Config) (host.Spec, error) {
	path, sum, env := cfg.PluginBinary("query", cfg.Query.Engine)
	inst := record.NewInstance("query", cfg.Query.Engine, "main")
	if _, err := os.Stat(path); err != nil {
		why := fmt.Sprintf("SQL needs the plugin query-%s, which is not at %s", cfg.Query.Engine, path)
		if cfg.Query.Engine == "duckdb" {
			why += "; it needs a C toolchain to build: CGO_ENABLED=1 go build ./plugins/query-duckdb"
		}
		return host.Spec{}, &query.Error{Kind: query.Unavailable, Message: why}
	}
	return host.Spec{
		Instance: inst, Role: pluginv1.Role_ROLE_QUERY_ENGINE, Plugin: cfg.Query.Engine, Path: path, SHA256: sum, Env: env,
		StateDir: filepath.Join(cfg.DataDir, "instances", string(inst)), Where: cfg.Query.Where,
	}, nil
}

func spillDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "query-spill") }

// checkQuery warns where the configuration has a query block and there is no engine.
func (b *Build) checkQuery() {
	if b.Config.Query.Where == nil {
		return
	}
	if _, err := engineSpec(b.Config); err != nil {
		b.Problems.Warnf(b.Config.Query.Where, "Query engine not found", "%v.", err)
	}
}

// askSQL answers a question in SQL.
func (d *Daemon) askSQL(ctx context.Context, r query.Request) (*query.Result, error) {
	e, err := d.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Query(ctx, r)
}

// engine returns the query engine and starts its plugin where that does not run.
func (d *Daemon) engine(ctx context.Context) (*query.Engine, error) {
	d.mu.Lock()
	cfg := d.build.Config
	d.mu.Unlock()
	spec, err := engineSpec(cfg)
	if err != nil {
		return nil, err
	}
	d.sql.mu.Lock()
	defer d.sql.mu.Unlock()
	if !d.sql.used {
		d.sql.used = true
		// Only one daemon uses a data folder, so what a killed one left there is nobody's.
		if err := os.RemoveAll(spillDir(cfg)); err != nil {
			d.log.Warn("what earlier queries spilled is left behind", "err", err)
		}
		for _, p := range d.host.Apply(ctx, d.withEngine()) {
			d.log.Error("an instance did not start", "summary", p.Summary, "err", p.Error())
		}
	}
	q := cfg.Query
	q.Where = nil
	if d.sql.engine == nil || d.sql.config != q {
		d.sql.config = q
		d.sql.engine = query.New(enginePlugin{d.host, spec.Instance}, lakeFiles{d.lake}, query.Limits{
			Memory: q.Memory, Threads: q.Threads, Timeout: q.Timeout, MaxRows: q.MaxRows, MaxBytes: q.MaxBytes,
			SpillDir: spillDir(cfg), Spill: q.Spill, Concurrent: q.Concurrency,
		})
	}
	return d.sql.engine, nil
}

// lakeFiles is the daemon's own lake as a query sees it.
type lakeFiles struct{ lake *lake.Lake }

// Snapshot implements query.Source.
func (l lakeFiles) Snapshot(ctx context.Context, tables []table.Name, events query.Span) (*query.Snapshot, error) {
	files, release, err := l.lake.Snapshot(ctx, tables, lake.Range{Since: events.Since, Until: events.Until})
	if err != nil {
		return nil, err
	}
	return &query.Snapshot{Files: files, Release: release}, nil
}

// enginePlugin is the plugin as the host runs it.
type enginePlugin struct {
	h    *host.Host
	inst record.Instance
}

// Query implements query.Plugin.
func (p enginePlugin) Query(ctx context.Context, r *pluginv1.QueryRequest) (query.Stream, error) {
	s, err := p.h.Query(ctx, p.inst, r)
	if err != nil {
		return nil, unavailable(err)
	}
	return s, nil
}

// Tables implements query.Plugin.
func (p enginePlugin) Tables(ctx context.Context, r *pluginv1.TablesRequest) (*pluginv1.TablesResponse, error) {
	resp, err := p.h.QueryTables(ctx, p.inst, r)
	return resp, unavailable(err)
}

// unavailable says of a plugin that is down that asking again may help.
func unavailable(err error) error {
	if errors.Is(err, host.ErrDown) || errors.Is(err, host.ErrUnknown) {
		return &query.Error{Kind: query.Unavailable, Message: err.Error()}
	}
	return err
}
