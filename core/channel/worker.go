package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

const (
	// putLimit bounds one attempt to put a file into a bucket.
	putLimit = 10 * time.Minute
	// tellAfter is how many attempts in a row fail before it is told.
	tellAfter = 3
)

// request asks for a run now.
type request struct{ answer chan answer }

type answer struct {
	files []File
	err   error
}

// worker runs one channel.
type worker struct {
	m     *Manager
	stop  context.CancelFunc
	ended chan struct{}
	// dir holds the files that are on their way.
	dir   string
	kick  chan struct{}
	asked chan request
	// failures counts the attempts in a row that failed. own is the run that this process made or looked
	// at, so that its files need not be looked at again.
	failures int
	own      string

	mu   sync.Mutex
	spec Spec
	// due is when the next run is, where that is later than what the store says: a look that found
	// nothing is not written down.
	due time.Time
}

// use puts another configuration of the channel in force.
func (w *worker) use(s Spec) {
	w.mu.Lock()
	w.spec = s
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// next is when the next run is, as far as this is not in the store.
func (w *worker) next() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.due
}

func (w *worker) setNext(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = t
}

func (w *worker) current() Spec {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spec
}

// run goes from one run of the channel to the next until ctx ends.
func (w *worker) run(ctx context.Context) {
	defer close(w.ended)
	defer w.stop()
	var waiting *request
	for {
		files, wait, err := w.step(ctx, waiting != nil)
		if err != nil && ctx.Err() == nil {
			w.failures++
			wait = w.failed(ctx, err)
		}
		if err == nil {
			w.failures = 0
		}
		if waiting != nil {
			switch {
			case err != nil && files != nil:
				err = fmt.Errorf("the snapshot is planned and will be delivered when that works again: %w", err)
			case err != nil:
				err = fmt.Errorf("no snapshot was taken, because one before it is not delivered yet or nothing can be gathered: %w", err)
			}
			waiting.answer <- answer{files, err}
			waiting = nil
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-w.kick:
		case r := <-w.asked:
			waiting = &r
		}
		t.Stop()
	}
}

// step ends the run that is planned, then makes the one that is due or asked for. It returns the files that
// it planned and how long there is nothing to do.
func (w *worker) step(ctx context.Context, asked bool) (files []File, wait time.Duration, err error) {
	s := w.current()
	st, err := w.read(ctx, &s)
	if err != nil {
		return nil, 0, err
	}
	if st.Run != nil {
		if err := w.deliver(ctx, &s, st); err != nil {
			return nil, 0, err
		}
	}
	now := w.m.o.Now().UTC()
	if st.fresh || st.due.After(now.Add(s.Every)) {
		// New, or it runs more often than it did when this was decided, or the clock was set back.
		st.due = now.Add(s.Every)
		w.setNext(time.Time{})
		if err := w.update(ctx, func(tx *store.Tx) error { return st.write(tx, &s) }); err != nil {
			return nil, 0, err
		}
		st.fresh = false
	}
	if st.due.After(now) && !asked {
		return nil, st.due.Sub(now), nil
	}
	if files, err = w.plan(ctx, &s, st, now, asked); err != nil {
		return nil, 0, err
	}
	if err := w.deliver(ctx, &s, st); err != nil {
		return files, 0, err
	}
	return files, max(0, st.due.Sub(w.m.o.Now())), nil
}

func (w *worker) read(ctx context.Context, s *Spec) (st *state, err error) {
	err = w.m.o.Store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Channel(s.id())
		if err == nil {
			st, err = readState(s, c)
		}
		return err
	})
	if due := w.next(); err == nil && due.After(st.due) {
		st.due = due
	}
	return st, err
}

// update writes to the store. What has been begun is ended though the daemon is to stop.
func (w *worker) update(ctx context.Context, fn func(*store.Tx) error) error {
	return w.m.o.Store.Update(ctx, fn)
}

// plan makes a run: its files, then the plan in the store. Where there is nothing to write, the position
// moves on at once.
func (w *worker) plan(ctx context.Context, s *Spec, st *state, now time.Time, asked bool) ([]File, error) {
	r, err := newRun(st.position, now, asked)
	if err != nil {
		return nil, err
	}
	files, err := w.build(ctx, s, r, false)
	if err != nil {
		return nil, err
	}
	idle := r.To == st.position
	if !asked {
		// The schedule keeps its rhythm, and what was missed while the daemon did not run is made up for
		// by one run.
		if st.due = st.due.Add(s.Every); !st.due.After(now) {
			st.due = now.Add(s.Every)
		}
		if r.More {
			st.due = now
		}
	}
	st.Lost += r.Lost
	if r.Lost > 0 {
		w.m.o.Log.Error("events were past their retention before they were written", "channel", s.id(), "events", r.Lost)
	}
	if len(files) > 0 {
		st.Run = r
	} else {
		st.position = r.To
	}
	if len(files) == 0 && idle && s.Kind != Snapshot {
		// Nothing came. That is not worth a write: after a restart it is looked at once more.
		w.setNext(st.due)
		return nil, nil
	}
	err = w.update(ctx, func(tx *store.Tx) error {
		for i, f := range files {
			b, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("plan file %s: %w", f.Key, err)
			}
			if err := tx.AddChannelFile(store.ChannelFile{Channel: s.id(), Place: i + 1, Body: b}); err != nil {
				return err
			}
		}
		return st.write(tx, s)
	})
	if err != nil {
		return nil, err
	}
	w.own = r.ID
	out := make([]File, len(files))
	for i := range files {
		out[i] = files[i].File
	}
	return out, nil
}

// build writes the files of a run to the worker's folder, for the first time or again.
func (w *worker) build(ctx context.Context, s *Spec, r *run, again bool) ([]planned, error) {
	select {
	case w.m.building <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.m.building }()
	b := &build{store: w.m.o.Store, events: w.m.o.Events, source: w.m.o.Source, spec: s, run: r, again: again}
	if err := b.do(ctx, w.dir); err != nil {
		return nil, fmt.Errorf("gather %s: %w", s.id(), err)
	}
	return b.files, nil
}

// deliver puts the files of the plan into the bucket, one after the other.
func (w *worker) deliver(ctx context.Context, s *Spec, st *state) error {
	if st.Run == nil {
		return nil
	}
	var rows []store.ChannelFile
	err := w.m.o.Store.View(ctx, func(tx *store.Tx) (err error) { rows, err = tx.ChannelFiles(s.id()); return err })
	if err != nil {
		return err
	}
	files := make([]planned, len(rows))
	for i := range rows {
		if err := json.Unmarshal(rows[i].Body, &files[i]); err != nil {
			return fmt.Errorf("read plan of %s: %w", s.id(), err)
		}
	}
	if w.own != st.Run.ID {
		if err := w.inspect(ctx, s, st, files); err != nil {
			return err
		}
		w.own = st.Run.ID
	}
	for i := range files {
		if err := w.put(ctx, s, &files[i]); err != nil {
			return err
		}
		if err := w.advance(ctx, s, st, rows[i].Place, files[i].File, i == len(files)-1); err != nil {
			return err
		}
		// It is in the bucket; if it stays here it is cleaned up with the next run.
		_ = os.Remove(filepath.Join(w.dir, files[i].Name))
	}
	return nil
}

// inspect looks whether the files of a plan that another process made are there. Where they are not,
// because somebody cleaned up, the run is made again: what it holds is known.
func (w *worker) inspect(ctx context.Context, s *Spec, st *state, files []planned) error {
	whole := true
	for _, f := range files {
		size, sum, err := measure(filepath.Join(w.dir, f.Name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		whole = whole && err == nil && size == f.Bytes && sum == f.SHA256
	}
	if whole {
		return nil
	}
	w.m.o.Log.Warn("files on their way are missing or damaged and are made again", "channel", s.id(), "folder", w.dir)
	again, err := w.build(ctx, s, st.Run, true)
	if err != nil {
		return err
	}
	byKey := map[string]planned{}
	for _, f := range again {
		byKey[f.Key] = f
	}
	for i, f := range files {
		made, ok := byKey[f.Key]
		switch {
		case !ok:
			return fmt.Errorf("%s: file %s cannot be made again: what it holds was removed meanwhile; put %s back from a backup", s.id(), f.Key, filepath.Join(w.dir, f.Name))
		case made.SHA256 != f.SHA256:
			w.m.o.Log.Warn("a file that was made again differs", "channel", s.id(), "key", f.Key)
		}
		// The place in the plan stays, and the bucket and the rest are as they were planned.
		f.Name, f.Bytes, f.SHA256, f.Count = made.Name, made.Bytes, made.SHA256, made.Count
		files[i] = f
	}
	return nil
}

// put puts one file into the bucket.
func (w *worker) put(ctx context.Context, s *Spec, f *planned) error {
	ctx, cancel := context.WithTimeout(ctx, putLimit)
	defer cancel()
	f.Bucket = s.Bucket.String()
	if err := s.Bucket.Put(ctx, f.Key, filepath.Join(w.dir, f.Name)); err != nil {
		return fmt.Errorf("put %s into %s: %w", f.Key, f.Bucket, err)
	}
	return nil
}

// advance marks a file as delivered and makes its notifications, in one transaction, which may be repeated
// and must therefore leave st alone until it is through.
func (w *worker) advance(ctx context.Context, s *Spec, st *state, place int, f File, last bool) error {
	now := w.m.o.Now().UTC().Truncate(time.Microsecond)
	f.At = now
	next := *st
	next.Last, next.Files, next.Records = &f, st.Files+1, st.Records+int64(f.Count)
	if last {
		if s.Kind != Snapshot {
			next.position = st.Run.To
		}
		next.Run = nil
	}
	told := next.Told
	next.Failure, next.Failing, next.Told = "", time.Time{}, false
	made := 0
	write := func(tx *store.Tx) (err error) {
		if made, err = notify(tx, s, f, w.m.o.Source, now); err != nil {
			return err
		}
		if err := tx.DeleteChannelFile(s.id(), place); err != nil {
			return err
		}
		return next.write(tx, s)
	}
	// What is in the bucket is marked though the daemon is to stop: it would only be put there again.
	ctx = context.WithoutCancel(ctx)
	var err error
	if told {
		err = w.m.o.Health(ctx, s.id(), false, "It is delivered again; nothing was lost.", write)
	} else {
		err = w.update(ctx, write)
	}
	if err != nil {
		return err
	}
	*st = next
	if made > 0 {
		w.m.o.Delivering()
	}
	w.m.o.Log.Info("a file was delivered", "channel", s.id(), "key", f.Key, "records", f.Count, "bytes", f.Bytes)
	return nil
}

// failed notes a failure where the status shows it, tells it when it lasts, and returns how long to wait.
func (w *worker) failed(ctx context.Context, cause error) time.Duration {
	o := &w.m.o
	wait := o.LongestWait
	if w.failures < 20 {
		wait = min(o.LongestWait, o.FirstWait<<(w.failures-1))
	}
	s := w.current()
	o.Log.Error("a channel failed and is tried again", "channel", s.id(), "attempts", w.failures, "in", wait, "err", cause)
	st, err := w.read(ctx, &s)
	if err != nil {
		o.Log.Error("the failure of a channel cannot be noted", "channel", s.id(), "err", err)
		return wait
	}
	first := st.Failing.IsZero()
	if first {
		st.Failing = o.Now().UTC().Truncate(time.Microsecond)
	}
	st.Failure = cause.Error()
	write := func(tx *store.Tx) error { return st.write(tx, &s) }
	switch {
	case w.failures >= tellAfter && !st.Told:
		st.Told = true
		err = o.Health(ctx, s.id(), true, fmt.Sprintf("Nothing can be delivered since %s: %v. It is tried again until it works, and nothing is lost.", record.FormatTime(st.Failing), cause), write)
	default:
		err = w.update(ctx, write)
	}
	if err != nil {
		o.Log.Error("the failure of a channel cannot be noted", "channel", s.id(), "err", err)
	}
	return wait
}
