package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func item(t testing.TB, id, config string, at time.Time) record.Item {
	t.Helper()
	body, err := record.Canonical(fmt.Appendf(nil, `{"accountId":"1","region":"eu","resourceType":"A::B::C","resourceId":%q,"configurationItemCaptureTime":%q,"configuration":%s,"relationships":[{"resourceType":"A::B::D","resourceId":"parent","name":"Is in"}],"tags":{"env":"prod"}}`, id, record.FormatTime(at), config))
	if err != nil {
		t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func event(id, action string, at time.Time) record.Event {
	body := fmt.Appendf(nil, `{"id":%q,"source":"test","time":%q,"action":%q,"outcome":"success","error":{},"actor":{"id":"alice"},"origin":{"address":"192.0.2.1"},"targets":[{"resourceType":"A::B::C","resourceId":"x"}],"accountId":"1"}`, id, record.FormatTime(at), action)
	ev, err := record.ParseEvent(body, record.Sum(body))
	if err != nil {
		panic(err)
	}
	return ev
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx *Tx) error {
		if err := tx.SetMeta("k", []byte("v")); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Update(t.Context(), func(tx *Tx) error { _ = tx.SetMeta("k", []byte("v")); panic("x") })
	}()
	view(t, s, func(tx *Tx) error {
		b, err := tx.Meta("k")
		if b != nil {
			t.Errorf("a rolled back value is there: %s", b)
		}
		return err
	})
	// The store must go on after a panic.
	update(t, s, func(tx *Tx) error { return tx.SetMeta("k", []byte("w")) })
}

func TestOneProcessOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("error %v, want one that names the process", err)
	}
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "regent.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "restore the last backup") {
		t.Errorf("error %v, want one with the way out", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.write.Exec(`INSERT INTO migrations (number, name) VALUES (99, 'later'), (100, 'later still')`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("error %v", err)
	}
}

func TestItemLife(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put := func(config string, hour int) (res ItemResult) {
		update(t, s, func(tx *Tx) (err error) {
			res, err = tx.PutItem(ItemWrite{Item: item(t, "x", config, t0.Add(time.Duration(hour)*time.Hour)), Instance: "i", Received: t0})
			return err
		})
		return res
	}
	for _, step := range []struct {
		config string
		hour   int
		want   ItemKind
	}{
		{`{"a":1}`, 1, ItemNew},
		{`{"a":1}`, 2, ItemUnchanged},
		{`{"a":2}`, 5, ItemChanged},
		{`{"a":2}`, 9, ItemUnchanged},
		{`{"a":3}`, 7, ItemLate},      // between two confirmations of {"a":2}
		{`{"a":1}`, 3, ItemUnchanged}, // repeats what was in force
		{`{"a":4}`, 9, ItemChanged},   // same time: the later received wins
		{`{"a":0}`, 0, ItemLate},
	} {
		if got := put(step.config, step.hour); got.Kind != step.want {
			t.Errorf("%s at hour %d: kind %d, want %d", step.config, step.hour, got.Kind, step.want)
		}
	}
	view(t, s, func(tx *Tx) error {
		cur, err := tx.Current(record.Key{AccountID: "1", Region: "eu", ResourceType: "A::B::C", ResourceID: "x"})
		if err != nil {
			return err
		}
		var history []string
		versions, err := tx.Versions(cur.Resource, 100, 0)
		if err != nil {
			return err
		}
		for _, v := range versions {
			history = append(history, fmt.Sprintf("%s %d", v.Item.Body[strings.Index(string(v.Item.Body), `"a":`)+4:][:1], v.Item.CaptureTime.Hour()))
		}
		if diff := cmp.Diff([]string{"4 9", "3 7", "2 5", "1 1", "0 0"}, history); diff != "" {
			t.Error(diff)
		}
		at, err := tx.VersionAt(cur.Resource, t0.Add(6*time.Hour))
		if err != nil || !strings.Contains(string(at.Item.Body), `{"a":2}`) {
			t.Errorf("version at hour 6: %s, %v", at.Item.Body, err)
		}
		prev, err := tx.Previous(cur.Resource)
		if err != nil || !strings.Contains(string(prev.Item.Body), `{"a":3}`) {
			t.Errorf("previous: %v, %v", prev, err)
		}
		out, _, err := tx.Relationships(cur)
		if err != nil || len(out) != 1 {
			t.Errorf("relationships %v, %v", out, err)
		}
		return err
	})
}

// TestLateArrivals holds PutItem against a model that keeps every item and sorts.
func TestLateArrivals(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	type said struct{ at, order, value int }
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		id := fmt.Sprint("r", seed)
		var all []said
		update(t, s, func(tx *Tx) error {
			for order := range 25 {
				x := said{rnd.IntN(12), order, rnd.IntN(3)}
				all = append(all, x)
				_, err := tx.PutItem(ItemWrite{Item: item(t, id, fmt.Sprintf(`{"a":%d}`, x.value), t0.Add(time.Duration(x.at)*time.Hour)), Received: t0})
				if err != nil {
					return err
				}
			}
			return nil
		})
		view(t, s, func(tx *Tx) error {
			cur, err := tx.Current(record.Key{AccountID: "1", Region: "eu", ResourceType: "A::B::C", ResourceID: id})
			if err != nil {
				return err
			}
			// What is in force is what was said last of the greatest time.
			want := slices.MaxFunc(all, func(a, b said) int { return (a.at*1000 + a.order) - (b.at*1000 + b.order) })
			if !strings.Contains(string(cur.Item.Body), fmt.Sprintf(`{"a":%d}`, want.value)) {
				t.Errorf("seed %d: current %s, want value %d", seed, cur.Item.Body, want.value)
			}
			return nil
		})
	}
}

// TestDuplicates holds the filters against a map, over several segments of batches and a reopening.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	known := map[string][]record.Digest{}
	for round := range 60 {
		if round == 30 {
			s.Close()
			s = open(t, dir)
		}
		var batch []record.Event
		for range 200 {
			id, action := fmt.Sprint(rnd.IntN(5000)), fmt.Sprint("a", rnd.IntN(2))
			batch = append(batch, event(id, action, t0))
		}
		update(t, s, func(tx *Tx) error {
			got, err := tx.Duplicates(batch)
			if err != nil {
				return err
			}
			var fresh []record.Event
			for i, ev := range batch {
				want := DupNone
				switch {
				case slices.Contains(known[ev.ID], ev.Hash):
					want = DupSame
				case len(known[ev.ID]) > 0:
					want = DupConflict
				}
				if got[i] != want {
					t.Fatalf("round %d, event %s: %d, want %d", round, ev.ID, got[i], want)
				}
				if want != DupSame {
					fresh = append(fresh, ev)
				}
			}
			for _, ev := range fresh {
				known[ev.ID] = append(known[ev.ID], ev.Hash)
			}
			// Received now: the window counts from the clock.
			e := EncodeEvents(fresh)
			_, err = tx.AppendBatch(BatchRow{Instance: "i", Received: time.Now(), Read: 200, Stored: len(fresh), Duplicate: 200 - len(fresh), Events: &e})
			return err
		})
	}
	view(t, s, func(tx *Tx) error {
		totals, err := tx.Totals()
		if got := totals["i"]; got.Read != got.Stored+got.Duplicate+got.Quarantined || got.Read != 12000 {
			t.Errorf("totals %+v", got)
		}
		return err
	})
}

func TestRolledBackBatchIsNoDuplicate(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ev := []record.Event{event("e", "a", t0)}
	e := EncodeEvents(ev)
	_ = s.Update(t.Context(), func(tx *Tx) error {
		if _, err := tx.AppendBatch(BatchRow{Instance: "i", Received: time.Now(), Events: &e}); err != nil {
			return err
		}
		return errors.New("no")
	})
	update(t, s, func(tx *Tx) error {
		got, err := tx.Duplicates(ev)
		if got[0] != DupNone {
			t.Error("an event of a transaction that failed counts as stored")
		}
		return err
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	// Batches overlap in time, as those of several sources do.
	var want []string
	for b := range 20 {
		var batch []record.Event
		for i := range 50 {
			at := t0.Add(time.Duration(i*7+b*13) * time.Second)
			ev := event(fmt.Sprintf("%02d-%02d", b, i), fmt.Sprint("act", i%5), at)
			batch = append(batch, ev)
			if i%5 == 2 {
				want = append(want, fmt.Sprintf("%s %02d %02d", record.FormatTime(at), b, i))
			}
		}
		update(t, s, func(tx *Tx) error {
			e := EncodeEvents(batch)
			_, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Events: &e})
			return err
		})
	}
	slices.Sort(want)
	slices.Reverse(want)
	view(t, s, func(tx *Tx) error {
		var got []string
		f := EventFilter{Action: "act2", Limit: 7}
		for {
			rows, next, err := tx.Events(f)
			if err != nil {
				return err
			}
			for _, r := range rows {
				got = append(got, fmt.Sprintf("%s %02d %02d", record.FormatTime(r.Event.Time), r.Seq-1, r.Index))
			}
			if next == "" {
				break
			}
			f.After = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, c := range []struct {
			name string
			f    EventFilter
			want int
		}{
			{"by id", EventFilter{ID: "03-04"}, 1},
			{"by unknown id", EventFilter{ID: "nothing"}, 0},
			{"by resource", EventFilter{Resource: "x", ResourceType: "A::B::C", Limit: 2000}, 1000},
			{"by actor and time", EventFilter{Actor: "alice", From: t0, To: t0.Add(time.Second)}, 1},
			{"by text", EventFilter{Text: "05-1", Limit: 2000}, 10},
		} {
			rows, _, err := tx.Events(c.f)
			if err != nil || len(rows) != c.want {
				t.Errorf("%s: %d events, want %d (%v)", c.name, len(rows), c.want, err)
			}
		}
		if _, _, err := tx.Events(EventFilter{After: "garbage"}); err == nil {
			t.Error("a cursor that nobody gave out is taken")
		}
		return nil
	})
}

func TestVerdictsAndFindings(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	v := func(p string, o verdict.Outcome) verdict.Verdict {
		return verdict.Verdict{Policy: verdict.PolicyID(p), Outcome: o, At: t0}
	}
	update(t, s, func(tx *Tx) error {
		if err := tx.PutVerdicts(1, []verdict.Verdict{v("a", verdict.Compliant), v("b", verdict.NonCompliant)}, nil); err != nil {
			return err
		}
		return tx.PutVerdicts(1, []verdict.Verdict{v("a", verdict.NonCompliant)}, []verdict.PolicyID{"b"})
	})
	update(t, s, func(tx *Tx) error {
		counts, err := tx.VerdictCounts()
		if err != nil {
			return err
		}
		want := map[verdict.PolicyID]map[verdict.Outcome]int64{"a": {verdict.NonCompliant: 1}}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Error(diff)
		}
		if err := tx.SetReads("a", 1, []verdict.Read{{ResourceType: "T", ResourceID: "r"}, {ResourceType: "U"}}); err != nil {
			return err
		}
		deps, err := tx.Dependents("T", "r", 0, 10)
		if err != nil || len(deps) != 1 || deps[0].All {
			t.Errorf("dependents %v, %v", deps, err)
		}
		if deps, err = tx.Dependents("U", "anything", 0, 10); err != nil || len(deps) != 1 || !deps[0].All {
			t.Errorf("dependents of a type %v, %v", deps, err)
		}
		if n, err := tx.ForgetPolicy("a", 10); err != nil || n != 1 {
			t.Errorf("forgot %d, %v", n, err)
		}
		deps, err = tx.Dependents("T", "r", 0, 10)
		if len(deps) != 0 {
			t.Errorf("reads of a forgotten policy are there: %v", deps)
		}
		return err
	})
	update(t, s, func(tx *Tx) error {
		for i := range 5 {
			f := verdict.Finding{ID: fmt.Sprint("F", i), Policy: "compliance.x.y", Status: verdict.Open, Severity: verdict.High, FirstSeen: t0, LastSeen: t0}
			if err := tx.PutFinding(int64(i), f); err != nil {
				return err
			}
			f.Waiver = map[bool]string{true: "w"}[i == 0]
			if err := tx.PutFinding(int64(i), f); err != nil {
				return err
			}
		}
		no := false
		found, err := tx.Findings(FindingFilter{Policy: "compliance.*", Status: "OPEN", Waived: &no, Limit: 3})
		if err != nil || len(found) != 3 || found[0].ID != "F4" {
			t.Errorf("findings %v, %v", found, err)
		}
		counts, err := tx.CountFindings()
		if diff := cmp.Diff(map[string]int64{"high": 4, "waived": 1}, counts); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

func TestDeliveriesKeepTheOrderOfTheirGroup(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	update(t, s, func(tx *Tx) error {
		for i, group := range []string{"a", "a", "b"} {
			d := Delivery{ID: fmt.Sprint(i), Instance: "n", GroupKey: group, State: Pending, Created: t0, Next: t0, Document: []byte(`{}`)}
			if i == 0 {
				d.Next = t0.Add(time.Hour)
			}
			if _, err := tx.AddDelivery(d); err != nil {
				return err
			}
		}
		due, err := tx.DeliveriesDue("n", t0, 10)
		if err != nil || len(due) != 1 || due[0].ID != "2" {
			t.Errorf("due %v (%v): the second of group a must wait for the first, and b must not", due, err)
		}
		return nil
	})
}

func TestRetain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	update(t, s, func(tx *Tx) error {
		for h := range 6 {
			if _, err := tx.PutItem(ItemWrite{Item: item(t, "x", fmt.Sprintf(`{"a":%d}`, h), t0.Add(time.Duration(h)*time.Hour)), Received: t0}); err != nil {
				return err
			}
		}
		e := EncodeEvents([]record.Event{event("e", "a", t0)})
		_, err := tx.AppendBatch(BatchRow{Instance: "i", Received: t0, Events: &e})
		return err
	})
	if _, err := s.Retain(t.Context(), Retention{Versions: 3 * time.Hour, Events: time.Hour}, t0.Add(6*time.Hour+30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx *Tx) error {
		// In force 3 hours ago, at 3:30, was the version of hour 3: it and all after it stay.
		versions, err := tx.Versions(1, 100, 0)
		if err != nil {
			return err
		}
		if len(versions) != 3 {
			t.Errorf("%d versions are left, want 3", len(versions))
		}
		rows, _, err := tx.Events(EventFilter{})
		if len(rows) != 0 {
			t.Error("an event past its retention is there")
		}
		return err
	})
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, a, b, want string }{
		{"nothing", `{"a":1}`, `{"a":1}`, ``},
		{"a replaced member", `{"a":1}`, `{"a":2}`, `replace /a 1>2`},
		{"a number's literal", `{"a":1}`, `{"a":1.0}`, `replace /a 1>1.0`},
		{"large integers", `{"a":9007199254740993}`, `{"a":9007199254740992}`, `replace /a 9007199254740993>9007199254740992`},
		{"added and removed", `{"a":1}`, `{"b":{"c":[]}}`, `remove /a 1>; add /b >{"c":[]}`},
		{"an element in the middle", `[1,2,3]`, `[1,9,2,3]`, `add /1 >9`},
		{"elements removed", `[1,2,3,4]`, `[1,4]`, `remove /2 3>; remove /1 2>`},
		{"deep in an array", `[{"a":1,"b":2}]`, `[{"a":1,"b":3}]`, `replace /0/b 2>3`},
		{"another type", `{"a":{}}`, `{"a":[]}`, `replace /a {}>[]`},
		{"escaped names", `{"a/b":1,"c~d":1}`, `{"a/b":2,"c~d":2}`, `replace /a~1b 1>2; replace /c~0d 1>2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ops, err := Diff([]byte(c.a), []byte(c.b))
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, o := range ops {
				parts = append(parts, fmt.Sprintf("%s %s %s>%s", o.Op, o.Path, o.Old, o.Value))
			}
			if got := strings.Join(parts, "; "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "regent-test", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system to be had: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	s := open(t, dir)
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = s.Update(t.Context(), func(tx *Tx) error {
			b := make([]byte, 64<<10)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			return tx.SetMeta(fmt.Sprint("k", n), b)
		})
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	view(t, s, func(tx *Tx) error {
		for i := range n - 1 {
			if b, err := tx.Meta(fmt.Sprint("k", i)); b == nil || err != nil {
				t.Fatalf("value %d of %d that were written is not there (%v)", i, n-1, err)
			}
		}
		return nil
	})
	// When there is room again, the same store goes on.
	if out, err := exec.Command("mount", "-o", "remount,size=64m", dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	update(t, s, func(tx *Tx) error { return tx.SetMeta("after", []byte("x")) })
}

// TestKill kills a process that writes as fast as it can, and looks whether every transaction that
// it reported is there, whole.
func TestKill(t *testing.T) {
	if dir := os.Getenv("REGENT_STORE_CHILD"); dir != "" {
		writeForever(dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	last := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		cmd.Env = append(os.Environ(), "REGENT_STORE_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Duration(150+rand.IntN(250)) * time.Millisecond)
			_ = cmd.Process.Kill()
		}()
		var reported int
		for {
			var n int
			if _, err := fmt.Fscanf(out, "committed %d\n", &n); err != nil {
				break
			}
			reported = n
		}
		_ = cmd.Wait()
		s := open(t, dir)
		view(t, s, func(tx *Tx) error {
			totals, err := tx.Totals()
			if err != nil {
				return err
			}
			n := int(totals["i"].Read)
			if n < reported || n > reported+10 {
				t.Errorf("round %d: %d events counted, %d reported", round, n, reported)
			}
			rows, _, err := tx.Events(EventFilter{Limit: 1_000_000})
			if err != nil {
				return err
			}
			if len(rows) != n {
				t.Errorf("round %d: %d events stored, %d counted", round, len(rows), n)
			}
			if n < last {
				t.Errorf("round %d: %d events, fewer than the %d before", round, n, last)
			}
			last = n
			return nil
		})
		s.Close()
	}
	if last == 0 {
		t.Error("the child never wrote anything")
	}
}

func writeForever(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n := 0
	_ = s.View(context.Background(), func(tx *Tx) error {
		totals, err := tx.Totals()
		n = int(totals["i"].Read)
		return err
	})
	for {
		var batch []record.Event
		for range 10 {
			n++
			batch = append(batch, event(fmt.Sprint(n), "a", t0.Add(time.Duration(n)*time.Second)))
		}
		e := EncodeEvents(batch)
		err := s.Update(context.Background(), func(tx *Tx) error {
			_, err := tx.AppendBatch(BatchRow{Instance: "i", Received: time.Now(), Read: 10, Stored: 10, Events: &e})
			return err
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("committed %d\n", n)
	}
}

func FuzzDecodeEvents(f *testing.F) {
	e := EncodeEvents([]record.Event{event("a", "b", t0), event("c", "d", t0)})
	f.Add(e.data, 2)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		bodies, err := decodeEvents(data, count)
		if err == nil && len(bodies) != count {
			t.Fatalf("%d bodies, want %d", len(bodies), count)
		}
	})
}

func TestBloomHasNoFalseNegatives(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	b := newBloom(10_000, dupBits)
	added := make([]uint64, 10_000)
	for i := range added {
		added[i] = rnd.Uint64()
		b.add(added[i])
	}
	again, ok := readBloom(b.bytes())
	if !ok {
		t.Fatal("a filter does not read back")
	}
	for _, h := range added {
		if !again.has(h) {
			t.Fatal("an added key is not there")
		}
	}
	wrong := 0
	for range 100_000 {
		if again.has(rnd.Uint64()) {
			wrong++
		}
	}
	if wrong > 200 {
		t.Errorf("%d of 100,000 strangers pass; the filter should let through at most 0.2 %%", wrong)
	}
}
