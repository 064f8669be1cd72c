package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

const (
	// period is the time that a digest covers.
	period = time.Hour
	// pollEvery is how often it is looked whether an hour has ended. A timer for the whole hour would
	// sleep through a clock that is set.
	pollEvery = 10 * time.Second
	// farBack is from when on a clock that was set back is not waited for.
	farBack = 24 * time.Hour
	// changePage is how many changes are read at once.
	changePage = 1000
)

// Keys are what digests are signed with.
type Keys struct {
	Current ed25519.PrivateKey
	// Previous are keys of before, by which the chain is handed over to the current one.
	Previous []ed25519.PrivateKey
}

// Options are what a ledger needs.
type Options struct {
	Store *store.Store
	// Bucket holds the lake, and gets the digests.
	Bucket blob.Bucket
	// Scratch is a local folder for the file that is being written.
	Scratch string
	Log     *slog.Logger
	Now     func() time.Time
	// Installation is the name of the daemon's installation.
	Installation string
	Keys         Keys
	// Collectors says what came from whom, and which gaps lasted between two times.
	Collectors func(tx *store.Tx, from, to time.Time) ([]Collector, error)
	// Health is told when no digest can be written, and with nil when one can be again. It may be nil.
	Health func(ctx context.Context, err error)
	// Unwell says that an earlier process told of a failure and not of its end.
	Unwell bool
	// Anchor says to whom digests are sent, and Delivering is called when one was.
	Anchor     func() Anchors
	Delivering func()
}

// Ledger writes the digests of a lake. Its methods are safe for concurrent use.
type Ledger struct {
	o    Options
	turn sync.Mutex

	mu      sync.Mutex
	failing error
	since   time.Time
	unwell  bool
}

// New returns a ledger that writes nothing until Run.
func New(o Options) (*Ledger, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Collectors == nil {
		o.Collectors = func(*store.Tx, time.Time, time.Time) ([]Collector, error) { return nil, nil }
	}
	if o.Health == nil {
		o.Health = func(context.Context, error) {}
	}
	if o.Anchor == nil {
		o.Anchor = func() Anchors { return Anchors{} }
	}
	if o.Delivering == nil {
		o.Delivering = func() {}
	}
	if len(o.Keys.Current) != ed25519.PrivateKeySize {
		return nil, errors.New("the ledger has no signing key")
	}
	if err := os.MkdirAll(o.Scratch, 0o700); err != nil {
		return nil, fmt.Errorf("make the ledger's scratch folder: %w", err)
	}
	return &Ledger{o: o, unwell: o.Unwell}, nil
}

// Run writes a digest each hour until ctx ends. A failure is tried again for as long as it takes; the
// digest that comes then covers the hours without one.
func (l *Ledger) Run(ctx context.Context) error {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		err := l.Step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.note(ctx, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

func (l *Ledger) note(ctx context.Context, err error) {
	l.mu.Lock()
	news := (err != nil) != l.unwell
	l.unwell = err != nil
	if err != nil && l.failing == nil {
		l.since = l.o.Now().UTC()
	}
	if l.failing = err; err == nil {
		l.since = time.Time{}
	}
	l.mu.Unlock()
	if !news {
		return
	}
	if err != nil {
		l.o.Log.Error("no digest of the lake can be written; it is tried until it can", "lake", l.o.Bucket.String(), "err", err)
	}
	l.o.Health(ctx, err)
}

// Step writes what is decided and not yet written, decides and writes the digest that is due, if one is,
// and sends an anchor where that is due.
func (l *Ledger) Step(ctx context.Context) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := l.finish(ctx); err != nil {
		return err
	}
	due := false
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		last, err := tx.LastDigest()
		if err == nil {
			_, due = l.due(last)
		}
		return err
	})
	if err != nil {
		return err
	}
	if due {
		if err := l.decide(ctx); err != nil {
			return err
		}
		if err := l.finish(ctx); err != nil {
			return err
		}
	}
	return l.anchor(ctx)
}

// due returns up to when a digest is to be written now.
func (l *Ledger) due(last *store.LedgerRow) (time.Time, bool) {
	to := l.o.Now().UTC().Truncate(period)
	return to, last == nil || to.After(last.To) || last.To.Sub(to) > farBack
}

// decide makes the digest that is due, in one transaction.
func (l *Ledger) decide(ctx context.Context) error {
	return l.o.Store.Update(ctx, func(tx *store.Tx) error {
		last, err := tx.LastDigest()
		if err != nil {
			return err
		}
		to, due := l.due(last)
		if !due {
			return nil
		}
		d, err := l.digest(tx, last, to)
		if err != nil {
			return err
		}
		file, err := seal(d, l.o.Keys.Current)
		if err != nil {
			return err
		}
		return tx.AddDigest(store.LedgerRow{
			Number: d.Number, Path: d.File, Hash: record.Sum(file), From: d.From, To: d.To, Written: d.Written,
			LastChange: d.LastChange, PublicKey: d.PublicKey, Body: file,
		})
	})
}

// digest gathers what a digest says.
func (l *Ledger) digest(tx *store.Tx, last *store.LedgerRow, to time.Time) (*Digest, error) {
	public := l.o.Keys.Current.Public().(ed25519.PublicKey)
	d := &Digest{
		Format: format, Installation: l.o.Installation, Number: 1, File: fileOf(to), From: to.Add(-period), To: to,
		Written: l.o.Now().UTC().Truncate(time.Microsecond), Changes: []Change{}, Collectors: []Collector{},
		PublicKey: public, KeyID: KeyID(public),
	}
	if last != nil {
		d.Number, d.LastChange, d.Previous = last.Number+1, last.LastChange, &last.Hash
		if to.After(last.To) {
			d.From = last.To
			d.MadeUp = int64(to.Sub(d.From)/period) - 1
		} else {
			d.SetBack = &last.To
		}
		if !bytes.Equal(last.PublicKey, public) {
			var err error
			if d.Rotation, err = l.rotate(d, last.PublicKey); err != nil {
				return nil, err
			}
		}
	}
	taken, err := tx.DigestPathTaken(d.File)
	if err != nil {
		return nil, err
	}
	if taken {
		d.File = numbered(d.File, d.Number)
	}
	later, err := l.changes(tx, d)
	if err != nil {
		return nil, err
	}
	if d.Live, err = liveAfter(tx, later); err != nil {
		return nil, err
	}
	collectors, err := l.o.Collectors(tx, d.From, d.To)
	if err != nil {
		return nil, fmt.Errorf("gather what collectors missed: %w", err)
	}
	d.Collectors = append(d.Collectors, collectors...)
	slices.SortFunc(d.Collectors, func(a, b Collector) int { return cmp.Compare(a.Instance, b.Instance) })
	return d, nil
}

// changes puts the changes into a digest that belong to it, and returns those that came after its time.
func (l *Ledger) changes(tx *store.Tx, d *Digest) (later []manifest.Change, err error) {
	after := d.LastChange
	for {
		page, err := tx.LakeChanges(after, changePage)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			if c.Seq != after+1 {
				return nil, fmt.Errorf("the manifest has no change %d", after+1)
			}
			after = c.Seq
			// A change belongs to the hour in which it was made. One from a time that has not come is of a
			// clock that was set back, and is not waited for.
			if len(later) > 0 || !c.At.Before(d.To) && !c.At.After(d.Written) {
				later = append(later, c)
				continue
			}
			d.Changes, d.LastChange = append(d.Changes, changeOf(&c)), c.Seq
		}
		if len(page) < changePage {
			return later, nil
		}
	}
}

// liveAfter says what was in the lake before some changes, which are undone for that.
func liveAfter(tx *store.Tx, undo []manifest.Change) (Live, error) {
	all, err := tx.LakeFiles("")
	if err != nil {
		return Live{}, err
	}
	files := make(map[string]*manifest.File, len(all))
	for i := range all {
		files[all[i].Path] = &all[i].File
	}
	for _, c := range slices.Backward(undo) {
		for _, f := range c.Added {
			delete(files, f.Path)
		}
		for i := range c.Removed {
			files[c.Removed[i].Path] = &c.Removed[i]
		}
	}
	return sumLive(files), nil
}

func sumLive(files map[string]*manifest.File) Live {
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	live := Live{Files: int64(len(files))}
	h := sha256.New()
	var line []byte
	for _, path := range paths {
		f := files[path]
		live.Rows += f.Rows
		live.Bytes += f.Bytes
		line = liveLine(line[:0], f)
		h.Write(line)
	}
	h.Sum(live.Root[:0])
	return live
}

// rotate hands the chain over to the current key.
func (l *Ledger) rotate(d *Digest, old []byte) (*Rotation, error) {
	r := &Rotation{
		Format: rotationFormat, Installation: d.Installation, Number: d.Number, Previous: d.Previous, OldKey: old, NewKey: d.PublicKey,
	}
	for _, key := range l.o.Keys.Previous {
		if !bytes.Equal(key.Public().(ed25519.PublicKey), old) {
			continue
		}
		text, err := r.signed()
		if err != nil {
			return nil, err
		}
		r.Signature = ed25519.Sign(key, text)
		return r, nil
	}
	l.o.Log.Warn("the digests go on with a new key that the old one does not vouch for; whoever verifies them must be given the new public key. Name the old key in proof.previous when a key is changed",
		"old", KeyID(old), "new", d.KeyID)
	return r, nil
}

// finish writes the files of what was decided.
func (l *Ledger) finish(ctx context.Context) error {
	var rows []store.LedgerRow
	err := l.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = tx.DigestsToWrite()
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if record.Sum(row.Body) != row.Hash {
			return fmt.Errorf("%w: digest %d is not what was decided", store.ErrCorrupt, row.Number)
		}
		local := filepath.Join(l.o.Scratch, "digest.json")
		if err := os.WriteFile(local, row.Body, 0o600); err != nil {
			return fmt.Errorf("write digest %d: %w", row.Number, err)
		}
		if err := l.o.Bucket.Put(ctx, row.Path, local); err != nil {
			return fmt.Errorf("write digest %d: %w", row.Number, err)
		}
		if err := l.o.Store.Update(ctx, func(tx *store.Tx) error { return tx.DigestDone(row.Number) }); err != nil {
			return err
		}
		l.o.Log.Debug("wrote a digest of the lake", "number", row.Number, "file", row.Path)
	}
	return nil
}

// State is how far the digests are.
type State struct {
	// Last is the last digest that is written, nil where there is none.
	Last *Anchor `json:"last,omitempty"`
	// Written is when it was decided.
	Written time.Time `json:"written,omitzero"`
	// Anchored is the last digest that was sent, nil where none was, and AnchoredAt when.
	Anchored   *Anchor   `json:"anchored,omitempty"`
	AnchoredAt time.Time `json:"anchoredAt,omitzero"`
	// Failing says why no digest can be written, Since since when.
	Failing string    `json:"failing,omitempty"`
	Since   time.Time `json:"failingSince,omitzero"`
}

// Status returns how far the digests are.
func (l *Ledger) Status(tx *store.Tx) (State, error) {
	var s State
	l.mu.Lock()
	if l.failing != nil {
		s.Failing, s.Since = l.failing.Error(), l.since
	}
	l.mu.Unlock()
	last, err := tx.LastDigestDone()
	if err != nil {
		return s, err
	}
	if last != nil {
		a := anchorOf(l.o.Installation, last)
		s.Last, s.Written = &a, last.Written
	}
	sent, err := readSent(tx)
	if err != nil {
		return s, err
	}
	if sent.Anchor.Number > 0 {
		s.Anchored, s.AnchoredAt = &sent.Anchor, sent.At
	}
	return s, nil
}
