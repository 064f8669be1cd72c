package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
)

// keptOpen is how many files stay open for the next look-up: opening one reads its footer.
const keptOpen = 64

// openFile is a file of the lake that is open for reading.
type openFile struct {
	info    manifest.File
	file    *os.File
	parquet *parquet.File
	release func()

	// cache, users and unused are guarded by the cache's lock.
	users int
	gone  bool
}

func (f *openFile) close() {
	_ = f.file.Close()
	f.release()
}

// fileCache keeps files open, the last used first.
type fileCache struct {
	mu    sync.Mutex
	files []*openFile
}

// open opens a file, or takes one that is open. done must be called.
func (l *Lake) open(ctx context.Context, info manifest.File) (f *openFile, done func(), err error) {
	c := &l.files
	c.mu.Lock()
	if i := slices.IndexFunc(c.files, func(f *openFile) bool { return f.info.ID == info.ID && f.info.Path == info.Path }); i >= 0 {
		f = c.files[i]
		copy(c.files[1:i+1], c.files[:i])
		c.files[0] = f
		f.users++
	}
	c.mu.Unlock()
	if f == nil {
		if f, err = l.openFresh(ctx, info); err != nil {
			return nil, nil, err
		}
		f.users = 1
		c.mu.Lock()
		c.files = slices.Insert(c.files, 0, f)
		c.trim(keptOpen)
		c.mu.Unlock()
	}
	return f, func() { c.done(f) }, nil
}

// trim lets go of the files beyond a number. It is called with the lock held.
func (c *fileCache) trim(keep int) {
	for len(c.files) > keep {
		last := c.files[len(c.files)-1]
		c.files[len(c.files)-1] = nil
		c.files = c.files[:len(c.files)-1]
		if last.gone = true; last.users == 0 {
			last.close()
		}
	}
}

// forget lets go of a file.
func (c *fileCache) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range c.files {
		if f.info.Path == path {
			c.files = slices.Delete(c.files, i, i+1)
			if f.gone = true; f.users == 0 {
				f.close()
			}
			return
		}
	}
}

func (c *fileCache) done(f *openFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.users--; f.users == 0 && f.gone {
		f.close()
	}
}

// Close lets go of the files that are open. Readers must be done.
func (l *Lake) Close() {
	l.files.mu.Lock()
	defer l.files.mu.Unlock()
	l.files.trim(0)
}

func (l *Lake) openFresh(ctx context.Context, info manifest.File) (*openFile, error) {
	path, release, err := l.o.Cache.Fetch(ctx, info.Path, info.SHA256, info.Bytes)
	if err != nil {
		return nil, l.unreadable(info.Path, err)
	}
	f := &openFile{info: info, release: release}
	if f.file, err = os.Open(path); err == nil {
		if f.parquet, err = parquet.OpenFile(f.file, info.Bytes, parquet.ReadBufferSize(64<<10)); err == nil {
			return f, nil
		}
		_ = f.file.Close()
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	release()
	return nil, l.unreadable(info.Path, err)
}

// ErrDamaged says that a file of the lake is not what was written.
var ErrDamaged = errors.New("file is damaged; `regent verify` says which are")

// rowsOf reads all rows of a file of a kind in the order of their numbers: a page at a time where they stand
// so, otherwise a row group at a time, whose numbers are all below those of the next.
type rowsOf[T any] struct {
	l    *Lake
	k    *kind[T]
	file *parquet.File
	path string
	// groups are the row groups that are not begun, and r reads the one that is.
	groups []parquet.RowGroup
	r      *parquet.GenericReader[T]
	page   []T
	// order says in which order the rows of page come, where they do not stand so.
	order []int32
	at    int
	// check is set where the root over all rows is held against what the manifest says.
	check *rooter
	root  record.Digest
	// done is nil once the reader is closed.
	done func()
}

// pageRows is how many rows are read at once.
const pageRows = 256

func readRows[T any](ctx context.Context, l *Lake, k *kind[T], in input) (*rowsOf[T], error) {
	var f *parquet.File
	var done func()
	if in.local != "" {
		var err error
		if f, done, err = openLocal(in.local, in.Bytes); err != nil {
			return nil, err
		}
	} else {
		open, release, err := l.open(ctx, in.File)
		if err != nil {
			return nil, err
		}
		f, done = open.parquet, release
	}
	r := &rowsOf[T]{l: l, k: k, file: f, path: in.Path, groups: f.RowGroups(), done: done}
	if in.check {
		r.check, r.root = &rooter{}, in.Root
	}
	return r, nil
}

// inOrder reports whether the rows of the next row group stand in the order of their numbers.
func (r *rowsOf[T]) inOrder() (bool, error) {
	c := &groupColumns{file: r.file, group: r.groups[0]}
	numbers, err := c.numbers(byNumber)
	return slices.IsSorted(numbers), err
}

// begin goes on to the next row group.
func (r *rowsOf[T]) begin() {
	r.r = parquet.NewGenericRowGroupReader[T](r.groups[0])
	r.groups = r.groups[1:]
}

// next returns the next row, nil at the end. It is the reader's own until next is called again.
func (r *rowsOf[T]) next() (*T, error) {
	for r.at == len(r.page) {
		if r.r == nil {
			if len(r.groups) == 0 {
				return nil, r.end()
			}
			ordered, err := r.inOrder()
			if err == nil && !ordered {
				err = r.gather()
			}
			if err != nil {
				return nil, r.damaged(err)
			}
			if !ordered {
				continue
			}
			r.begin()
		}
		if len(r.page) < pageRows {
			r.page = make([]T, pageRows)
		}
		// What a row holds is not written over: callers may keep it.
		clear(r.page)
		n, err := r.r.Read(r.page)
		r.page, r.order, r.at = r.page[:n:n], nil, 0
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, r.damaged(err)
			}
			if err := r.r.Close(); err != nil {
				return nil, r.damaged(err)
			}
			r.r = nil
		}
	}
	i := r.at
	r.at++
	if r.order != nil {
		i = int(r.order[i])
	}
	if r.check != nil {
		r.check.add(r.k.head(&r.page[i]).record)
	}
	return &r.page[i], nil
}

// end holds what was read against what was written.
func (r *rowsOf[T]) end() error {
	if r.check != nil && r.check.sum() != r.root {
		return r.damaged(errors.New("its records are not those that were written"))
	}
	r.check = nil
	return nil
}

// gather reads the next row group as a whole and sorts its rows.
func (r *rowsOf[T]) gather() error {
	g := r.groups[0]
	r.begin()
	rows := make([]T, g.NumRows())
	for n := 0; n < len(rows); {
		read, err := r.r.Read(rows[n:min(n+pageRows, len(rows))])
		if n += read; n < len(rows) && err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	err := r.r.Close()
	r.r = nil
	order := make([]int32, len(rows))
	for i := range order {
		order[i] = int32(i)
	}
	number := func(i int32) int64 { return r.k.head(&rows[i]).number }
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(number(a), number(b)) })
	r.page, r.order, r.at = rows, order, 0
	return err
}

func (r *rowsOf[T]) damaged(err error) error {
	return r.l.unreadable(r.path, fmt.Errorf("%w: %w", ErrDamaged, err))
}

func (r *rowsOf[T]) close() {
	if r.done == nil {
		return
	}
	if r.r != nil {
		_ = r.r.Close()
	}
	r.done()
	// Those who read many files keep this until the end, and the reader has pages of its own.
	*r = rowsOf[T]{path: r.path}
}

// readers are those who may hold files that have gone out of the manifest since.
type readers struct {
	mu    sync.Mutex
	next  int64
	since map[int64]time.Time
}

// begin notes a reader, before it looks at the manifest.
func (r *readers) begin(now time.Time) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil {
		r.since = map[int64]time.Time{}
	}
	r.next++
	id := r.next
	r.since[id] = now
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.since, id)
	}
}

// oldest returns when the first of the readers began, now where there is none.
func (r *readers) oldest(now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.since {
		if t.Before(now) {
			now = t
		}
	}
	return now
}
