package lake

import (
	"container/heap"
	"context"
	"fmt"
	"slices"

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

// mergeRows opens files to be read together.
func mergeRows[T any](ctx context.Context, l *Lake, k *kind[T], files []manifest.File) (*merged[T], error) {
	m := &merged[T]{k: k}
	for _, f := range files {
		r, err := readRows[T](ctx, l, f)
		if err != nil {
			m.close()
			return nil, err
		}
		m.all = append(m.all, r)
		if err := m.push(r); err != nil {
			m.close()
			return nil, err
		}
	}
	return m, nil
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
	page := make([]T, 0, writeTogether)
	flush := func() error {
		err := w.write(page)
		page = page[:0]
		return err
	}
	// Each open file holds some pages unpacked: those that follow one another are not open together.
	err = mergeInTurn(ctx, l, k, slices.Clone(files), 0, func(row *T) error {
		read.add(k.head(row).record)
		if keep == nil || keep(row) {
			if page = append(page, *row); len(page) == cap(page) {
				return flush()
			}
		}
		return nil
	})
	if err == nil && len(page) > 0 {
		err = flush()
	}
	if err != nil {
		w.abandon()
		return manifest.File{}, read, err
	}
	info, err := w.close()
	if err != nil {
		return manifest.File{}, read, fmt.Errorf("compact %s: %w", k.name, err)
	}
	return info, read, nil
}

// merger merges files of one table; checkpoint keeps of each resource the last version only, as of a time.
type merger struct {
	name  table.Name
	merge func(ctx context.Context, l *Lake, files []manifest.File, local string) (manifest.File, rooter, error)
}

func mergerOf[T any](k *kind[T]) merger {
	return merger{k.name, func(ctx context.Context, l *Lake, files []manifest.File, local string) (manifest.File, rooter, error) {
		return mergeFiles(ctx, l, k, files, local, nil)
	}}
}

var mergers = []merger{
	mergerOf(&items), mergerOf(&events), mergerOf(&verdicts), mergerOf(&findings), mergerOf(&causes), mergerOf(&alarms), mergerOf(&deliveries), mergerOf(&quarantine), mergerOf(&gaps),
}
