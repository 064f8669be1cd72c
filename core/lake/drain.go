package lake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/store"
)

// hourRows is from how many rows a day is divided into hours.
const hourRows = 4 << 20

// rowSet is rows of one table that are at hand.
type rowSet interface {
	// partitions divides the rows, with the partitions in order. hours says whether a day is divided.
	partitions(hours func(day string) bool) []part
	// write writes the rows of a partition.
	write(path string, p part) (manifest.File, error)
	len() int
}

// part is the rows of one partition, by their places in the row set.
type part struct {
	partition string
	rows      []int
	min, max  int64
}

// tableRows are rows of a kind.
type tableRows[T any] struct {
	k    *kind[T]
	rows []T
}

func (t *tableRows[T]) len() int { return len(t.rows) }

func (t *tableRows[T]) partitions(hours func(string) bool) []part {
	byName := map[string]*part{}
	divided := map[string]bool{}
	for i := range t.rows {
		h := t.k.head(&t.rows[i])
		name := day(h.time)
		split, known := divided[name]
		if !known {
			split = hours(name)
			divided[name] = split
		}
		if split {
			name = hour(h.time)
		}
		p := byName[name]
		if p == nil {
			p = &part{partition: name, min: h.number}
			byName[name] = p
		}
		p.rows, p.max = append(p.rows, i), h.number
	}
	out := make([]part, 0, len(byName))
	for _, p := range byName {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b part) int {
		if a.partition < b.partition {
			return -1
		}
		return 1
	})
	return out
}

// writeTogether is how many rows are handed to the writer at once.
const writeTogether = 1024

func (t *tableRows[T]) write(path string, p part) (manifest.File, error) {
	w, err := t.k.create(path, drained)
	if err != nil {
		return manifest.File{}, err
	}
	page := make([]T, 0, writeTogether)
	for chunk := range slices.Chunk(p.rows, writeTogether) {
		page = page[:0]
		for _, i := range chunk {
			page = append(page, t.rows[i])
		}
		if err := w.write(page); err != nil {
			w.abandon()
			return manifest.File{}, err
		}
	}
	return w.close()
}

// drainer drains one table.
type drainer struct {
	name   table.Name
	gather func(tx *store.Tx, after, upTo int64) (rowSet, int64, bool, error)
}

func drainerOf[T any](k *kind[T]) drainer {
	return drainer{k.name, func(tx *store.Tx, after, upTo int64) (rowSet, int64, bool, error) {
		rows, end, more, err := k.gather(tx, after, upTo)
		return &tableRows[T]{k, rows}, end, more, err
	}}
}

var drainers = []drainer{
	drainerOf(&items), drainerOf(&events), drainerOf(&verdicts), drainerOf(&findings), drainerOf(&causes), drainerOf(&alarms), drainerOf(&deliveries), drainerOf(&quarantine), drainerOf(&gaps),
}

// drain moves what the journal has into the lake, as much as one plan takes, and reports whether there was
// more when it looked.
func (l *Lake) drain(ctx context.Context) (bool, error) {
	p := &plan{Kind: manifest.Add, At: l.now().UTC().Truncate(time.Microsecond)}
	sets := map[table.Name]rowSet{}
	partsOf := map[table.Name][]part{}
	more := false
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, d := range drainers {
			after, err := tx.Drained(d.name)
			if err != nil {
				return err
			}
			set, upTo, rest, err := d.gather(tx, after, 0)
			if err != nil {
				return fmt.Errorf("read what is to be drained of %s: %w", d.name, err)
			}
			more = more || rest
			if set.len() == 0 {
				continue
			}
			var failed error
			parts := set.partitions(func(day string) bool {
				n, err := tx.LakeRows(d.name, day)
				failed = err
				return n >= hourRows
			})
			if failed != nil {
				return failed
			}
			sets[d.name], partsOf[d.name] = set, parts
			step := drainStep{Table: d.name, After: after, UpTo: upTo}
			for _, part := range parts {
				step.Files = append(step.Files, plannedFile{Partition: part.partition, Rows: int64(len(part.rows))})
			}
			p.Drains = append(p.Drains, step)
		}
		return nil
	})
	if err != nil || len(p.Drains) == 0 {
		return false, err
	}
	err = l.begin(ctx, p, func() {
		for i := range p.Drains {
			d := &p.Drains[i]
			for j, part := range partsOf[d.Table] {
				d.Files[j].Path = filePath(d.Table, part.partition, fileName(part.min, part.max, p.ID))
			}
		}
	})
	if err != nil {
		return false, err
	}
	return more, l.carryOut(ctx, p, sets)
}

// carryOutDrain writes the files of a drain.
func (l *Lake) carryOutDrain(ctx context.Context, p *plan, sets map[table.Name]rowSet) error {
	if sets == nil {
		var err error
		if sets, err = l.gatherAgain(ctx, p); err != nil {
			return err
		}
	}
	var added []store.LakeFile
	for i := range p.Drains {
		d := &p.Drains[i]
		set := sets[d.Table]
		planned := map[string]plannedFile{}
		for _, f := range d.Files {
			planned[f.Partition] = f
		}
		// Whether a day is divided is the plan's word: it may have been decided otherwise meanwhile.
		parts := set.partitions(func(day string) bool { _, whole := planned[day]; return !whole })
		if len(parts) != len(d.Files) {
			return fmt.Errorf("%w: plan %d has %d files of %s and the journal makes %d", errPlan, p.ID, len(d.Files), d.Table, len(parts))
		}
		for _, part := range parts {
			f, ok := planned[part.partition]
			if !ok || f.Rows != int64(len(part.rows)) {
				return fmt.Errorf("%w: plan %d has %d rows of %s in %s and the journal has %d", errPlan, p.ID, f.Rows, d.Table, part.partition, len(part.rows))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			local := l.scratch(p, len(added))
			info, err := set.write(local, part)
			if err != nil {
				return err
			}
			info.Path = f.Path
			if err := l.put(ctx, f.Path, local); err != nil {
				return err
			}
			added = append(added, store.LakeFile{File: info, Partition: f.Partition})
		}
	}
	c := &manifest.Change{At: p.At, Kind: manifest.Add}
	err := l.commit(ctx, p, c, added, func(tx *store.Tx) error {
		for _, d := range p.Drains {
			if err := tx.SetDrained(d.Table, d.UpTo); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.log.Debug("drained", "plan", p.ID, "files", len(added))
	}
	return err
}

// gatherAgain reads the rows of a plan that was written earlier.
func (l *Lake) gatherAgain(ctx context.Context, p *plan) (map[table.Name]rowSet, error) {
	sets := map[table.Name]rowSet{}
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, step := range p.Drains {
			i := slices.IndexFunc(drainers, func(d drainer) bool { return d.name == step.Table })
			if i < 0 {
				return fmt.Errorf("%w: there is no table %s", errPlan, step.Table)
			}
			set, _, _, err := drainers[i].gather(tx, step.After, step.UpTo)
			if err != nil {
				return err
			}
			sets[step.Table] = set
		}
		return nil
	})
	return sets, err
}
