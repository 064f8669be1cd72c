package blob

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/regent-dev/regent/core/record"
)

// ErrDamaged says that an object is not what was written.
var ErrDamaged = errors.New("object is damaged")

// Cache brings objects to local files. Objects of a local folder are where they are; those of another
// bucket are copied into a folder of bounded size, the one that was not used for the longest time going
// first. A copy is checked by its digest when it is made, and once more when a process first finds it.
type Cache struct {
	bucket Bucket
	dir    string
	max    int64

	mu      sync.Mutex
	entries map[string]*entry
	bytes   int64
	clock   int64
}

// entry is one object in the cache. ready is closed when err is known.
type entry struct {
	name  string
	bytes int64
	users int
	used  int64
	ready chan struct{}
	err   error
	// here says that the copy is whole.
	here bool
}

// NewCache returns a cache of a bucket's objects in a local folder of at most max bytes, which is made
// where it is missing. What is in use may exceed the bound.
func NewCache(b Bucket, dir string, max int64) (*Cache, error) {
	c := &Cache{bucket: b, dir: dir, max: max, entries: map[string]*entry{}}
	if _, local := b.(*LocalFolder); local {
		return c, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cache's folder: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the cache's folder: %w", err)
	}
	// The oldest come first, so that they go first.
	type left struct {
		name string
		info fs.FileInfo
	}
	var all []left
	for _, n := range names {
		if strings.HasPrefix(n.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(dir, n.Name())); err != nil {
				return nil, fmt.Errorf("clear the cache's folder: %w", err)
			}
			continue
		}
		info, err := n.Info()
		if err != nil {
			return nil, fmt.Errorf("read the cache's folder: %w", err)
		}
		all = append(all, left{n.Name(), info})
	}
	slices.SortFunc(all, func(a, b left) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, l := range all {
		// It is not here until it is checked.
		ready := make(chan struct{})
		close(ready)
		c.clock++
		c.entries[l.name] = &entry{name: l.name, bytes: l.info.Size(), used: c.clock, ready: ready}
		c.bytes += l.info.Size()
	}
	return c, nil
}

// Fetch returns a local file with an object's content, which stays until release is called. An object that
// has another digest or size is ErrDamaged.
func (c *Cache) Fetch(ctx context.Context, key string, digest record.Digest, size int64) (path string, release func(), err error) {
	if local, ok := c.bucket.(*LocalFolder); ok {
		path, err = local.Local(key)
		if err != nil {
			return "", nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", nil, local.wrap("read", key, err)
		}
		if info.Size() != size {
			return "", nil, fmt.Errorf("%w: %s has %d bytes instead of %d", ErrDamaged, path, info.Size(), size)
		}
		return path, func() {}, nil
	}
	name := digest.String()
	for {
		c.mu.Lock()
		e := c.entries[name]
		mine := e == nil
		if mine {
			e = &entry{name: name, ready: make(chan struct{})}
			c.entries[name] = e
		}
		e.users++
		c.clock++
		e.used = c.clock
		recheck := !mine && !e.here && closed(e.ready)
		if recheck {
			e.ready = make(chan struct{})
		}
		ready := e.ready
		c.mu.Unlock()
		if mine || recheck {
			err := c.fill(ctx, e, key, digest, size)
			c.settle(e, ready, err)
			if err != nil {
				return "", nil, err
			}
			return c.path(name), func() { c.done(e) }, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			c.done(e)
			return "", nil, ctx.Err()
		}
		c.mu.Lock()
		here := e.here
		c.mu.Unlock()
		if here {
			return c.path(name), func() { c.done(e) }, nil
		}
		// Whoever fetched it failed, perhaps because it was in a hurry; it is tried again.
		c.done(e)
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (c *Cache) path(name string) string { return filepath.Join(c.dir, name) }

// fill makes sure that an entry's file is there and whole.
func (c *Cache) fill(ctx context.Context, e *entry, key string, digest record.Digest, size int64) error {
	if sum, n, err := sumFile(c.path(e.name)); err == nil && sum == digest && n == size {
		c.count(e, size)
		return nil
	}
	o, err := c.bucket.Open(ctx, key)
	if err != nil {
		return err
	}
	defer o.Close()
	if o.Size() != size {
		return fmt.Errorf("%w: %s in %s has %d bytes instead of %d", ErrDamaged, key, c.bucket, o.Size(), size)
	}
	c.count(e, size)
	c.evict()
	f, err := os.CreateTemp(c.dir, tempPrefix)
	if err != nil {
		return fmt.Errorf("cache %s: %w", key, err)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), &contextReader{ctx, io.NewSectionReader(o, 0, size)})
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		if sum := record.Digest(h.Sum(nil)); sum != digest {
			err = fmt.Errorf("%w: %s in %s has the digest %s instead of %s", ErrDamaged, key, c.bucket, sum, digest)
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path(e.name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cache %s: %w", key, err)
	}
	return nil
}

// count corrects what an entry takes.
func (c *Cache) count(e *entry, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += size - e.bytes
	e.bytes = size
}

// settle says what became of filling an entry.
func (c *Cache) settle(e *entry, ready chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.err, e.here = err, err == nil
	close(ready)
	if err != nil {
		e.users--
		c.bytes -= e.bytes
		e.bytes = 0
		if e.users == 0 {
			delete(c.entries, e.name)
		}
	}
}

func (c *Cache) done(e *entry) {
	c.mu.Lock()
	e.users--
	if e.users == 0 && !e.here && c.entries[e.name] == e && closed(e.ready) {
		delete(c.entries, e.name)
	}
	c.mu.Unlock()
	c.evict()
}

// evict removes what was not used for the longest time until the rest is within the bound.
func (c *Cache) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes <= c.max {
		return
	}
	var idle []*entry
	for _, e := range c.entries {
		if e.users == 0 {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	for _, e := range idle {
		if c.bytes <= c.max {
			return
		}
		// A file that cannot be removed is found again at the next start.
		_ = os.Remove(c.path(e.name))
		c.bytes -= e.bytes
		delete(c.entries, e.name)
	}
}

// sumFile digests a file.
func sumFile(path string) (record.Digest, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return record.Digest{}, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return record.Digest(h.Sum(nil)), n, err
}

// contextReader ends reading when a context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

func sortInfos(all []Info) {
	slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.Key, b.Key) })
}
