package lake

import (
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
		return nil, fmt.Errorf("read %s of the lake: %w", info.Path, err)
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
	return nil, fmt.Errorf("read %s of the lake: %w", info.Path, err)
}

// ErrDamaged says that a file of the lake is not what was written.
var ErrDamaged = errors.New("file is damaged; `regent verify` says which are")

// rowsOf reads all rows of a file of a kind, a page at a time.
type rowsOf[T any] struct {
	r    *parquet.GenericReader[T]
	file *parquet.File
	path string
	page []T
	at   int
	end  bool
	// done is nil once the reader is closed.
	done func()
}

// pageRows is how many rows are read at once.
const pageRows = 256

func readRows[T any](ctx context.Context, l *Lake, info manifest.File) (*rowsOf[T], error) {
	f, done, err := l.open(ctx, info)
	if err != nil {
		return nil, err
	}
	return &rowsOf[T]{r: parquet.NewGenericReader[T](f.parquet), file: f.parquet, path: info.Path, done: done}, nil
}

// seek goes to the page of the first row with a number above one.
func (r *rowsOf[T]) seek(above int64) error {
	if above == 0 {
		return nil
	}
	first := int64(0)
	for _, g := range r.file.RowGroups() {
		c := &groupColumns{file: r.file, group: g}
		row, found, err := c.firstAbove("number", above)
		if err != nil {
			return fmt.Errorf("read %s of the lake: %w: %w", r.path, ErrDamaged, err)
		}
		if found {
			return r.r.SeekToRow(first + row)
		}
		first += g.NumRows()
	}
	r.end = true
	return nil
}

// next returns the next row, nil at the end. It is the reader's own until next is called again.
func (r *rowsOf[T]) next() (*T, error) {
	for r.at == len(r.page) {
		if r.end {
			return nil, nil
		}
		if r.page == nil {
			r.page = make([]T, pageRows)
		}
		// What a row holds is not written over: callers may keep it.
		clear(r.page[:cap(r.page)])
		n, err := r.r.Read(r.page[:cap(r.page)])
		r.page, r.at = r.page[:n], 0
		switch {
		case errors.Is(err, io.EOF):
			r.end = true
		case err != nil:
			return nil, fmt.Errorf("read %s of the lake: %w: %w", r.path, ErrDamaged, err)
		}
	}
	r.at++
	return &r.page[r.at-1], nil
}

func (r *rowsOf[T]) close() {
	if r.done == nil {
		return
	}
	_ = r.r.Close()
	r.done()
	// Those who read many files keep this until the end, and the reader has pages of its own.
	*r = rowsOf[T]{path: r.path, end: true}
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
