package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/record"
)

const (
	// indexers is how many digests are fetched at once: from a bucket each takes a round trip.
	indexers = 8
	// keptBytes bounds the digests that are kept from when they are indexed until they are replayed; the
	// others are read twice.
	keptBytes = 64 << 20
)

// found is a file in the folder of digests.
type found struct {
	key string
	// The rest is set where the file is a digest that is signed by the key that it names.
	ok                bool
	number            int64
	file              string
	installation      string
	hash              record.Digest
	previous          *record.Digest
	from, to, written time.Time
	madeUp            int64
	setBack           bool
	public            string
	rotation          *Rotation
	raw               []byte
	linked, trusted   bool
}

// index reads every digest and checks it by itself.
func (v *verification) index(ctx context.Context) error {
	v.progress.DigestsTotal = int64(len(v.digests))
	var mu sync.Mutex
	kept := 0
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(indexers)
	for _, f := range v.digests {
		g.Go(func() error {
			b, err := v.fetch(gctx, f.key, maxDigest)
			if gctx.Err() != nil {
				return gctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			v.progress.Digests++
			v.o.Progress(v.progress)
			if err != nil {
				kind := Unreadable
				if errors.Is(err, blob.ErrNotFound) {
					kind = Missing
				}
				v.problem(kind, f.key, 0, "%v", err)
				return nil
			}
			d, err := open(b)
			if err != nil {
				v.problem(Damaged, f.key, 0, "%v", err)
				return nil
			}
			f.ok, f.number, f.file, f.installation, f.hash, f.previous = true, d.Number, d.File, d.Installation, record.Sum(b), d.Previous
			f.from, f.to, f.written, f.madeUp, f.setBack = d.From, d.To, d.Written, d.MadeUp, d.SetBack != nil
			f.public, f.rotation = string(d.PublicKey), d.Rotation
			if kept += len(b); kept <= keptBytes {
				f.raw = b
			}
			return nil
		})
	}
	return g.Wait()
}

// walk goes through the chain and replays what it says of the lake.
func (v *verification) walk(ctx context.Context) error {
	chain := v.chain()
	for i, f := range chain {
		var before *found
		if i > 0 {
			before = chain[i-1]
		}
		v.link(before, f)
		if err := v.replay(ctx, f, i+1 == len(chain) || f.to.Format(time.DateOnly) != chain[i+1].to.Format(time.DateOnly)); err != nil {
			return err
		}
		f.raw = nil
		v.report.Digests++
		v.report.Hours += f.madeUp + 1
		v.report.MadeUp += f.madeUp
	}
	v.trust(chain)
	if n := len(chain); n > 0 {
		last := chain[n-1]
		if slices.ContainsFunc(v.digests, func(f *found) bool { return !f.ok && f.key > last.file }) {
			// What came after it is not known.
			v.live.broken = last.number + 1
		}
		v.live.last = last
		v.report.From, v.report.To = chain[0].from, last.to
		v.report.Last = &Anchor{
			Format: anchorFormat, Installation: last.installation, Number: last.number, SHA256: last.hash, File: last.file,
			From: last.from, To: last.to, KeyID: KeyID(ed25519.PublicKey(last.public)),
		}
		v.report.Live = v.live.sum()
	}
	v.anchors(chain)
	return nil
}

// chain puts the digests in order, one for each number. What is not where it belongs is named.
func (v *verification) chain() []*found {
	var chain []*found
	for _, f := range v.digests {
		if f.ok {
			chain = append(chain, f)
		}
	}
	// Of two with the same number the one in its own place comes first.
	slices.SortFunc(chain, func(a, b *found) int {
		return cmp.Or(cmp.Compare(a.number, b.number), boolCompare(a.key != a.file, b.key != b.file), cmp.Compare(a.key, b.key))
	})
	out := chain[:0]
	for _, f := range chain {
		if n := len(out); n > 0 && out[n-1].number == f.number {
			first := out[n-1]
			if first.hash == f.hash {
				v.problem(Misplaced, f.key, f.number, "it is a copy of digest %d, which is %s", f.number, first.key)
			} else {
				v.problem(Link, f.key, f.number, "it says it is digest %d, as %s does, and is another", f.number, first.key)
			}
			continue
		}
		if f.key != f.file {
			v.problem(Misplaced, f.key, f.number, "it is digest %d, which belongs at %s; digests were renamed or swapped", f.number, f.file)
		}
		out = append(out, f)
	}
	return out
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// link holds a digest against the one before it.
func (v *verification) link(before, f *found) {
	if before == nil {
		if f.number != 1 {
			v.hole(nil, f)
		} else if f.previous != nil {
			v.problem(Link, f.key, f.number, "it is the first digest and names one before it")
		}
		return
	}
	if f.installation != before.installation {
		v.problem(Link, f.key, f.number, "it is of installation %s, and the digest before of %s", f.installation, before.installation)
	}
	if f.number != before.number+1 {
		v.hole(before, f)
		return
	}
	switch {
	case f.previous == nil:
		v.problem(Link, f.key, f.number, "it does not name the digest before it")
	case *f.previous != before.hash:
		v.problem(Link, f.key, f.number, "it follows a digest %d with SHA-256 %s, and %s has %s: one of the two was replaced", before.number, f.previous, before.key, before.hash)
		v.problem(Link, before.key, before.number, "it has SHA-256 %s, and digest %d follows one with %s: one of the two was replaced", before.hash, f.number, f.previous)
	default:
		f.linked = true
	}
	switch {
	case f.setBack:
		v.note(Clock, f.key, f.number, "the clock was set back: the digest before ends at %s and this one begins at %s", record.FormatTime(before.to), record.FormatTime(f.from))
	case !f.from.Equal(before.to):
		v.problem(Link, f.key, f.number, "it begins at %s, and the digest before ends at %s", record.FormatTime(f.from), record.FormatTime(before.to))
	case f.written.Before(before.written):
		v.note(Clock, f.key, f.number, "the clock went backwards: it was written at %s, and the digest before at %s", record.FormatTime(f.written), record.FormatTime(before.written))
	}
}

// hole names the digests that are missing between two.
func (v *verification) hole(before, f *found) {
	v.live.broken = f.number
	first := int64(1)
	from := f.from.Add(-time.Duration(f.number-1) * period)
	if before != nil {
		first, from = before.number+1, before.to
	}
	n := f.number - first
	if hours := int64(f.from.Sub(from) / period); hours == n && n <= 1000 {
		for i := range n {
			v.lost(fileOf(from.Add(time.Duration(i+1)*period)), first+i)
		}
		return
	}
	v.lost(fileOf(f.from), f.number-1)
	if n > 1 {
		v.problem(Missing, Folder, first, "digests %d to %d are missing, which covered the time up to %s", first, f.number-1, record.FormatTime(f.from))
	}
}

// lost names a missing digest, unless a file is in its place: what is wrong with that was said.
func (v *verification) lost(file string, number int64) {
	i := slices.IndexFunc(v.digests, func(f *found) bool { return f.key == file })
	if i >= 0 && !v.digests[i].ok {
		return
	}
	v.problem(Missing, file, number, "digest %d is missing", number)
}

// trust finds out whose word each digest is.
func (v *verification) trust(chain []*found) {
	given := map[string]bool{}
	for _, k := range v.o.PublicKeys {
		given[string(k)] = true
	}
	if len(given) == 0 && len(chain) > 0 {
		given[chain[0].public] = true
		v.report.TrustedFirst = true
	}
	var seen []string
	why := make([]string, len(chain))
	for i, f := range chain {
		if id := KeyID(ed25519.PublicKey(f.public)); !slices.Contains(seen, id) {
			seen = append(seen, id)
		}
		switch {
		case given[f.public]:
			f.trusted = true
		case i == 0:
			why[i] = "which is none of those that are trusted"
		case chain[i-1].public == f.public:
			f.trusted = chain[i-1].trusted
			why[i] = "which is none of those that are trusted"
		default:
			before := chain[i-1]
			err := f.rotation.check(before, f)
			f.trusted = err == nil && before.trusted
			if err != nil {
				why[i] = fmt.Sprintf("and the one before with %s, %v", KeyID(ed25519.PublicKey(before.public)), err)
			} else {
				why[i] = "which only a key that is not trusted vouches for"
			}
		}
	}
	// A digest vouches for the one that it names as the one before.
	for i := len(chain) - 2; i >= 0; i-- {
		if chain[i+1].trusted && chain[i+1].linked {
			chain[i].trusted = true
		}
	}
	for i, f := range chain {
		if !f.trusted {
			v.problem(Key, f.key, f.number, "it is signed with key %s, %s", KeyID(ed25519.PublicKey(f.public)), why[i])
		}
	}
	v.report.Keys = append(v.report.Keys, seen...)
}

var errNoRotation = errors.New("which does not vouch for it; where the key was changed without its old file, give the new public key too")

// check checks that the key of one digest vouches for that of the next.
func (r *Rotation) check(before, f *found) error {
	if r == nil || len(r.Signature) == 0 {
		return errNoRotation
	}
	text, err := r.signed()
	if err != nil {
		return err
	}
	if r.Format != rotationFormat || r.Installation != f.installation || r.Number != f.number || r.Previous == nil || *r.Previous != before.hash ||
		!bytes.Equal(r.OldKey, []byte(before.public)) || !bytes.Equal(r.NewKey, []byte(f.public)) ||
		!ed25519.Verify(ed25519.PublicKey(before.public), text, r.Signature) {
		return errors.New("whose word for it is forged")
	}
	return nil
}

// anchors holds the chain against what was kept elsewhere.
func (v *verification) anchors(chain []*found) {
	for _, a := range v.o.Anchors {
		i, there := slices.BinarySearchFunc(chain, a.Number, func(f *found, n int64) int { return cmp.Compare(f.number, n) })
		switch {
		case there && chain[i].hash == a.SHA256:
			v.report.Anchors = append(v.report.Anchors, a)
		case there:
			v.problem(Anchored, chain[i].key, a.Number, "digest %d has SHA-256 %s, and the anchor says %s: it was replaced", a.Number, chain[i].hash, a.SHA256)
		case len(chain) == 0 || a.Number > chain[len(chain)-1].number:
			last := int64(0)
			if len(chain) > 0 {
				last = chain[len(chain)-1].number
			}
			v.live.broken = a.Number
			v.problem(Truncated, cmp.Or(a.File, Folder), a.Number, "the chain ends with digest %d, and the anchor knows digest %d", last, a.Number)
		default:
			v.problem(Missing, cmp.Or(a.File, Folder), a.Number, "digest %d of the anchor is missing", a.Number)
		}
	}
}
