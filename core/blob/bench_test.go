package blob

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/regent-dev/regent/core/record"
)

// benchBytes is what a drained file of the lake has, about.
const benchBytes = 8 << 20

func buckets(b *testing.B, f func(b *testing.B, bucket Bucket)) {
	for name, open := range map[string]func() Bucket{
		"folder": func() Bucket { return folder(b, b.TempDir()) },
		"s3":     func() Bucket { return remoteBucket(b, Options{Endpoint: server(b)}) },
	} {
		b.Run(name, func(b *testing.B) { f(b, open()) })
	}
}

func BenchmarkPut(b *testing.B) {
	buckets(b, func(b *testing.B, bucket Bucket) {
		file := source(b, random(1, benchBytes))
		b.SetBytes(benchBytes)
		for b.Loop() {
			if err := bucket.Put(b.Context(), "events/a", file); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFolder opens a folder with a year of files, as each start of the daemon does.
func BenchmarkFolder(b *testing.B) {
	dir := b.TempDir()
	for table := range 8 {
		for day := range 365 {
			name := filepath.Join(dir, fmt.Sprint("table", table), fmt.Sprint("date=", day))
			if err := os.MkdirAll(name, 0o700); err != nil {
				b.Fatal(err)
			}
			for n := range 4 {
				if err := os.WriteFile(filepath.Join(name, fmt.Sprint(n, ".parquet")), nil, 0o600); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for b.Loop() {
		folder(b, dir)
	}
}

// BenchmarkOpen opens and reads the last 64 KiB, as a reader of Parquet begins.
func BenchmarkOpen(b *testing.B) {
	buckets(b, func(b *testing.B, bucket Bucket) {
		put(b, bucket, "events/a", random(1, benchBytes))
		p := make([]byte, 64<<10)
		for b.Loop() {
			o, err := bucket.Open(b.Context(), "events/a")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := o.ReadAt(p, o.Size()-int64(len(p))); err != nil {
				b.Fatal(err)
			}
			if err := o.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFetch fetches what is there, and what has to be downloaded.
func BenchmarkFetch(b *testing.B) {
	body := [2][]byte{random(1, benchBytes), random(2, benchBytes)}
	keys := [2]string{"events/a", "events/b"}
	get := func(b *testing.B, c *CachedBucket, i int) {
		_, release, err := c.Fetch(b.Context(), keys[i], record.Sum(body[i]), benchBytes)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
	bucket := remoteBucket(b, Options{Endpoint: server(b)})
	for i := range body {
		put(b, bucket, keys[i], body[i])
	}
	b.Run("there", func(b *testing.B) {
		c := cache(b, bucket, b.TempDir(), benchBytes)
		digest := record.Sum(body[0])
		get(b, c, 0)
		for b.Loop() {
			_, release, err := c.Fetch(b.Context(), keys[0], digest, benchBytes)
			if err != nil {
				b.Fatal(err)
			}
			release()
		}
	})
	b.Run("downloaded", func(b *testing.B) {
		// There is room for one only.
		c := cache(b, bucket, b.TempDir(), benchBytes)
		b.SetBytes(benchBytes)
		for i := 0; b.Loop(); i++ {
			get(b, c, i%2)
		}
	})
}
