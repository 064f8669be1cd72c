package channel

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// Kind is what a channel writes.
type Kind string

// The kinds of channel. They are also the class of their notifications.
const (
	Snapshot Kind = "snapshot"
	History  Kind = "history"
	Trail    Kind = "trail"
)

// Spec is one configured channel. A snapshot block of the configuration is two: its snapshots and its
// history files.
type Spec struct {
	Kind  Kind
	Name  string
	Every time.Duration
	// Bucket is where files go, below Prefix.
	Bucket blob.Bucket
	Prefix string
	// Notify are the notifiers that are told of each file.
	Notify []record.Instance
	// Match says which items or events are written.
	Match Match
}

// id names a channel in the store, in messages and on disk.
func (s *Spec) id() string { return string(s.Kind) + "/" + s.Name }

// Events are the recorded events by number.
type Events interface {
	// EventsAfter returns events with numbers above one, in their order, at most about limit.
	EventsAfter(ctx context.Context, number int64, limit int) ([]store.EventRow, error)
}

// Options are what a Manager needs.
type Options struct {
	Store  *store.Store
	Events Events
	Log    *slog.Logger
	Now    func() time.Time
	// Source names the installation: "regent://<id>".
	Source string
	// Dir is a folder for files that are on their way. Nobody else may write there.
	Dir string
	// Health tells that something is wrong with a channel, or that it is not any more, in a transaction
	// that also belongs to.
	Health func(ctx context.Context, channel string, wrong bool, message string, also func(*store.Tx) error) error
	// Delivering is called after notifications were made. It must not block.
	Delivering func()
	// FirstWait and LongestWait bound the wait before a bucket that failed is tried again.
	FirstWait, LongestWait time.Duration
}

// Manager runs the channels. It is safe for concurrent use.
type Manager struct {
	o Options
	// building holds whoever gathers records: one at a time, so that memory is bounded.
	building chan struct{}
	changed  chan struct{}

	mu      sync.Mutex
	specs   map[string]Spec
	workers map[string]*worker
}

// New returns a manager without channels.
func New(o Options) *Manager {
	if o.Delivering == nil {
		o.Delivering = func() {}
	}
	if o.Health == nil {
		o.Health = func(ctx context.Context, _ string, _ bool, _ string, also func(*store.Tx) error) error {
			return o.Store.Update(ctx, also)
		}
	}
	if o.FirstWait == 0 {
		o.FirstWait, o.LongestWait = time.Second, 5*time.Minute
	}
	return &Manager{o: o, building: make(chan struct{}, 1), changed: make(chan struct{}, 1), specs: map[string]Spec{}, workers: map[string]*worker{}}
}

// Use puts channels in force in place of those before. A channel that goes and comes back goes on where it
// was.
func (m *Manager) Use(specs []Spec) {
	m.mu.Lock()
	m.specs = map[string]Spec{}
	for _, s := range specs {
		m.specs[s.id()] = s
	}
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Run runs the channels until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		// What is told up to here is met below.
		select {
		case <-m.changed:
		default:
		}
		m.mu.Lock()
		var gone []*worker
		for id, w := range m.workers {
			if _, wanted := m.specs[id]; !wanted {
				w.stop()
				gone = append(gone, w)
				delete(m.workers, id)
			}
		}
		for id, s := range m.specs {
			if w := m.workers[id]; w != nil {
				w.use(s)
				continue
			}
			wctx, stop := context.WithCancel(ctx)
			w := &worker{m: m, spec: s, stop: stop, ended: make(chan struct{}), kick: make(chan struct{}, 1), asked: make(chan request), dir: filepath.Join(m.o.Dir, string(s.Kind)+"-"+s.Name)}
			m.workers[id] = w
			running.Go(func() { w.run(wctx) })
		}
		m.mu.Unlock()
		for _, w := range gone {
			<-w.ended
		}
		if err := m.settle(ctx); err != nil && ctx.Err() == nil {
			m.o.Log.Error("the trouble of a channel that was removed cannot be ended", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.changed:
		}
	}
}

// settle ends the trouble of channels that left the configuration. What they had planned stays, for when they
// come back.
func (m *Manager) settle(ctx context.Context) error {
	var all []store.Channel
	if err := m.o.Store.View(ctx, func(tx *store.Tx) (err error) { all, err = tx.Channels(); return err }); err != nil {
		return err
	}
	for i := range all {
		c := &all[i]
		kind, name, _ := strings.Cut(c.Name, "/")
		s := Spec{Kind: Kind(kind), Name: name}
		st, err := readState(&s, c)
		if err != nil {
			return err
		}
		m.mu.Lock()
		_, wanted := m.specs[c.Name]
		m.mu.Unlock()
		if wanted || !st.Told {
			continue
		}
		st.Told, st.Failure, st.Failing = false, "", time.Time{}
		err = m.o.Health(ctx, c.Name, false, "It was removed from the configuration.", func(tx *store.Tx) error { return st.write(tx, &s) })
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrUnknown says that there is no such channel.
var ErrUnknown = errors.New("no such channel")

// Take takes a snapshot now and returns what was written. Where the bucket fails, the snapshot stays
// planned and is written when the bucket works again.
func (m *Manager) Take(ctx context.Context, name string) ([]File, error) {
	m.mu.Lock()
	w := m.workers[string(Snapshot)+"/"+name]
	m.mu.Unlock()
	if w == nil {
		return nil, ErrUnknown
	}
	r := request{answer: make(chan answer, 1)}
	select {
	case w.asked <- r:
	case <-w.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-r.answer:
		return a.files, a.err
	case <-w.ended:
		// The answer may have come with the end.
		select {
		case a := <-r.answer:
			return a.files, a.err
		default:
			return nil, errEnded
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errEnded is what those get who wait while a channel ends.
var errEnded = errors.New("the daemon stops, or the snapshot was removed from the configuration")

// Status is a channel at a glance.
type Status struct {
	Kind Kind
	Name string
	// To is where its files go.
	To string
	// Due is when it runs next.
	Due time.Time
	// Last is the file that was delivered last, nil where there was none yet.
	Last *File
	// Files and Records count what was delivered in all, Lost what was past its retention before.
	Files, Records, Lost int64
	// Waiting is how many files are planned and not delivered yet.
	Waiting int
	// Failing is since when the bucket fails, and Failure why.
	Failing time.Time
	Failure string
}

// Status returns the channels in force, in the order of their kinds and names.
func (m *Manager) Status(ctx context.Context) ([]Status, error) {
	m.mu.Lock()
	specs := slices.Collect(maps.Values(m.specs))
	next := map[string]time.Time{}
	for id, w := range m.workers {
		next[id] = w.next()
	}
	m.mu.Unlock()
	slices.SortFunc(specs, func(a, b Spec) int {
		return slices.Compare([]string{string(a.Kind), a.Name}, []string{string(b.Kind), b.Name})
	})
	out := make([]Status, 0, len(specs))
	err := m.o.Store.View(ctx, func(tx *store.Tx) error {
		for i := range specs {
			s := &specs[i]
			c, err := tx.Channel(s.id())
			if err != nil {
				return err
			}
			st, err := readState(s, c)
			if err != nil {
				return err
			}
			files, err := tx.ChannelFiles(s.id())
			if err != nil {
				return err
			}
			if due := next[s.id()]; due.After(st.due) {
				st.due = due
			}
			out = append(out, Status{
				Kind: s.Kind, Name: s.Name, To: place(s), Due: st.due, Last: st.Last, Files: st.Files, Records: st.Records, Lost: st.Lost,
				Waiting: len(files), Failing: st.Failing, Failure: st.Failure,
			})
		}
		return nil
	})
	return out, err
}

// place names the bucket with the prefix.
func place(s *Spec) string {
	if s.Prefix == "" {
		return s.Bucket.String()
	}
	return s.Bucket.String() + "/" + s.Prefix
}

// class is that of a channel's notifications.
func (k Kind) class() verdict.Class { return verdict.Class(k) }
