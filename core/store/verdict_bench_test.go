package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// typicalVerdict is what a policy says of a resource; one in ten is not compliant.
func typicalVerdict(policy, resource, revision int) verdict.Verdict {
	v := verdict.Verdict{
		Policy: verdict.PolicyID(fmt.Sprintf("compliance.test.policy_%02d", policy)), Outcome: verdict.Compliant,
		At: t0.Add(time.Duration(resource+revision) * time.Second),
		Evidence: verdict.Evidence{
			Policy: record.Sum([]byte{byte(policy)}).String(), Parameters: record.Sum([]byte{byte(policy), 1}).String(), Engine: "opa 1.22.2",
			Item: record.Sum(strconv.AppendInt(nil, int64(resource+revision*1_000_000), 10)).String(),
		},
	}
	if (policy+resource+revision)%10 == 0 {
		v.Outcome = verdict.NonCompliant
		v.Denials = []verdict.Denial{{Message: fmt.Sprintf("attribute %d of %d is not as it should be", policy, resource), Path: "/configuration/attribute", Value: []byte(`"value"`)}}
	}
	return v
}

// verdictLayout is a way to lay verdicts out in tables.
type verdictLayout struct {
	name string
	make func(tx *Tx) error
	put  func(tx *Tx, resource int64, vs []verdict.Verdict) error
	read func(tx *Tx, resource int64) (int, error)
}

// verdictLayouts are the one in use and the one that lost. Both code a verdict alike.
var verdictLayouts = []verdictLayout{
	{
		"one row a resource",
		func(*Tx) error { return nil },
		func(tx *Tx, resource int64, vs []verdict.Verdict) error { return tx.PutVerdicts(resource, vs, nil) },
		func(tx *Tx, resource int64) (int, error) {
			vs, err := tx.Verdicts(resource)
			return len(vs), err
		},
	},
	{
		"one row a verdict",
		func(tx *Tx) error {
			return tx.run(`CREATE TABLE verdict_rows (resource BIGINT NOT NULL, terms BIGINT NOT NULL, outcome INTEGER NOT NULL, at BIGINT NOT NULL,
				item BYTEA NOT NULL, previous BYTEA NOT NULL, rest BYTEA, PRIMARY KEY (resource, terms))`)
		},
		func(tx *Tx, resource int64, vs []verdict.Verdict) error {
			args := make([]any, 0, 7*len(vs))
			for i := range vs {
				id, err := tx.termsID(termsOf(&vs[i]))
				if err != nil {
					return err
				}
				c, err := encodeVerdict(&vs[i], id)
				if err != nil {
					return err
				}
				tx.count(vs[i].Policy, vs[i].Outcome, 1)
				args = append(args, resource, id, slices.Index(outcomes[:], c.outcome), c.at, []byte(c.item[1:]), []byte(c.previous[1:]), c.rest)
			}
			return tx.insert(`INSERT INTO verdict_rows (resource, terms, outcome, at, item, previous, rest)`, 7, args,
				`ON CONFLICT (resource, terms) DO UPDATE SET outcome = excluded.outcome, at = excluded.at, item = excluded.item, previous = excluded.previous, rest = excluded.rest`)
		},
		func(tx *Tx, resource int64) (n int, err error) {
			err = tx.each(`SELECT terms, outcome, at, item, previous, rest FROM verdict_rows WHERE resource = ? ORDER BY terms`, []any{resource}, func(r *sql.Rows) error {
				var c verdictCode
				var outcome int
				var item, previous []byte
				if err := r.Scan(&c.terms, &outcome, &c.at, &item, &previous, &c.rest); err != nil {
					return err
				}
				n++
				c.outcome, c.item, c.previous = outcomes[outcome], rawDigest(append([]byte{0}, item...)), rawDigest(append([]byte{1}, previous...))
				terms, err := tx.termsByID(c.terms)
				if err != nil {
					return err
				}
				_, err = c.open(terms)
				return err
			})
			return n, err
		},
	},
}

// BenchmarkVerdictLayout measures both layouts with 20 policies on 20,000 resources, or as many as
// REGENT_BENCH_RESOURCES says: the first judgement, its size, one changed resource, one changed verdict,
// and reading what is on one resource.
func BenchmarkVerdictLayout(b *testing.B) {
	resources, err := strconv.Atoi(os.Getenv("REGENT_BENCH_RESOURCES"))
	if err != nil {
		resources = 20_000
	}
	const policies = 20
	for _, l := range verdictLayouts {
		b.Run(strings.ReplaceAll(l.name, " ", "-"), func(b *testing.B) {
			s := open(b, b.TempDir())
			for from := 0; from < resources; from += 1000 {
				update(b, s, func(tx *Tx) error {
					for i := from; i < from+1000; i++ {
						it := record.Item{Key: record.Key{AccountID: "1", ResourceType: "T", ResourceID: strconv.Itoa(i)}, CaptureTime: t0, Status: record.StatusOK, Body: []byte(`{"resourceType":"T","resourceId":"x"}`)}
						if _, err := tx.PutItem(ItemWrite{Item: it, Received: t0}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			update(b, s, l.make)
			before := compact(b, s)
			judged := make([]verdict.Verdict, policies)
			start := time.Now()
			for from := 0; from < resources; from += 500 {
				update(b, s, func(tx *Tx) error {
					for r := from; r < min(resources, from+500); r++ {
						for p := range judged {
							judged[p] = typicalVerdict(p, r, 0)
						}
						if err := l.put(tx, int64(r+1), judged); err != nil {
							return err
						}
					}
					return nil
				})
			}
			took := time.Since(start)
			size := compact(b, s) - before
			b.Run("first judgement", func(b *testing.B) {
				for b.Loop() {
				}
				b.ReportMetric(float64(took.Nanoseconds())/float64(resources), "ns/op")
				b.ReportMetric(float64(size)/float64(resources), "B/resource")
			})
			r := 0
			b.Run("all change", func(b *testing.B) {
				b.ReportAllocs()
				update(b, s, func(tx *Tx) error {
					for b.Loop() {
						r = (r + 7919) % resources
						for p := range judged {
							judged[p] = typicalVerdict(p, r, 1)
						}
						if err := l.put(tx, int64(r+1), judged); err != nil {
							return err
						}
					}
					return nil
				})
			})
			b.Run("one changes", func(b *testing.B) {
				b.ReportAllocs()
				update(b, s, func(tx *Tx) error {
					for b.Loop() {
						r = (r + 7919) % resources
						if err := l.put(tx, int64(r+1), []verdict.Verdict{typicalVerdict(r%policies, r, r)}); err != nil {
							return err
						}
					}
					return nil
				})
			})
			b.Run("read", func(b *testing.B) {
				b.ReportAllocs()
				view(b, s, func(tx *Tx) error {
					for b.Loop() {
						r = (r + 7919) % resources
						if n, err := l.read(tx, int64(r+1)); err != nil || n != policies {
							return fmt.Errorf("%d verdicts (%w)", n, err)
						}
					}
					return nil
				})
			})
		})
	}
}

// compact moves the log into the database and returns the database's size.
func compact(t testing.TB, s *Store) int64 {
	t.Helper()
	var busy, pages, moved int
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	if err := s.writer.c.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		t.Fatal(err)
	}
	return s.Size()
}

// TestVerdictsTakeFlatMemory writes 20 verdicts on each of many resources and watches the heap.
func TestVerdictsTakeFlatMemory(t *testing.T) {
	resources := 4000
	if n, err := strconv.Atoi(os.Getenv("REGENT_BENCH_RESOURCES")); err == nil {
		resources = n
	} else if testing.Short() {
		t.Skip("writes 80,000 verdicts, which is not short")
	}
	s := open(t, t.TempDir())
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	judged := make([]verdict.Verdict, 20)
	write := func(from, to int) {
		for ; from < to; from += 500 {
			update(t, s, func(tx *Tx) error {
				for r := from; r < from+500; r++ {
					res, err := tx.PutItem(ItemWrite{Item: typicalItem(t, r, 0), Received: t0})
					if err != nil {
						return err
					}
					for p := range judged {
						judged[p] = typicalVerdict(p, r, 0)
					}
					if err := tx.PutVerdicts(res.Resource, judged, nil); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	write(0, resources/4)
	before := heap()
	write(resources/4, resources)
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes while %d resources were judged", before, after, resources)
	}
	t.Logf("%d resources with 20 verdicts each take %.1f MiB on disk", resources, float64(compact(t, s))/(1<<20))
}
