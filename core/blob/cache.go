package blob

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/core/record"
)

var (
	// ErrCacheFull says that what is in use at once does not fit into a cache.
	ErrCacheFull = errors.New("the cache is too small")
	// ErrCacheLocked says that another process uses the folder of a cache.
	ErrCacheLocked = errors.New("the cache is in use")
)

// CachedBucket hands the objects of a bucket out as files. Those of a bucket that is no folder it keeps in
// a folder of its own, which it may be given anew at any time: what is in it is in the bucket as well. It
// is safe for concurrent use; the folder belongs to one process.
type CachedBucket struct {
	bucket Bucket
	// local is set for a bucket whose objects are files already; nothing below is then.
	local interface {
		Local(key string) (string, bool)
	}

	folder *FolderBucket
	max    int64
	lock   *os.File
	end    context.CancelFunc
	ctx    context.Context
	fills  sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*entry
	// idle are the entries that nobody uses, the one that was used longest ago first.
	idle *list.List
	// bytes are those of all entries, also of what is being fetched.
	bytes int64
}

// entry is an object in the cache. All but its name is guarded by the cache's mu.
type entry struct {
	// name is its key in the folder: the digest, then its key in the bucket, so that its path looks to
	// readers as it does in a folder.
	name string
	size int64
	uses int
	// place is set while nobody uses it.
	place *list.Element
	// ready is closed when the file is there and was checked, or err is set; nil for what was there at
	// the start and nobody asked for yet.
	ready  chan struct{}
	err    error
	cancel context.CancelFunc
}

// Cache opens a cache for a bucket that takes at most maxBytes of a folder, and takes over what it holds.
// A bucket in a folder needs none: its own files are handed out, and dir is not touched.
func Cache(b Bucket, dir string, maxBytes int64) (*CachedBucket, error) {
	c := &CachedBucket{bucket: b, max: maxBytes, entries: map[string]*entry{}, idle: list.New()}
	if l, ok := b.(interface{ Local(string) (string, bool) }); ok {
		c.local = l
		return c, nil
	}
	var err error
	if c.folder, err = Folder(dir); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if c.lock, err = lockCache(c.folder.dir); err != nil {
		return nil, err
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	if err := c.takeOver(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// lingering is how long a lock may outlive the process that held it: a child that it was starting when it
// was killed holds it until it is itself ended.
const lingering = 5 * time.Second

func lockCache(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	for deadline := time.Now().Add(lingering); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			if errors.Is(err, unix.EWOULDBLOCK) {
				err = fmt.Errorf("%w: another process has locked %s; stop it, or use another folder", ErrCacheLocked, dir)
			}
			return nil, errors.Join(err, f.Close())
		}
	}
}

// takeOver lists what is there. Whether it is whole shows when it is used: checking all would make the
// start slow.
func (c *CachedBucket) takeOver() error {
	type found struct {
		*entry
		at time.Time
	}
	var all []found
	err := c.folder.List(c.ctx, "", func(i Info) error {
		digest, _, ok := strings.Cut(i.Key, "/")
		if b, err := hex.DecodeString(digest); ok && err == nil && len(b) == sha256.Size {
			all = append(all, found{&entry{name: i.Key, size: i.Bytes}, i.Modified})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.at.Compare(b.at) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range all {
		c.entries[f.name] = f.entry
		c.bytes += f.size
		f.place = c.idle.PushBack(f.entry)
	}
	return c.evict(0)
}

// evict makes room for some bytes. It is called with mu held.
func (c *CachedBucket) evict(room int64) error {
	for c.bytes+room > c.max {
		oldest := c.idle.Front()
		if oldest == nil {
			return fmt.Errorf("%w: %d bytes of the %d that %s may take are in use, and %d more are needed; allow it more, or ask for less at once", ErrCacheFull, c.bytes, c.max, c.folder.dir, room)
		}
		if err := c.remove(oldest.Value.(*entry)); err != nil {
			return err
		}
	}
	return nil
}

// remove removes an entry that nobody uses. It is called with mu held.
func (c *CachedBucket) remove(e *entry) error {
	if err := c.folder.Delete(context.Background(), e.name); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	c.idle.Remove(e.place)
	delete(c.entries, e.name)
	c.bytes -= e.size
	return nil
}

// Bytes returns how much of the folder is taken, also by what is being fetched.
func (c *CachedBucket) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Close ends what is being fetched and gives the folder up. Files that were handed out stay.
func (c *CachedBucket) Close() error {
	if c.local != nil {
		return nil
	}
	c.end()
	c.fills.Wait()
	return c.lock.Close()
}

// Fetch returns a file with the bytes of an object, which must have the digest and size. The file is not
// to be changed, and stays until release is called, which is called once or more. ErrDamaged says that
// the bucket has something else under the key, ErrCacheFull that there is no room beside what is in use.
func (c *CachedBucket) Fetch(ctx context.Context, key string, digest record.Digest, size int64) (file string, release func(), err error) {
	if err := CheckKey(key); err != nil {
		return "", nil, fmt.Errorf("fetch from %s: %w", c.bucket, err)
	}
	if c.local != nil {
		return c.fetchLocal(ctx, key, digest, size)
	}
	name := digest.String() + "/" + key
	if err := CheckKey(name); err != nil {
		return "", nil, fmt.Errorf("fetch from %s: %w", c.bucket, err)
	}
	for {
		e, err := c.use(name, key, digest, size)
		if err != nil {
			return "", nil, fmt.Errorf("fetch %s from %s: %w", key, c.bucket, err)
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			c.drop(e)
			return "", nil, fmt.Errorf("fetch %s from %s: %w", key, c.bucket, context.Cause(ctx))
		}
		if e.err == nil {
			return c.folder.path(name), sync.OnceFunc(func() { c.drop(e) }), nil
		}
		c.drop(e)
		// Those that it was fetched for first may all have gone just when we came.
		if !errors.Is(e.err, context.Canceled) || c.ctx.Err() != nil || ctx.Err() != nil {
			return "", nil, e.err
		}
	}
}

// fetchLocal hands out the file of a bucket that has files. Reading it all to check its digest would cost
// more than most of what is done with it, so only its size is; `regent verify` does the rest.
func (c *CachedBucket) fetchLocal(ctx context.Context, key string, digest record.Digest, size int64) (string, func(), error) {
	file, ok := c.local.Local(key)
	if !ok {
		// Opening says why.
		o, err := c.bucket.Open(ctx, key)
		if err == nil {
			err = errors.Join(fmt.Errorf("%s in %s was written just now; try again", key, c.bucket), o.Close())
		}
		return "", nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", nil, fmt.Errorf("fetch %s from %s: %w", key, c.bucket, err)
	}
	if info.Size() != size {
		return "", nil, &Damage{Bucket: c.bucket.String(), Key: key, WantBytes: size, Want: digest, GotBytes: info.Size()}
	}
	return file, func() {}, nil
}

// use returns the entry of an object, which is being made ready, and counts its use.
func (c *CachedBucket) use(name, key string, digest record.Digest, size int64) (*entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ctx.Err(); err != nil {
		return nil, fmt.Errorf("the cache is closed: %w", err)
	}
	e := c.entries[name]
	if e != nil && e.place != nil && !c.intact(e, size) {
		if err := c.remove(e); err != nil {
			return nil, err
		}
		e = nil
	}
	if e == nil {
		if err := c.evict(size); err != nil {
			return nil, err
		}
		e = &entry{name: name, size: size}
		c.entries[name] = e
		c.bytes += size
	}
	if e.place != nil {
		c.idle.Remove(e.place)
		e.place = nil
	}
	e.uses++
	if e.ready == nil {
		var ctx context.Context
		ctx, e.cancel = context.WithCancel(c.ctx)
		e.ready = make(chan struct{})
		c.fills.Go(func() { c.fill(ctx, e, key, digest, size) })
	}
	return e, nil
}

// intact reports whether an entry that nobody uses still has its file: whoever cleans the disk may have
// removed it.
func (c *CachedBucket) intact(e *entry, size int64) bool {
	info, err := os.Stat(c.folder.path(e.name))
	return err == nil && info.Size() == size && e.size == size
}

// drop ends one use of an entry.
func (c *CachedBucket) drop(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.uses--; e.uses > 0 {
		return
	}
	select {
	case <-e.ready:
		if e.err == nil {
			e.place = c.idle.PushBack(e)
		}
	default:
		// Nobody waits for it any more.
		e.cancel()
	}
}

// fill makes an entry ready: by what is in the folder, where that has the digest, else from the bucket.
func (c *CachedBucket) fill(ctx context.Context, e *entry, key string, digest record.Digest, size int64) {
	err := c.check(e.name, digest)
	if err != nil && c.ctx.Err() == nil {
		// What is there takes room that is counted once.
		if err = c.folder.Delete(c.ctx, e.name); err == nil {
			err = c.download(ctx, e.name, key, digest, size)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(e.ready)
	e.cancel()
	e.err = err
	if err != nil {
		delete(c.entries, e.name)
		c.bytes -= e.size
		return
	}
	if e.uses == 0 {
		e.place = c.idle.PushBack(e)
	}
}

var errOther = errors.New("not what it should be")

// check reads a file of the folder and returns an error where it is not there, or has another digest. It
// ends early only when the cache is closed: the file would have to be fetched again.
func (c *CachedBucket) check(name string, digest record.Digest) error {
	o, err := c.folder.Open(c.ctx, name)
	if err != nil {
		return err
	}
	defer o.Close()
	h := sha256.New()
	if _, err := io.Copy(h, Reader(c.ctx, io.NewSectionReader(o, 0, o.Size()))); err != nil {
		return err
	}
	if record.Digest(h.Sum(nil)) != digest {
		return errOther
	}
	return nil
}

// Reader returns a reader that ends with a context.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &until{ctx, r} }

// until reads until a context ends.
type until struct {
	ctx context.Context
	io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// chunk is how much of an object is asked for at once, and so what is asked for again when it breaks off.
const chunk = 8 << 20

// download writes an object to the folder, checking it on the way. It is not made durable: what a crash
// of the machine leaves is checked before it is used.
func (c *CachedBucket) download(ctx context.Context, name, key string, digest record.Digest, size int64) error {
	o, err := c.bucket.Open(ctx, key)
	if err != nil {
		return err
	}
	defer o.Close()
	damage := &Damage{Bucket: c.bucket.String(), Key: key, WantBytes: size, Want: digest, GotBytes: o.Size()}
	if o.Size() != size {
		return damage
	}
	return c.folder.write(ctx, name, false, func(w *os.File) error {
		h := sha256.New()
		buf := make([]byte, min(chunk, max(size, 1)))
		for off := int64(0); off < size; {
			n, err := o.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
			if err != nil && (!errors.Is(err, io.EOF) || n == 0) {
				return err
			}
			h.Write(buf[:n])
			if _, err := w.Write(buf[:n]); err != nil {
				return ownError{err}
			}
			off += int64(n)
		}
		if damage.Got = record.Digest(h.Sum(nil)); damage.Got != digest {
			return damage
		}
		return nil
	})
}
