package lake

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
)

// merged reads rows of several files in the order of their numbers.
type merged[T any] struct {
	k     *kind[T]
	heads []mergeHead[T]
	all   []*rowsOf[T]
}

type mergeHead[T any] struct {
	number int64
	row    *T
	from   *rowsOf[T]
}

// merge reads the rows of files in the order of their numbers. A row belongs to fn. A file is opened when the
// numbers come to it, so that only those that overlap are open at once. With check the records of each file are
// held against its root in the manifest.
func merge[T any](ctx context.Context, l *Lake, k *kind[T], files []manifest.File, check bool, fn func(*T) error) error {
	inputs, done, err := thin(ctx, l, k, files, check)
	if err != nil {
		return err
	}
	defer done()
	return mergeInputs(ctx, l, k, inputs, fn)
}

// mergeInputs merges files that are sorted by their first number.
func mergeInputs[T any](ctx context.Context, l *Lake, k *kind[T], inputs []input, fn func(*T) error) error {
	m := &merged[T]{k: k}
	defer m.close()
	for n := 0; ; n++ {
		for len(inputs) > 0 && (len(m.heads) == 0 || inputs[0].MinNumber <= m.heads[0].number) {
			r, err := readRows(ctx, l, k, inputs[0])
			if err != nil {
				return err
			}
			m.all = append(m.all, r)
			inputs = inputs[1:]
			if err := m.push(r); err != nil {
				return err
			}
		}
		if n%pageRows == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		row, err := m.next()
		if err != nil || row == nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

func (m *merged[T]) push(r *rowsOf[T]) error {
	row, err := r.next()
	if err != nil || row == nil {
		r.close()
		return err
	}
	heap.Push(m, mergeHead[T]{m.k.head(row).number, row, r})
	return nil
}

// next returns the next row, nil at the end. It may be kept.
func (m *merged[T]) next() (*T, error) {
	if len(m.heads) == 0 {
		return nil, nil
	}
	first := heap.Pop(m).(mergeHead[T])
	// The reader's page is written over when it is read up.
	row := *first.row
	return &row, m.push(first.from)
}

func (m *merged[T]) close() {
	for _, r := range m.all {
		r.close()
	}
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (m *merged[T]) Len() int           { return len(m.heads) }
func (m *merged[T]) Less(i, j int) bool { return m.heads[i].number < m.heads[j].number }
func (m *merged[T]) Swap(i, j int)      { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merged[T]) Push(x any)         { m.heads = append(m.heads, x.(mergeHead[T])) }

func (m *merged[T]) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}

// mergeFiles writes the rows of files that keep says into one, in the order of their numbers. It returns
// what was written and the root over all rows that were read.
func mergeFiles[T any](ctx context.Context, l *Lake, k *kind[T], files []manifest.File, local string, keep func(*T) bool) (manifest.File, rooter, error) {
	var read rooter
	w, err := k.create(local, compacted)
	if err != nil {
		return manifest.File{}, read, err
	}
	info, err := w.fill(func(put func(*T) error) error {
		return merge(ctx, l, k, files, true, func(row *T) error {
			read.add(k.head(row).record)
			if keep == nil || keep(row) {
				return put(row)
			}
			return nil
		})
	})
	if err != nil {
		return manifest.File{}, read, fmt.Errorf("compact %s: %w", k.name, err)
	}
	return info, read, nil
}

// merger is what is done with the files of one table as a whole. checkpoint is nil where it has no state.
type merger struct {
	name       table.Name
	merge      func(ctx context.Context, l *Lake, files []manifest.File, local string) (manifest.File, rooter, error)
	checkpoint func(ctx context.Context, l *Lake, files []manifest.File, local string, asOf time.Time) (manifest.File, error)
}

func mergerOf[T any](k *kind[T]) merger {
	m := merger{name: k.name, merge: func(ctx context.Context, l *Lake, files []manifest.File, local string) (manifest.File, rooter, error) {
		return mergeFiles(ctx, l, k, files, local, nil)
	}}
	if k.state != nil {
		m.checkpoint = func(ctx context.Context, l *Lake, files []manifest.File, local string, asOf time.Time) (manifest.File, error) {
			return writeCheckpoint(ctx, l, k, files, local, asOf)
		}
	}
	return m
}

var mergers = []merger{
	mergerOf(&items), mergerOf(&events), mergerOf(&verdicts), mergerOf(&findings), mergerOf(&causes), mergerOf(&alarms), mergerOf(&deliveries), mergerOf(&quarantine), mergerOf(&gaps),
}
