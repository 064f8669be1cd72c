package store

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// BenchmarkPutItem writes 1,000 items of 1.4 KB in one transaction.
func BenchmarkPutItem(b *testing.B) {
	const n = 1000
	run := func(b *testing.B, next func(round, i int) record.Item, want ItemKind) {
		s := open(b, b.TempDir())
		items := make([]record.Item, n)
		round := 0
		write := func(want ItemKind) {
			update(b, s, func(tx *Tx) error {
				for i := range items {
					res, err := tx.PutItem(ItemWrite{Item: items[i], Instance: "collector.host.this", Received: t0})
					if err != nil {
						return err
					}
					if res.Kind != want {
						return fmt.Errorf("kind %d, want %d", res.Kind, want)
					}
				}
				return nil
			})
		}
		if want != ItemNew {
			for i := range items {
				items[i] = typicalItem(b, i, 0)
			}
			write(ItemNew)
		}
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			round++
			for i := range items {
				items[i] = next(round, i)
			}
			b.StartTimer()
			write(want)
		}
		b.ReportMetric(float64(s.Size())/float64((round+1)*n), "B/version")
	}
	b.Run("new", func(b *testing.B) {
		run(b, func(round, i int) record.Item { return typicalItem(b, round*n+i, 0) }, ItemNew)
	})
	b.Run("changed", func(b *testing.B) {
		run(b, func(round, i int) record.Item { return typicalItem(b, i, round) }, ItemChanged)
	})
	b.Run("unchanged", func(b *testing.B) {
		run(b, func(round, i int) record.Item {
			it := typicalItem(b, i, 0)
			it.CaptureTime = it.CaptureTime.Add(time.Duration(round) * time.Second)
			return it
		}, ItemUnchanged)
	})
}

// fillItems stores so many resources.
func fillItems(b testing.TB, s *Store, n int) {
	for from := 0; from < n; from += 1000 {
		update(b, s, func(tx *Tx) error {
			for i := from; i < min(n, from+1000); i++ {
				if _, err := tx.PutItem(ItemWrite{Item: typicalItem(b, i, 0), Instance: "collector.host.this", Received: t0}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// BenchmarkCurrent reads 1,000 of 20,000 resources in one View.
func BenchmarkCurrent(b *testing.B) {
	s := open(b, b.TempDir())
	fillItems(b, s, 20_000)
	keys := make([]record.Key, 1000)
	for i := range keys {
		keys[i] = typicalItem(b, i*19, 0).Key
	}
	for _, c := range []struct {
		name string
		fn   func(tx *Tx) (int, error)
	}{
		{"one by one", func(tx *Tx) (int, error) {
			for _, k := range keys {
				if c, err := tx.Current(k); err != nil || c == nil {
					return 0, err
				}
			}
			return len(keys), nil
		}},
		{"CurrentMany", func(tx *Tx) (int, error) {
			all, err := tx.CurrentMany(keys)
			return len(all), err
		}},
		{"Heads", func(tx *Tx) (int, error) {
			all, err := tx.Heads(keys)
			return len(all), err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				view(b, s, func(tx *Tx) error {
					n, err := c.fn(tx)
					if n != len(keys) {
						return fmt.Errorf("%d found (%w)", n, err)
					}
					return err
				})
			}
		})
	}
}

// BenchmarkBody packs and unpacks the bodies of one type, as the store does and with zstd alone. bytes/B
// is the size it leaves.
func BenchmarkBody(b *testing.B) {
	bodies := make([][]byte, 1000)
	size := 0
	for i := range bodies {
		bodies[i] = typicalItem(b, i, 0).Body
		size += len(bodies[i])
	}
	s := open(b, b.TempDir())
	for _, c := range []struct {
		name   string
		pack   func(tx *Tx, body []byte) ([]byte, error)
		unpack func(tx *Tx, packed []byte) ([]byte, error)
	}{
		{"dictionary", func(tx *Tx, body []byte) ([]byte, error) { return tx.pack("item typical", body) }, (*Tx).unpack},
		{
			"zstd", func(_ *Tx, body []byte) ([]byte, error) { return compress(nil, body), nil },
			func(_ *Tx, packed []byte) ([]byte, error) { return decompress(packed) },
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			left := 0
			for b.Loop() {
				left = 0
				update(b, s, func(tx *Tx) error {
					for _, body := range bodies {
						packed, err := c.pack(tx, body)
						if err != nil {
							return err
						}
						left += len(packed)
						back, err := c.unpack(tx, packed)
						if err != nil || !bytes.Equal(back, body) {
							return fmt.Errorf("does not unpack to what was packed (%w)", err)
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(left)/float64(size), "bytes/B")
		})
	}
}
