package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/store"
)

const (
	// compactFiles is how many drained files a partition has before they are put together.
	compactFiles = 8
	// compactBytes bounds what is put together into one file.
	compactBytes = 256 << 20
	// restAfter is the age from which a partition counts as complete: two files are then put together.
	restAfter = 48 * time.Hour
	// garbageGrace is how long files stay after they went out of the manifest, in any case.
	garbageGrace = 10 * time.Minute
)

// compact puts together the files of partitions that have many.
func (l *Lake) compact(ctx context.Context) error {
	for {
		p, err := l.planCompaction(ctx)
		if err != nil || p == nil {
			return err
		}
		if err := l.carryOut(ctx, p, nil); err != nil {
			return err
		}
	}
}

func (l *Lake) planCompaction(ctx context.Context) (*plan, error) {
	now := l.now().UTC().Truncate(time.Microsecond)
	p := &plan{Kind: manifest.Replace, At: now}
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		parts, err := tx.LakePartitions(2)
		if err != nil {
			return err
		}
		for _, part := range parts {
			files, err := tx.LakePartitionFiles(part.Table, part.Partition)
			if err != nil {
				return err
			}
			files = slices.DeleteFunc(files, func(f store.LakeFile) bool { return l.isBroken(f.Path) })
			if inputs := chooseInputs(files, now); inputs != nil {
				p.Merge = &mergeStep{Table: part.Table, Inputs: inputs, Out: plannedFile{Partition: part.Partition}}
				return nil
			}
		}
		return nil
	})
	if err != nil || p.Merge == nil {
		return nil, err
	}
	return p, l.begin(ctx, p, func() {
		m := p.Merge
		first, last := m.Inputs[0].MinNumber, m.Inputs[0].MaxNumber
		for _, f := range m.Inputs {
			first, last = min(first, f.MinNumber), max(last, f.MaxNumber)
			m.Out.Rows += f.Rows
		}
		m.Out.Path = filePath(m.Table, m.Out.Partition, fileName(first, last, p.ID))
	})
}

// chooseInputs chooses what of a partition is put together, nil for nothing. Drained files come first;
// a compacted file is taken along while it is not much larger than all of them, so that each row is
// written again only a few times.
func chooseInputs(files []store.LakeFile, now time.Time) []manifest.File {
	var fresh, old []store.LakeFile
	newest := time.Time{}
	for _, f := range files {
		switch {
		case f.Checkpoint != nil:
			continue
		case f.Level == 0:
			fresh = append(fresh, f)
		default:
			old = append(old, f)
		}
		if f.MaxReceived.After(newest) {
			newest = f.MaxReceived
		}
	}
	if len(fresh) < compactFiles && (len(fresh) < 1 || len(fresh)+len(old) < 2 || now.Sub(newest) < restAfter) {
		return nil
	}
	var out []manifest.File
	var bytes int64
	for _, f := range fresh {
		if bytes+f.Bytes > compactBytes && len(out) > 1 {
			break
		}
		bytes += f.Bytes
		out = append(out, f.File)
	}
	slices.SortFunc(old, func(a, b store.LakeFile) int { return cmp.Compare(a.Bytes, b.Bytes) })
	for _, f := range old {
		if f.Bytes > 4*bytes || bytes+f.Bytes > compactBytes {
			break
		}
		bytes += f.Bytes
		out = append(out, f.File)
	}
	if len(out) < 2 {
		return nil
	}
	sortByNumber(out)
	return out
}

func sortByNumber(files []manifest.File) {
	slices.SortFunc(files, func(a, b manifest.File) int { return cmp.Compare(a.MinNumber, b.MinNumber) })
}

// carryOutMerge writes one file out of others.
func (l *Lake) carryOutMerge(ctx context.Context, p *plan) error {
	m := p.Merge
	i := slices.IndexFunc(mergers, func(x merger) bool { return x.name == m.Table })
	if i < 0 {
		return fmt.Errorf("%w: there is no table %s", errPlan, m.Table)
	}
	local := l.scratch(p, 0)
	var info manifest.File
	var read rooter
	var err error
	if m.AsOf != nil {
		info, err = mergers[i].checkpoint(ctx, l, m.Inputs, local, *m.AsOf)
	} else {
		info, read, err = mergers[i].merge(ctx, l, m.Inputs, local)
	}
	if err != nil && lost(err) {
		return l.giveUp(ctx, p, err)
	}
	if err != nil {
		return err
	}
	c := &manifest.Change{At: p.At, Kind: p.Kind, Removed: m.Inputs, Setting: m.Setting}
	f := store.LakeFile{File: info, Partition: m.Out.Partition, Level: 1}
	f.Path = m.Out.Path
	if m.AsOf == nil {
		root := read.sum()
		if info.Rows != m.Out.Rows || info.Root != root {
			return fmt.Errorf("compact %s: %d rows with root %s became %d rows with root %s; the files stay as they are", m.Out.Path, m.Out.Rows, root, info.Rows, info.Root)
		}
		c.Root = &root
	} else {
		f.Checkpoint = m.AsOf
	}
	if err := l.put(ctx, f.Path, local); err != nil {
		return err
	}
	if err := l.commit(ctx, p, c, []store.LakeFile{f}, nil); err != nil {
		return err
	}
	l.log.Debug("put files together", "plan", p.ID, "files", len(m.Inputs), "into", f.Path)
	return nil
}

// expire removes files whose rows are all past their retention.
func (l *Lake) expire(ctx context.Context) error {
	now := l.now().UTC().Truncate(time.Microsecond)
	for name, keep := range l.o.Retention() {
		if keep.For <= 0 {
			continue
		}
		before := now.Add(-keep.For)
		var gone []manifest.File
		var checkpoint *manifest.File
		err := l.o.Store.View(ctx, func(tx *store.Tx) error {
			files, err := tx.LakeFiles(name)
			for _, f := range files {
				switch {
				case f.Checkpoint != nil:
					checkpoint = &f.File
				case f.MaxReceived.Before(before):
					gone = append(gone, f.File)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			continue
		}
		if i := slices.IndexFunc(mergers, func(x merger) bool { return x.name == name }); i >= 0 && mergers[i].checkpoint != nil {
			if checkpoint != nil && l.isBroken(checkpoint.Path) {
				continue
			}
			// What held in a broken file is not known: it stays until it can be read.
			gone = slices.DeleteFunc(gone, func(f manifest.File) bool { return l.isBroken(f.Path) })
			if len(gone) == 0 {
				continue
			}
			err = l.checkpoint(ctx, name, gone, checkpoint, before, keep, now)
		} else {
			c := &manifest.Change{At: now, Kind: manifest.Expire, Removed: gone, Setting: keep.Setting}
			if err = l.o.Store.Update(ctx, func(tx *store.Tx) error { return tx.ApplyLakeChange(c, nil) }); err == nil {
				err = l.publish(ctx)
			}
		}
		if err != nil {
			return fmt.Errorf("remove files of %s past their retention: %w", name, err)
		}
		l.log.Info("removed what is past its retention from the lake", "table", name, "files", len(gone))
	}
	return nil
}

// sweep removes the files that are in the manifest no more and that nobody can be reading.
func (l *Lake) sweep(ctx context.Context) error {
	now := l.now()
	before := now.Add(-garbageGrace)
	if oldest := l.readers.oldest(now); oldest.Before(before) {
		before = oldest
	}
	for {
		var paths []string
		err := l.o.Store.View(ctx, func(tx *store.Tx) error {
			digested, digests, err := tx.DigestedBefore(now)
			if err != nil {
				return err
			}
			if digests && digested.Before(before) {
				// Until a digest says that they went, whoever verifies the lake wants to find them.
				before = digested
			}
			paths, err = tx.LakeGarbage(before, 100)
			return err
		})
		if err != nil || len(paths) == 0 {
			return err
		}
		for _, path := range paths {
			if err := l.o.Bucket.Delete(ctx, path); err != nil {
				return fmt.Errorf("remove %s from the lake: %w", path, err)
			}
		}
		err = l.o.Store.Update(ctx, func(tx *store.Tx) error {
			for _, path := range paths {
				if err := tx.ForgetLakeGarbage(path); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
