package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Suite is what any engine must do. open returns an empty store each time.
func Suite(t *testing.T, open func(t *testing.T) *Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *Store)
	}{
		{"an update is all or nothing", suiteAllOrNothing},
		{"a view is a snapshot", suiteSnapshot},
		{"a transaction ends with its function", suiteOver},
		{"a view writes nothing", suiteReadOnly},
		{"everything composes in one transaction", suiteComposes},
		{"writers and readers at once", suiteConcurrent},
		{"a canceled context", suiteCanceled},

		{"the life of an item", suiteItemLife},
		{"late items restate what came back", suiteRestate},
		{"items in any order", suiteAnyOrder},
		{"many resources at once", suiteMany},
		{"finding a resource", suiteFind},
		{"searching resources", suiteResources},
		{"relationships both ways", suiteRelationships},
		{"bodies of every size", suiteBodies},

		{"sweeps and owners", suiteSweeps},
		{"verdicts", suiteVerdicts},
		{"verdicts of a policy", suiteVerdictsOf},
		{"the history of verdicts", suiteVerdictHistory},
		{"what verdicts rest on", suiteReads},
		{"work", suiteWork},
		{"findings", suiteFindings},

		{"the journal adds up", suiteTotals},
		{"events by filter", suiteEvents},
		{"events by id over segments", suiteEventsByID},
		{"duplicates against a map", suiteDuplicates},
		{"duplicates in one transaction", suiteDuplicatesPending},
		{"duplicates beyond the window", suiteDuplicateWindow},
		{"events without an id", suiteNoID},

		{"alarm keys", suiteAlarmKeys},
		{"episodes", suiteEpisodes},
		{"changes", suiteChanges},
		{"groups", suiteGroups},
		{"deliveries keep the order of their group", suiteDeliveryOrder},
		{"deliveries", suiteDeliveries},
		{"meta, cursors and policy texts", suiteMeta},
		{"gaps", suiteGaps},
		{"quarantine", suiteQuarantine},
		{"retention of versions", suiteRetainVersions},
		{"retention of events", suiteRetainEvents},
		{"duplicates of what is drained", suiteDrainedDuplicates},
		{"causes", suiteCauses},
		{"states", suiteStates},
		{"manifest", suiteManifest},
		{"retention of the rest", suiteRetainRest},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	Suite(t, func(t *testing.T) *Store { return open(t, t.TempDir()) })
}

func suiteAllOrNothing(t *testing.T, s *Store) {
	boom := errors.New("boom")
	write := func(tx *Tx) error {
		if err := tx.SetMeta("k", []byte("v")); err != nil {
			return err
		}
		// These leave something in memory, which must go as well.
		if _, err := tx.PutItem(ItemWrite{Item: typicalItem(t, 1, 0), Received: t0}); err != nil {
			return err
		}
		if err := tx.PutVerdicts(1, []verdict.Verdict{typicalVerdict(1, 1, 0)}, nil); err != nil {
			return err
		}
		e := EncodeEvents([]record.Event{event(t, "e", "a", t0)})
		_, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 1, Stored: 1, Events: &e})
		return err
	}
	err := s.Update(t.Context(), func(tx *Tx) error { return errors.Join(write(tx), boom) })
	if !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic does not reach the caller")
			}
		}()
		_ = s.Update(t.Context(), func(tx *Tx) error { _ = write(tx); panic("x") })
	}()
	view(t, s, func(tx *Tx) error {
		b, err := tx.Meta("k")
		c, err2 := tx.Current(typicalItem(t, 1, 0).Key)
		rows, _, err3 := tx.Events(EventFilter{})
		if b != nil || c != nil || len(rows) > 0 {
			t.Errorf("what was rolled back is there: %s, %v, %v", b, c, rows)
		}
		return errors.Join(err, err2, err3)
	})
	// The store goes on, and numbers, dictionaries and terms are given out again rightly.
	update(t, s, func(tx *Tx) error {
		got, err := tx.Duplicates([]record.Event{event(t, "e", "a", t0)}, false)
		if err != nil || got[0] != DupNone {
			t.Errorf("an event that was rolled back counts as stored: %v, %v", got, err)
		}
		// Other content first, so that what was cached under the same numbers would show.
		if _, err := tx.PutItem(ItemWrite{Item: itemSpec{typ: "Other::A::B", config: `{"x":"` + strings.Repeat("other", 100) + `"}`}.item(t), Received: t0}); err != nil {
			return err
		}
		if err := tx.PutVerdicts(1, []verdict.Verdict{typicalVerdict(2, 1, 0)}, nil); err != nil {
			return err
		}
		return write(tx)
	})
	view(t, s, func(tx *Tx) error {
		c, err := tx.Current(typicalItem(t, 1, 0).Key)
		if err != nil {
			return err
		}
		if string(c.Item.Body) != string(typicalItem(t, 1, 0).Body) {
			t.Errorf("the item reads as %s", c.Item.Body)
		}
		vs, err := tx.Verdicts(1)
		if len(vs) != 2 || vs[0].Policy != typicalVerdict(1, 1, 0).Policy {
			t.Errorf("verdicts %v", vs)
		}
		return err
	})
}

func suiteSnapshot(t *testing.T, s *Store) {
	update(t, s, func(tx *Tx) error { return tx.SetMeta("k", []byte("1")) })
	view(t, s, func(tx *Tx) error {
		first, err := tx.Meta("k")
		if err != nil {
			return err
		}
		update(t, s, func(tx *Tx) error { return tx.SetMeta("k", []byte("2")) })
		second, err := tx.Meta("k")
		if string(first) != "1" || string(second) != "1" {
			t.Errorf("read %s, then %s, in one view", first, second)
		}
		return err
	})
}

func suiteOver(t *testing.T, s *Store) {
	var kept *Tx
	update(t, s, func(tx *Tx) error { kept = tx; return nil })
	if err := kept.SetMeta("k", []byte("v")); !errors.Is(err, errOver) {
		t.Errorf("writing after the end: %v", err)
	}
	view(t, s, func(tx *Tx) error { kept = tx; return nil })
	if _, err := kept.Meta("k"); !errors.Is(err, errOver) {
		t.Errorf("reading after the end: %v", err)
	}
}

func suiteReadOnly(t *testing.T, s *Store) {
	err := s.View(t.Context(), func(tx *Tx) error { return tx.SetMeta("k", []byte("v")) })
	if err == nil {
		t.Error("a view writes")
	}
	view(t, s, func(tx *Tx) error {
		b, err := tx.Meta("k")
		if b != nil {
			t.Error("what a view wrote is there")
		}
		return err
	})
}

func suiteComposes(t *testing.T, s *Store) {
	called := 0
	update(t, s, func(tx *Tx) error {
		tx.OnCommit(func() { called++ })
		e := EncodeEvents([]record.Event{event(t, "e", "a", t0)})
		seq, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 2, Stored: 1, Events: &e})
		if err != nil {
			return err
		}
		res, err := tx.PutItem(ItemWrite{Item: typicalItem(t, 1, 0), Received: t0, Batch: seq})
		if err != nil {
			return err
		}
		return errors.Join(
			tx.CountItems("i", seq, 1, 0),
			tx.Own(res.Resource, "i", "scope"),
			tx.PutVerdicts(res.Resource, []verdict.Verdict{typicalVerdict(1, 1, 0)}, nil),
			tx.SetCursor("i", []byte("cursor")),
			tx.AddWork([]Work{{Policy: "p", Resource: res.Resource, Due: t0}}),
		)
	})
	if called != 1 {
		t.Errorf("OnCommit's function was called %d times", called)
	}
	_ = s.Update(t.Context(), func(tx *Tx) error {
		tx.OnCommit(func() { called++ })
		return errors.New("no")
	})
	if called != 1 {
		t.Error("OnCommit's function was called though nothing was committed")
	}
	// What one transaction wrote it sees itself.
	update(t, s, func(tx *Tx) error {
		if err := tx.SetCursor("i", []byte("next")); err != nil {
			return err
		}
		b, err := tx.Cursor("i")
		if string(b) != "next" {
			t.Errorf("cursor %s", b)
		}
		totals, err2 := tx.Totals()
		if totals["i"] != (Totals{Read: 2, Stored: 2}) {
			t.Errorf("totals %+v", totals["i"])
		}
		return errors.Join(err, err2)
	})
}

// suiteConcurrent has writers move an amount between two values and readers check that the sum stays.
func suiteConcurrent(t *testing.T, s *Store) {
	const writers, readers, rounds = 3, 12, 40
	get := func(tx *Tx, name string) (n int, err error) {
		b, err := tx.Meta(name)
		if b != nil {
			_, err = fmt.Sscan(string(b), &n)
		}
		return n, err
	}
	move := func(tx *Tx, by int) error {
		a, err := get(tx, "a")
		if err != nil {
			return err
		}
		b, err := get(tx, "b")
		if err != nil {
			return err
		}
		return errors.Join(tx.SetMeta("a", fmt.Append(nil, a+by)), tx.SetMeta("b", fmt.Append(nil, b-by)))
	}
	var wg sync.WaitGroup
	var written atomic.Int64
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				if err := s.Update(context.Background(), func(tx *Tx) error {
					// Items and events take part, for the memory that they share with readers.
					if _, err := tx.PutItem(ItemWrite{Item: typicalItem(t, w, i), Received: t0}); err != nil {
						return err
					}
					e := EncodeEvents([]record.Event{event(t, fmt.Sprint(w, "-", i), "a", t0)})
					if _, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Read: 1, Stored: 1, Events: &e}); err != nil {
						return err
					}
					if err := tx.PutVerdicts(1, []verdict.Verdict{typicalVerdict(i, 1, w)}, nil); err != nil {
						return err
					}
					return move(tx, 1)
				}); err != nil {
					t.Error(err)
				}
				written.Add(1)
			}
		})
	}
	for range readers {
		wg.Go(func() {
			for written.Load() < writers*rounds {
				if err := s.View(context.Background(), func(tx *Tx) error {
					a, err := get(tx, "a")
					b, err2 := get(tx, "b")
					if a+b != 0 {
						t.Errorf("%d and %d do not sum to nothing", a, b)
					}
					rows, _, err3 := tx.Events(EventFilter{Limit: 10})
					totals, err4 := tx.Totals()
					if len(rows) < min(10, int(totals["i"].Read)) {
						t.Errorf("%d events, %d counted", len(rows), totals["i"].Read)
					}
					_, err5 := tx.Resources(ResourceFilter{})
					_, err6 := tx.Verdicts(1)
					return errors.Join(err, err2, err3, err4, err5, err6)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx *Tx) error {
		a, err := get(tx, "a")
		if a != writers*rounds {
			t.Errorf("%d moves are there of %d", a, writers*rounds)
		}
		return err
	})
}

func suiteCanceled(t *testing.T, s *Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.View(ctx, func(tx *Tx) error { _, err := tx.Resources(ResourceFilter{}); return err }); !errors.Is(err, context.Canceled) {
		t.Errorf("a search under a canceled context: %v", err)
	}
	// A transaction that has its turn is not cut off in the middle.
	ctx, cancel = context.WithCancel(t.Context())
	if err := s.Update(ctx, func(tx *Tx) error {
		cancel()
		return tx.SetMeta("k", []byte("v"))
	}); err != nil {
		t.Errorf("an update whose context ended meanwhile: %v", err)
	}
	// One that waits for its turn gives up.
	ctx, cancel = context.WithCancel(t.Context())
	update(t, s, func(*Tx) error {
		cancel()
		if err := s.Update(ctx, func(*Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("an update that waits: %v", err)
		}
		return nil
	})
}
