package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/cause"
	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/pipeline"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/reload"
	"github.com/regent-dev/regent/core/rerun"
	"github.com/regent-dev/regent/core/store"
)

// first puts the generation in force that the daemon starts with: that of the files, or, where they are
// refused, the last good one.
func (d *Daemon) first(ctx context.Context, dataDir string) error {
	b := Check(ctx, d.o.Path, d.o.Vars, d.host, d.marker, d.cache)
	degraded := ""
	digest := b.Digest
	var refused diag.Problems
	if b.Problems.HasErrors() {
		good, err := lastGood(ctx, dataDir, d.o.Vars, d.host, d.marker, d.cache)
		if err != nil {
			return &Refused{b.Problems, b.Sources}
		}
		degraded = "The files are refused; the daemon runs on the last good generation."
		refused = b.Problems
		d.log.Error("the configuration or the policies are refused; running on the last good generation", "err", b.Problems.Err())
		good.Folders = b.Folders
		b = good
	}
	d.cfg = b.Config
	if err := d.enforce(ctx, b, degraded, refused); err != nil {
		return err
	}
	d.loop = reload.New(reload.Options{
		Log: d.log, Read: d.read, Build: d.rebuild, Failed: func(err error) {
			d.refuse(diag.Problems{{Severity: diag.Error, Summary: "Files not readable", Detail: err.Error()}})
		},
	}, digest)
	return nil
}

// read reads what the next generation is made of. Building needs the plugins and is done only where the
// digest differs; reading is a load of the configuration and of the policies' bytes.
func (d *Daemon) read() (reload.Snapshot, error) {
	b := load(d.o.Path, d.o.Vars)
	return reload.Snapshot{Digest: b.Digest, Folders: b.Folders, Content: b}, nil
}

// rebuild builds and puts in force what was read.
func (d *Daemon) rebuild(ctx context.Context, s reload.Snapshot) error {
	start := time.Now()
	b := s.Content.(*Build)
	b.finish(ctx, d.host, d.marker, d.cache)
	if err := b.Problems.Err(); err != nil {
		d.refuse(b.Problems)
		return err
	}
	d.carry(b)
	if err := d.enforce(ctx, b, "", nil); err != nil {
		d.refuse(diag.Problems{{Severity: diag.Error, Summary: "Generation not put in force", Detail: err.Error()}})
		return err
	}
	d.log.Info("a generation was put in force", "generation", d.generation.Number, "policies", len(b.Policies.Policies()), "took", time.Since(start).Round(time.Millisecond))
	for _, p := range d.apply(ctx, b.Specs) {
		d.log.Error("an instance did not start", "summary", p.Summary, "err", p.Error())
	}
	d.broken(ctx, b)
	return d.retire(ctx, b)
}

// carry lets instances go on as they are whose plugin cannot be asked at this reload what it is: the
// process that runs was started from a good binary, and a reload for another reason must not end it. One
// whose binary the operator has moved or pinned anew is not what is wanted any more, and ends.
func (d *Daemon) carry(b *Build) {
	for _, old := range d.build.Specs {
		if b.Broken[old.Instance] == nil {
			continue
		}
		for _, inst := range b.Config.Instances() {
			if inst.ID != old.Instance {
				continue
			}
			if path, sum, _ := b.Config.PluginBinary(inst.Role, inst.Plugin); path == old.Path && sum == old.SHA256 {
				b.Specs = append(b.Specs, old)
			}
		}
	}
}

// retire tells the pipeline which instances are left.
func (d *Daemon) retire(ctx context.Context, b *Build) error {
	var keep []record.Instance
	for _, inst := range b.Config.Instances() {
		keep = append(keep, inst.ID)
	}
	d.removed(ctx, keep)
	return d.pipeline.Retire(ctx, keep)
}

// refuse keeps what is in force and shows what is wrong.
func (d *Daemon) refuse(problems diag.Problems) {
	d.reloads.WithLabelValues("refused").Inc()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.generation.Problems = problems
	d.generation.Degraded = fmt.Sprintf("The files are refused; generation %d stays in force.", d.generation.Number)
	for _, p := range problems {
		if p.Severity == diag.Error {
			d.log.Error("the files are refused and what was in force stays", "generation", d.generation.Number, "err", p.Error())
		}
	}
}

// errNoPolicies cannot happen: a Build without errors has its policies.
var errNoPolicies = errors.New("generation has no policies")

// enforce puts a generation in force.
func (d *Daemon) enforce(ctx context.Context, b *Build, degraded string, refused diag.Problems) error {
	if b.Policies == nil {
		return errNoPolicies
	}
	if d.build != nil {
		for _, name := range b.Config.Restart(d.cfg) {
			b.Problems.Warnf(nil, "Restart needed", "%s changed; that takes effect when the daemon is started again.", name)
		}
	}
	var number int64
	err := d.store.Update(ctx, func(tx *store.Tx) error {
		raw, err := tx.Meta(metaGeneration)
		if err != nil {
			return err
		}
		if raw != nil {
			if _, err := fmt.Sscan(string(raw), &number); err != nil {
				return fmt.Errorf("read generation: %w", err)
			}
		}
		number++
		// Verdicts pin the texts that they were made from; these are kept before the first of them is.
		if err := rerun.Keep(tx, b.Policies, b.Files); err != nil {
			return err
		}
		return tx.SetMeta(metaGeneration, fmt.Append(nil, number))
	})
	if err != nil {
		return fmt.Errorf("number generation: %w", err)
	}
	d.mu.Lock()
	for inst, t := range b.Types {
		d.types[inst] = t
	}
	d.mu.Unlock()
	// Routes first: changes of the new generation must find its routes.
	d.router.Use(b.Routes)
	d.channel.Use(b.Channels)
	d.causes.Use(cause.Settings{Before: b.Config.Cause.Before, After: b.Config.Cause.After, Tell: b.Routes.Actors()})
	if err := d.pipeline.Swap(ctx, &pipeline.Generation{
		Number: number, Policies: b.Policies, Waivers: b.Waivers, NotifyMaxAge: b.Config.NotifyMaxAge,
		Activity: b.Routes.Activity(), Configuration: b.Routes.Configuration(),
	}); err != nil {
		return err
	}
	d.mu.Lock()
	d.build = b
	d.generation = api.Generation{
		Number: number, Since: time.Now().UTC(), Policies: len(b.Policies.Policies()), Degraded: degraded,
		Problems: append(refused, b.Problems...), Notes: b.Policies.Notes(),
	}
	if degraded == "" && len(b.Broken) > 0 {
		d.generation.Degraded = "Plugins do not start: " + names(b.Broken) + "."
	}
	d.mu.Unlock()
	d.reloads.WithLabelValues("enforced").Inc()
	d.reloadedAt.SetToCurrentTime()
	if degraded == "" && len(b.Broken) == 0 {
		if err := b.save(); err != nil {
			d.log.Error("the generation could not be kept for a restart with broken files", "err", err)
		}
	}
	return nil
}

// signals reloads when asked.
func (d *Daemon) signals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-d.o.Reload:
			if !ok {
				return
			}
			d.log.Info("reloading as asked")
			if err := d.loop.Now(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("the reload was refused", "err", err)
			}
		}
	}
}

// retryPlugins asks plugins again that could not be asked what they are.
func (d *Daemon) retryPlugins(ctx context.Context) {
	t := time.NewTicker(retryBroken)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		d.mu.Lock()
		broken := len(d.build.Broken) > 0
		d.mu.Unlock()
		if broken {
			// What is wrong stands in the status already.
			_ = d.loop.Now(ctx)
		}
	}
}
