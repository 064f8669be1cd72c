package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
)

func cache(t testing.TB, b Bucket, dir string, maxBytes int64) *CachedBucket {
	t.Helper()
	c, err := Cache(b, dir, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// counted is a bucket behind a proxy that counts the answers to GET.
func counted(t testing.TB) (*S3Bucket, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	p := &proxy{before: func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			n.Add(1)
		}
		return false
	}}
	return remoteBucket(t, Options{Endpoint: p.start(t, server(t))}), &n
}

// fetch fetches an object that must come as it is, and releases it.
func fetch(t testing.TB, c *CachedBucket, key string, body []byte) {
	t.Helper()
	file, release, err := c.Fetch(t.Context(), key, record.Sum(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s: %d bytes, error %v", file, len(got), err)
	}
}

// holdsBytes holds what the cache counts against what is in its folder.
func holdsBytes(t *testing.T, c *CachedBucket, want int64) {
	t.Helper()
	var got int64
	if err := c.folder.List(t.Context(), "", func(i Info) error {
		got += i.Bytes
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got != want || c.Bytes() != want {
		t.Errorf("%d bytes are in the folder and %d counted, want %d", got, c.Bytes(), want)
	}
}

func TestCacheOfFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := folder(t, filepath.Join(dir, "lake"))
	put(t, b, "events/a", []byte("x"))
	c := cache(t, b, filepath.Join(dir, "cache"), 0)
	file, release, err := c.Fetch(t.Context(), "events/a", record.Sum([]byte("x")), 1)
	if err != nil || file != filepath.Join(dir, "lake", "events", "a") {
		t.Fatalf("%s, error %v", file, err)
	}
	release()
	_, _, err = c.Fetch(t.Context(), "events/a", record.Sum([]byte("xy")), 2)
	var damage *Damage
	if !errors.Is(err, ErrDamaged) || !errors.As(err, &damage) || damage.GotBytes != 1 || damage.WantBytes != 2 {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	if _, _, err := c.Fetch(t.Context(), "events/b", record.Sum(nil), 0); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "events/b") {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	if _, _, err := c.Fetch(t.Context(), "../b", record.Sum(nil), 0); !errors.Is(err, ErrKey) {
		t.Errorf("error %v, want ErrKey", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a folder of its own: %v", err)
	}
}

func TestCacheOnce(t *testing.T) {
	t.Parallel()
	b, gets := counted(t)
	body := random(1, 300_000)
	put(t, b, "events/date=2026-11-23/a.parquet", body)
	c := cache(t, b, t.TempDir(), 1<<20)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { fetch(t, c, "events/date=2026-11-23/a.parquet", body) })
	}
	wg.Wait()
	fetch(t, c, "events/date=2026-11-23/a.parquet", body)
	if gets.Load() != 1 {
		t.Errorf("%d requests, want one", gets.Load())
	}
	// The path ends as it does in a folder, for readers that take values from it.
	file, release, err := c.Fetch(t.Context(), "events/date=2026-11-23/a.parquet", record.Sum(body), int64(len(body)))
	if err != nil || !strings.HasSuffix(file, "/events/date=2026-11-23/a.parquet") {
		t.Errorf("%s, error %v", file, err)
	}
	release()
	release()
	holdsBytes(t, c, 300_000)
	put(t, b, "empty", nil)
	fetch(t, c, "empty", nil)
}

func TestCacheEvicts(t *testing.T) {
	t.Parallel()
	b, gets := counted(t)
	bodies := map[string][]byte{}
	for i, key := range []string{"a", "b", "c", "d"} {
		bodies[key] = random(uint64(i), 1000)
		put(t, b, key, bodies[key])
	}
	put(t, b, "big", random(9, 3001))
	c := cache(t, b, t.TempDir(), 3000)
	for _, key := range []string{"a", "b", "c", "a"} {
		fetch(t, c, key, bodies[key])
	}
	// b was used longest ago and gives way.
	fetch(t, c, "d", bodies["d"])
	holdsBytes(t, c, 3000)
	before := gets.Load()
	for _, key := range []string{"a", "c", "d"} {
		fetch(t, c, key, bodies[key])
	}
	if gets.Load() != before {
		t.Errorf("%d were fetched again", gets.Load()-before)
	}
	fetch(t, c, "b", bodies["b"])
	if gets.Load() != before+1 {
		t.Error("what gave way was there")
	}
	// What is in use stays, and what does not fit beside it is refused.
	var releases []func()
	for _, key := range []string{"a", "b"} {
		_, release, err := c.Fetch(t.Context(), key, record.Sum(bodies[key]), 1000)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	fetch(t, c, "c", bodies["c"])
	fetch(t, c, "d", bodies["d"])
	_, third, err := c.Fetch(t.Context(), "c", record.Sum(bodies["c"]), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Fetch(t.Context(), "d", record.Sum(bodies["d"]), 1000); !errors.Is(err, ErrCacheFull) || !strings.Contains(err.Error(), c.folder.dir) {
		t.Errorf("error %v, want ErrCacheFull with the folder", err)
	}
	fetch(t, c, "a", bodies["a"])
	third()
	fetch(t, c, "d", bodies["d"])
	for _, release := range releases {
		release()
	}
	if _, _, err := c.Fetch(t.Context(), "big", record.Sum(random(9, 3001)), 3001); !errors.Is(err, ErrCacheFull) {
		t.Errorf("error %v, want ErrCacheFull", err)
	}
}

func TestCacheDamagedObject(t *testing.T) {
	t.Parallel()
	b, _ := counted(t)
	put(t, b, "a", []byte("is"))
	c := cache(t, b, t.TempDir(), 1<<20)
	for _, want := range []string{"it", "longer"} {
		_, _, err := c.Fetch(t.Context(), "a", record.Sum([]byte(want)), int64(len(want)))
		var damage *Damage
		if !errors.Is(err, ErrDamaged) || !errors.As(err, &damage) {
			t.Fatalf("error %v, want ErrDamaged", err)
		}
		expected := &Damage{Bucket: "s3://lake", Key: "a", WantBytes: int64(len(want)), Want: record.Sum([]byte(want)), GotBytes: 2}
		if len(want) == 2 {
			expected.Got = record.Sum([]byte("is"))
		}
		if diff := cmp.Diff(expected, damage); diff != "" {
			t.Error(diff)
		}
		if s := err.Error(); !strings.Contains(s, record.Sum([]byte(want)).String()) || !strings.Contains(s, "a in s3://lake") {
			t.Errorf("error %s", s)
		}
	}
	if _, _, err := c.Fetch(t.Context(), "gone", record.Sum(nil), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	holdsBytes(t, c, 0)
}

// TestCacheRestart opens a cache anew whose folder was tampered with meanwhile.
func TestCacheRestart(t *testing.T) {
	t.Parallel()
	b, gets := counted(t)
	bodies := map[string][]byte{}
	for i, key := range []string{"a", "b/c", "cut", "gone"} {
		bodies[key] = random(uint64(i), 1000)
		put(t, b, key, bodies[key])
	}
	dir := t.TempDir()
	c, err := Cache(b, dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for key, body := range bodies {
		fetch(t, c, key, body)
	}
	at := func(key string) string {
		return filepath.Join(dir, record.Sum(bodies[key]).String(), filepath.FromSlash(key))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(bodies["b/c"])
	flipped[500] ^= 1
	for _, err := range []error{
		os.WriteFile(at("b/c"), flipped, 0o600),
		os.Truncate(at("cut"), 10),
		os.WriteFile(filepath.Join(dir, "note.txt"), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(dir, record.Sum(bodies["a"]).String(), tempPrefix+"LEFT"), make([]byte, 100), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c = cache(t, b, dir, 1<<20)
	if got := leftovers(t, dir); len(got) != 0 {
		t.Errorf("%q are left", got)
	}
	if err := os.Remove(at("gone")); err != nil {
		t.Fatal(err)
	}
	before := gets.Load()
	for range 2 {
		for key, body := range bodies {
			fetch(t, c, key, body)
		}
	}
	if n := gets.Load() - before; n != 3 {
		t.Errorf("%d were fetched again, want the three that were not what they should be", n)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "note.txt")); string(got) != "mine" || err != nil {
		t.Errorf("a file that is not ours: %q, %v", got, err)
	}
	if c.Bytes() != 4000 {
		t.Errorf("%d bytes are counted", c.Bytes())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// With less room the oldest go at once.
	if c = cache(t, b, dir, 1500); c.Bytes() != 1000 {
		t.Errorf("%d bytes are counted after it was made smaller", c.Bytes())
	}
}

func TestCacheLocked(t *testing.T) {
	t.Parallel()
	b, _ := counted(t)
	dir := t.TempDir()
	cache(t, b, dir, 1000)
	if _, err := Cache(b, dir, 1000); !errors.Is(err, ErrCacheLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want ErrCacheLocked with the folder", err)
	}
}

// TestCacheWaiters has callers go while an object is fetched: it goes on for those who stay.
func TestCacheWaiters(t *testing.T) {
	t.Parallel()
	asked, go_ := make(chan struct{}, 10), make(chan struct{})
	p := &proxy{before: func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			asked <- struct{}{}
			select {
			case <-go_:
			case <-r.Context().Done():
			}
		}
		return false
	}}
	url := server(t)
	body := random(1, 1000)
	put(t, remoteBucket(t, Options{Endpoint: url}), "a", body)
	c := cache(t, remoteBucket(t, Options{Endpoint: p.start(t, url)}), t.TempDir(), 1000)
	get := func(ctx context.Context) chan error {
		out := make(chan error, 1)
		go func() {
			_, release, err := c.Fetch(ctx, "a", record.Sum(body), 1000)
			if err == nil {
				release()
			}
			out <- err
		}()
		return out
	}
	first, leave := context.WithCancel(t.Context())
	a := get(first)
	<-asked
	stays := get(t.Context())
	for c.uses(record.Sum(body).String()+"/a") != 2 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-a; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(go_)
	if err := <-stays; err != nil {
		t.Error(err)
	}
	holdsBytes(t, c, 1000)

	// With nobody left it is given up, and its room is free.
	put(t, remoteBucket(t, Options{Endpoint: url}), "b", random(2, 1000))
	blocked := make(chan struct{})
	p.before = func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			close(blocked)
			<-r.Context().Done()
		}
		return false
	}
	alone, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := c.Fetch(alone, "b", record.Sum(random(2, 1000)), 1000)
		done <- err
	}()
	<-blocked
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for c.Bytes() != 0 {
		time.Sleep(time.Millisecond)
	}
	holdsBytes(t, c, 0)
}

func (c *CachedBucket) uses(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[name]; e != nil {
		return e.uses
	}
	return 0
}

// TestCacheTogether fetches, of more than there is room for, as many at once as there is room for.
func TestCacheTogether(t *testing.T) {
	t.Parallel()
	b, _ := counted(t)
	var bodies [12][]byte
	for i := range bodies {
		bodies[i] = random(uint64(i), 1000+i)
		put(t, b, fmt.Sprint("k/", i), bodies[i])
	}
	c := cache(t, b, t.TempDir(), 5000)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 60 {
				i := (n*(w+1) + w) % len(bodies)
				ctx, cancel := context.WithCancel(t.Context())
				if n%7 == 0 {
					time.AfterFunc(time.Duration(n)*50*time.Microsecond, cancel)
				}
				file, release, err := c.Fetch(ctx, fmt.Sprint("k/", i), record.Sum(bodies[i]), int64(len(bodies[i])))
				switch {
				case err == nil:
					if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, bodies[i]) {
						t.Errorf("%d: %d bytes, error %v", i, len(got), err)
					}
					release()
				case !errors.Is(err, context.Canceled) || ctx.Err() == nil:
					// A fetch that was given up may hold its room for a moment.
					if !errors.Is(err, ErrCacheFull) {
						t.Error(err)
					}
				}
				if n := c.Bytes(); n > 5000 {
					t.Errorf("%d bytes", n)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for i := range bodies {
		fetch(t, c, fmt.Sprint("k/", i), bodies[i])
	}
	holdsBytes(t, c, c.Bytes())
}

// TestCacheKill kills a process that fetches.
func TestCacheKill(t *testing.T) {
	const objects, size = 8, 2 << 20
	if endpoint := os.Getenv("REGENT_BLOB_FETCHES"); endpoint != "" {
		b, err := S3(Options{Endpoint: endpoint, Region: "us-east-1", Bucket: "lake", AccessKey: "a", SecretKey: "s", PathStyle: true, Insecure: true})
		var c *CachedBucket
		if err == nil {
			c, err = Cache(b, os.Getenv("REGENT_BLOB_CACHE"), 3*size)
		}
		for i := 0; err == nil; i = (i + 1) % objects {
			var release func()
			if _, release, err = c.Fetch(context.Background(), fmt.Sprint("k/", i), record.Sum(random(uint64(i), size)), size); err == nil {
				release()
			}
		}
		fmt.Println(err)
		os.Exit(1)
	}
	t.Parallel()
	url := server(t)
	b := remoteBucket(t, Options{Endpoint: url})
	for i := range objects {
		put(t, b, fmt.Sprint("k/", i), random(uint64(i), size))
	}
	dir := t.TempDir()
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCacheKill$")
		cmd.Env = append(os.Environ(), "REGENT_BLOB_FETCHES="+url, "REGENT_BLOB_CACHE="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); len(leftovers(t, dir)) == 0; {
			if time.Now().After(deadline) {
				_ = cmd.Process.Kill()
				t.Fatalf("the child fetches nothing: %s", out.String())
			}
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		c, err := Cache(b, dir, 3*size)
		if err != nil {
			t.Fatal(err)
		}
		if got := leftovers(t, dir); len(got) != 0 {
			t.Errorf("%q are left", got)
		}
		for i := range objects {
			fetch(t, c, fmt.Sprint("k/", i), random(uint64(i), size))
		}
		holdsBytes(t, c, 3*size)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
