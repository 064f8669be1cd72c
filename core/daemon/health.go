package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/host"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

const metaUnwell = "daemon/unwell"

// unwell are the instances whose trouble was told, with what was told. It is kept in the store, so that
// the end of a trouble is told however often the daemon was started meanwhile. It is safe for concurrent
// use.
type unwell struct {
	mu  sync.Mutex
	now map[record.Instance]string
}

func (u *unwell) load(ctx context.Context, s *store.Store) error {
	u.now = map[record.Instance]string{}
	return s.View(ctx, func(tx *store.Tx) error {
		b, err := tx.Meta(metaUnwell)
		if err != nil || b == nil {
			return err
		}
		if err := json.Unmarshal(b, &u.now); err != nil {
			return fmt.Errorf("read which instances are not well: %w", err)
		}
		return nil
	})
}

// set notes what is told of an instance, "" where it is well, by a transaction that write makes with what
// it is given. What is no news is not written.
func (u *unwell) set(inst record.Instance, trouble string, write func(func(*store.Tx) error) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.now[inst] == trouble {
		return nil
	}
	next := maps.Clone(u.now)
	next[inst] = trouble
	if trouble == "" {
		delete(next, inst)
	}
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("write which instances are not well: %w", err)
	}
	if err := write(func(tx *store.Tx) error { return tx.SetMeta(metaUnwell, b) }); err != nil {
		return err
	}
	u.now = next
	return nil
}

// instances returns those whose trouble begins so.
func (u *unwell) instances(trouble string) (out []record.Instance) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for inst, text := range u.now {
		if strings.HasPrefix(text, trouble) {
			out = append(out, inst)
		}
	}
	return out
}

// health tells a change of an instance's health through the routes.
func (d *Daemon) health(ctx context.Context, h host.Health) {
	trouble := h.Summary
	if h.Detail != "" {
		trouble += ": " + h.Detail
	}
	if h.Healthy {
		d.tell(ctx, h.Instance, "", "The instance is well again.", h.At)
		return
	}
	d.tell(ctx, h.Instance, trouble, trouble, h.At)
}

// unstartable begins what is told of an instance whose plugin cannot be asked what it is.
const unstartable = "The plugin cannot be started: "

// broken tells of the instances of a generation whose plugin cannot be asked what it is: the host does not
// know them, or goes on with a process from before. It also tells the end of that.
func (d *Daemon) broken(ctx context.Context, b *Build) {
	for inst, err := range b.Broken {
		trouble := unstartable + err.Error()
		d.tell(ctx, inst, trouble, trouble, time.Now())
	}
	for _, inst := range d.unwell.instances(unstartable) {
		if b.Broken[inst] == nil {
			d.tell(ctx, inst, "", "The plugin can be started again.", time.Now())
		}
	}
}

// removed ends the trouble of instances that left the configuration.
func (d *Daemon) removed(ctx context.Context, keep []record.Instance) {
	for _, inst := range d.unwell.instances("") {
		if !slices.Contains(keep, inst) {
			d.tell(ctx, inst, "", "The instance was removed from the configuration.", time.Now())
		}
	}
}

// tell tells what is wrong with an instance, or with trouble "" that nothing is any more. The first time
// an instance is well is no news.
func (d *Daemon) tell(ctx context.Context, inst record.Instance, trouble, message string, at time.Time) {
	ch := verdict.Change{
		Severity: verdict.High, RecordedAt: at, Key: "instance/" + string(inst), Title: "A plugin instance is not well",
		Message: message, Old: "OK", New: "UNWELL", Active: trouble != "", Instance: string(inst),
	}
	if !ch.Active {
		ch.Old, ch.New = ch.New, ch.Old
	}
	err := d.unwell.set(inst, trouble, func(also func(*store.Tx) error) error {
		return d.pipeline.Report(context.WithoutCancel(ctx), ch, also)
	})
	if err != nil {
		d.log.Error("a change of health cannot be recorded", "instance", inst, "health", message, "err", err)
	}
}
