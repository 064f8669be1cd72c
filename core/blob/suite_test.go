package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The client waits once more after what it does not try again.
	minio.DefaultRetryUnit = time.Millisecond
	goleak.VerifyTestMain(m)
}

// random returns bytes that differ with seed and do not compress.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

// source writes a file to put.
func source(t testing.TB, b []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "source")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func put(t testing.TB, b Bucket, key string, body []byte) {
	t.Helper()
	if err := b.Put(t.Context(), key, source(t, body)); err != nil {
		t.Fatal(err)
	}
}

// content reads an object whole.
func content(ctx context.Context, b Bucket, key string) ([]byte, error) {
	o, err := b.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	body := make([]byte, o.Size())
	n, err := o.ReadAt(body, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return body[:n], errors.Join(err, o.Close())
}

func keys(t testing.TB, b Bucket, prefix string) []string {
	t.Helper()
	var out []string
	if err := b.List(t.Context(), prefix, func(i Info) error {
		out = append(out, i.Key)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// suite is what every bucket does. Each part has a bucket of its own.
func suite(t *testing.T, open func(t *testing.T) Bucket) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Bucket)
	}{
		{"objects", suiteObjects},
		{"ranges", suiteRanges},
		{"order", suiteOrder},
		{"missing", suiteMissing},
		{"keys", suiteKeys},
		{"sources", suiteSources},
		{"together", suiteTogether},
		{"ended", suiteEnded},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func suiteObjects(t *testing.T, b Bucket) {
	for i, n := range []int{0, 1, 4096, 3 << 20} {
		key := fmt.Sprintf("events/date=2026-11-23/%d.parquet", i)
		want := random(uint64(i), n)
		before := time.Now().Add(-time.Minute)
		put(t, b, key, want)
		got, err := content(t.Context(), b, key)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came back, error %v", n, len(got), err)
		}
		if err := b.List(t.Context(), key, func(i Info) error {
			if i.Key != key || i.Bytes != int64(n) || i.Modified.Before(before) {
				t.Errorf("listed as %+v", i)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	// Another object under the key takes the place of the first.
	put(t, b, "events/date=2026-11-23/1.parquet", []byte("another"))
	if got, err := content(t.Context(), b, "events/date=2026-11-23/1.parquet"); string(got) != "another" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "events/date=2026-11-23/1.parquet"); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Open(t.Context(), "events/date=2026-11-23/1.parquet"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func suiteRanges(t *testing.T, b Bucket) {
	want := random(7, 10_000)
	put(t, b, "a", want)
	o, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, c := range []struct {
		off    int64
		length int
		end    bool
	}{{0, 10_000, false}, {0, 10_001, true}, {0, 1, false}, {9_999, 1, false}, {9_999, 2, true}, {10_000, 1, true}, {20_000, 1, true}, {5_000, 1_000, false}} {
		p := make([]byte, c.length)
		n, err := o.ReadAt(p, c.off)
		if part := want[min(int(c.off), len(want)):min(int(c.off)+c.length, len(want))]; !bytes.Equal(p[:n], part) || err != nil && (!c.end || !errors.Is(err, io.EOF)) || c.end && err == nil {
			t.Errorf("%d at %d: %d bytes, error %v", c.length, c.off, n, err)
		}
	}
	if _, err := o.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("an offset below zero is taken")
	}
}

func suiteOrder(t *testing.T, b Bucket) {
	want := []string{"a!", "a-1/z", "a.txt", "a/b", "a/b-/c", "a/b.c", "a0", "aa/1", "ä/ü", "日本"}
	for i := range want {
		put(t, b, want[len(want)-1-i], []byte("x"))
	}
	if diff := cmp.Diff(want, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
	for prefix, want := range map[string][]string{
		"a/": {"a/b", "a/b-/c", "a/b.c"}, "a/b": {"a/b", "a/b-/c", "a/b.c"}, "a/b-/": {"a/b-/c"}, "a/b/": nil, "aa": {"aa/1"}, "a.": {"a.txt"}, "nothing/": nil, "ä": {"ä/ü"},
	} {
		if diff := cmp.Diff(want, keys(t, b, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
	stop, n := errors.New("stop"), 0
	err := b.List(t.Context(), "", func(Info) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("error %v after %d", err, n)
	}
}

func suiteMissing(t *testing.T, b Bucket) {
	put(t, b, "there/a", []byte("x"))
	for _, key := range []string{"gone", "there", "there/a/b", "there/b"} {
		_, err := b.Open(t.Context(), key)
		if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoBucket) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), b.String()) {
			t.Errorf("%s: error %v, want ErrNotFound with the key and the bucket", key, err)
		}
	}
	if err := b.Delete(t.Context(), "gone/far"); err != nil {
		t.Error(err)
	}
}

func suiteKeys(t *testing.T, b Bucket) {
	file := source(t, []byte("x"))
	for _, key := range badKeys {
		_, openErr := b.Open(t.Context(), key)
		for _, err := range []error{b.Put(t.Context(), key, file), openErr, b.Delete(t.Context(), key)} {
			if !errors.Is(err, ErrKey) {
				t.Errorf("%q: error %v, want ErrKey", key, err)
			}
		}
	}
}

func suiteSources(t *testing.T, b Bucket) {
	dir := t.TempDir()
	for _, file := range []string{dir, filepath.Join(dir, "missing")} {
		err := b.Put(t.Context(), "a", file)
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), b.String()) {
			t.Errorf("error %v, want one with the file and the bucket", err)
		}
	}
	if got := keys(t, b, ""); got != nil {
		t.Errorf("there are %q", got)
	}
}

func suiteTogether(t *testing.T, b Bucket) {
	var wg sync.WaitGroup
	files := []string{source(t, random(1, 100_000)), source(t, random(2, 100_000))}
	for i := range 8 {
		wg.Go(func() {
			for n := range 10 {
				key := fmt.Sprintf("k/%d/a", n%3)
				if err := b.Put(t.Context(), key, files[i%2]); err != nil {
					t.Error(err)
				}
				got, err := content(t.Context(), b, key)
				// Another may write while we read, or delete: whole or not at all or an error, never a mix.
				if err == nil && !bytes.Equal(got, random(1, 100_000)) && !bytes.Equal(got, random(2, 100_000)) {
					t.Error("an object is a mix of two")
				}
				if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, errChanged) {
					t.Error(err)
				}
				if i == 7 {
					if err := b.Delete(t.Context(), fmt.Sprintf("k/%d/b", n%3)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"k/0/a", "k/1/a", "k/2/a"}, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
}

func suiteEnded(t *testing.T, b Bucket) {
	put(t, b, "a", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Put(ctx, "b", source(t, []byte("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("put: error %v", err)
	}
	if err := b.List(ctx, "", func(Info) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("list: error %v", err)
	}
	if diff := cmp.Diff([]string{"a"}, keys(t, b, "")); diff != "" {
		t.Error(diff)
	}
}
