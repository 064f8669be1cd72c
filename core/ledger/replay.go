package ledger

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
)

// piece is a drained file that compaction replaced. Its records are those of its numbers.
type piece struct {
	path     string
	rows     int64
	root     record.Digest
	min, max int64
	digest   int64
	at       time.Time
}

// whole is a compacted file that compaction replaced again. Its records are those of its pieces.
type whole struct {
	path   string
	rows   int64
	root   record.Digest
	digest int64
	pieces map[*piece]bool
}

// entry is a file that should be in the lake.
type entry struct {
	manifest.File
	// digest is the number of the digest that added it, 0 where none has yet; at is the end of its time.
	digest int64
	at     time.Time
	// pieces and wholes are what it replaced, at first or second hand.
	pieces []*piece
	wholes []*whole
	// gone is set where it is not there.
	gone bool
}

// lakeState is the lake as far as the digests that were replayed say.
type lakeState struct {
	files       map[string]*entry
	rows, bytes int64
	lastChange  int64
	at          time.Time
	// broken is the number of the last digest before which one is missing or damaged: what the files are
	// is then not known for certain.
	broken int64
	last   *found
	// pending are files that no digest has yet.
	pending []*entry
}

func newLakeState() *lakeState { return &lakeState{files: map[string]*entry{}} }

func (s *lakeState) paths() []string { return slices.Sorted(maps.Keys(s.files)) }

func (s *lakeState) sum() Live {
	files := make(map[string]*manifest.File, len(s.files))
	for path, e := range s.files {
		files[path] = &e.File
	}
	return sumLive(files)
}

func (s *lakeState) add(e *entry) {
	s.remove(e.Path)
	s.files[e.Path] = e
	s.rows += e.Rows
	s.bytes += e.Bytes
}

func (s *lakeState) remove(path string) {
	if e := s.files[path]; e != nil {
		delete(s.files, path)
		s.rows -= e.Rows
		s.bytes -= e.Bytes
	}
}

// replay applies the changes of a digest. The root over what is in the lake is compared where full is set:
// a difference stays, so once a day of digests and at the end will do.
func (v *verification) replay(ctx context.Context, f *found, full bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw := f.raw
	if raw == nil {
		var err error
		if raw, err = v.fetch(ctx, f.key, maxDigest); err != nil {
			return fmt.Errorf("read %s again: %w", f.key, err)
		}
		if record.Sum(raw) != f.hash {
			return fmt.Errorf("%s changed while it was verified; try again", f.key)
		}
	}
	d, err := open(raw)
	if err != nil {
		return fmt.Errorf("%s changed while it was verified; try again: %w", f.key, err)
	}
	s := v.live
	if len(d.Changes) > 0 {
		if first := d.Changes[0].Seq; first != s.lastChange+1 && s.broken == 0 {
			v.problem(Content, f.key, f.number, "its first change of the manifest is number %d, and the one before was number %d", first, s.lastChange)
		}
		s.lastChange = d.Changes[0].Seq - 1
	} else if s.broken == f.number {
		s.lastChange = d.LastChange
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		if c.Seq != s.lastChange+1 {
			v.problem(Content, f.key, f.number, "its changes of the manifest go from %d to %d", s.lastChange, c.Seq)
		}
		s.lastChange = c.Seq
		if c.At.Before(s.at) {
			v.note(Clock, f.key, f.number, "the clock went backwards between changes %d and %d of the manifest", c.Seq-1, c.Seq)
		}
		s.at = c.At
		v.apply(f, c)
	}
	if s.lastChange != d.LastChange {
		v.problem(Content, f.key, f.number, "it says that its last change of the manifest is number %d, and it is %d", d.LastChange, s.lastChange)
		s.lastChange = d.LastChange
	}
	if s.broken > 0 {
		return nil
	}
	files, rows, bytes := int64(len(s.files)), s.rows, s.bytes
	if files != d.Live.Files || rows != d.Live.Rows || bytes != d.Live.Bytes {
		v.problem(Content, f.key, f.number, "after it %d files with %d rows and %d bytes should be in the lake, and by the changes there are %d, %d and %d",
			d.Live.Files, d.Live.Rows, d.Live.Bytes, files, rows, bytes)
	} else if full && s.sum().Root != d.Live.Root {
		v.problem(Content, f.key, f.number, "the files that should be in the lake after it are others than by the changes")
	}
	return nil
}

// apply applies one change.
func (v *verification) apply(f *found, c *Change) {
	s := v.live
	wrong := func(format string, args ...any) {
		v.problem(Content, f.key, f.number, "change %d of the manifest: %s", c.Seq, fmt.Sprintf(format, args...))
	}
	var removed []*entry
	for _, r := range c.Removed {
		e := s.files[r.Path]
		if _, there := v.disk[r.Path]; there {
			v.leftover[r.Path] = true
		}
		switch {
		case e == nil && s.broken == 0:
			wrong("it removes %s, which was not there", r.Path)
			continue
		case e == nil:
			continue
		case e.SHA256 != r.SHA256 || e.Root != r.Root:
			wrong("it removes %s with another content than was added", r.Path)
		}
		removed = append(removed, e)
		s.remove(r.Path)
	}
	added := make([]*entry, 0, len(c.Added))
	for i := range c.Added {
		e := &entry{File: c.Added[i], digest: f.number, at: f.to}
		if s.files[e.Path] != nil {
			wrong("it adds %s, which was there", e.Path)
		}
		s.add(e)
		added = append(added, e)
	}
	switch c.Kind {
	case manifest.Add:
	case manifest.Expire:
		v.report.Expired += int64(len(removed))
		if c.Setting == "" {
			wrong("files expired without a setting that says so")
		}
	case manifest.Loss:
		for _, e := range removed {
			v.report.Lost = append(v.report.Lost, Loss{Path: e.Path, Rows: e.Rows, At: c.At, By: c.Setting})
		}
		if c.Setting == "" {
			wrong("a file was given up by nobody")
		}
	case manifest.Replace:
		if len(removed) == len(c.Removed) {
			v.replace(c, removed, added, wrong)
		}
	default:
		wrong("its kind %q is unknown", c.Kind)
	}
}

// replace notes what a file was made of.
func (v *verification) replace(c *Change, removed, added []*entry, wrong func(string, ...any)) {
	if len(added) != 1 {
		wrong("%d files replace others, and one should", len(added))
		return
	}
	to := added[0]
	var rows int64
	for _, e := range removed {
		rows += e.Rows
		if path.Dir(e.Path) != path.Dir(to.Path) {
			wrong("%s replaces %s of another table or day", to.Path, e.Path)
		}
		if len(e.pieces) == 0 {
			to.pieces = append(to.pieces, &piece{e.Path, e.Rows, e.Root, e.MinNumber, e.MaxNumber, e.digest, e.at})
			continue
		}
		w := &whole{e.Path, e.Rows, e.Root, e.digest, make(map[*piece]bool, len(e.pieces))}
		for _, p := range e.pieces {
			w.pieces[p] = true
		}
		to.pieces = append(to.pieces, e.pieces...)
		to.wholes = append(append(to.wholes, e.wholes...), w)
	}
	if rows != to.Rows {
		wrong("%s has %d rows, and what it replaces has %d", to.Path, to.Rows, rows)
	}
	if c.Root == nil || *c.Root != to.Root {
		wrong("the root over what is replaced is not the root of %s", to.Path)
	}
	slices.SortFunc(to.pieces, func(a, b *piece) int { return int(min(1, max(-1, a.min-b.min))) })
	for i := 1; i < len(to.pieces); i++ {
		if a, b := to.pieces[i-1], to.pieces[i]; a.max >= b.min {
			wrong("%s and %s share numbers, so that their records cannot be told apart", a.path, b.path)
		}
	}
}
