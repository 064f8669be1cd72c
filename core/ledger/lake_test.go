package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/ledger"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// TestLake verifies, every hour and between, a lake as the daemon keeps it over two days: drained,
// compacted several times over, expired, and with checkpoints of items.
func TestLake(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := openLake(t, r, map[table.Name]lake.Keep{
		table.Events: {For: 30 * time.Hour, Setting: `retention.events = "30h0m0s"`},
		table.Items:  {For: 20 * time.Hour, Setting: `retention.versions = "20h0m0s"`},
	})
	r.step(0)
	n := 0
	var rep *ledger.Report
	most := int64(0)
	for hour := range 48 {
		for range 3 {
			r.now = r.now.Add(20 * time.Minute)
			recordSome(t, r, &n, hour)
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := l.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rep = r.verify(ledger.VerifyOptions{}); !rep.OK() {
				t.Fatalf("hour %d, before the digest: %+v", hour, rep.Problems)
			}
		}
		r.step(0)
		if rep = r.verify(ledger.VerifyOptions{}); !rep.OK() || len(rep.Notes) > 0 {
			t.Fatalf("hour %d: %+v %+v", hour, rep.Problems, rep.Notes)
		}
		most = max(most, rep.Replaced)
	}
	if rep.Expired == 0 || rep.Checkpoints == 0 || most < 50 || rep.Digests != 49 {
		t.Errorf("%+v, %d replaced files proven at most", rep, most)
	}
	var path string
	view(t, r.store, func(tx *store.Tx) error {
		files, err := tx.LakeFiles("")
		for _, f := range files {
			if f.Checkpoint != nil {
				path = f.Path
			}
		}
		return err
	})
	b, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	write(t, filepath.Join(r.dir, path), b)
	expect(t, "a checkpoint changed", r.verify(ledger.VerifyOptions{}).Problems, "changed "+path)

	// Given up, it is told of and no problem any more.
	write(t, filepath.Join(r.dir, path), b[:len(b)/2])
	l.Close()
	if err := l.Walk(t.Context(), table.Events, lake.Range{}, func(lake.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, release, err := l.Snapshot(t.Context(), table.Names[:], lake.Range{}); err == nil {
		release()
		t.Error("a snapshot of a lake with a damaged file")
	}
	if err := l.Forget(t.Context(), path, "given up by eve"); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Hour)
	r.step(0)
	if rep = r.verify(ledger.VerifyOptions{}); !rep.OK() || len(rep.Lost) != 1 || rep.Lost[0].Path != path || !strings.HasPrefix(rep.Lost[0].By, "given up by eve: ") {
		t.Errorf("after it was given up: %+v %+v", rep.Problems, rep.Lost)
	}
}

// openLake opens the lake of a rig.
func openLake(t *testing.T, r *rig, keep map[table.Name]lake.Keep) *lake.Lake {
	t.Helper()
	dir := t.TempDir()
	cache, err := blob.Cache(r.bucket, filepath.Join(dir, "cache"), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(lake.Options{
		Store: r.store, Bucket: r.bucket, Cache: cache, Scratch: filepath.Join(dir, "scratch"), Now: func() time.Time { return r.now },
		Retention: func() map[table.Name]lake.Keep { return keep },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// TestVerifyWhileTheLakeChanges verifies between the moment in which a file is put into the lake and the one in
// which the manifest is published that has it.
func TestVerifyWhileTheLakeChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := openLake(t, r, nil)
	n := 0
	manifest := filepath.Join(r.dir, "manifest.json")
	var published [2][]byte
	r.step(0)
	for i := range published {
		recordSome(t, r, &n, i)
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		if published[i], err = os.ReadFile(manifest); err != nil {
			t.Fatal(err)
		}
	}
	write(t, manifest, published[0])
	if rep := r.verify(ledger.VerifyOptions{Settle: time.Millisecond}); rep.OK() {
		t.Error("files that no manifest has are no problem")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(200 * time.Millisecond)
		err := os.WriteFile(manifest+".new", published[1], 0o600)
		if err == nil {
			err = os.Rename(manifest+".new", manifest)
		}
		if err != nil {
			t.Error(err)
		}
	}()
	if rep := r.verify(ledger.VerifyOptions{Settle: 2 * time.Second}); !rep.OK() {
		t.Errorf("%+v", rep.Problems)
	}
	<-done
}

// recordSome records an item and a few events, some of them of the day before.
func recordSome(t *testing.T, r *rig, n *int, hour int) {
	t.Helper()
	var all []record.Event
	for i := range 4 {
		*n++
		at := r.now.Add(-time.Duration(i%2) * 24 * time.Hour)
		body := fmt.Appendf(nil, `{"id":"e%d","source":"test","time":%q,"action":"a","outcome":"success","error":{},"actor":{"id":"alice"},"origin":{},"targets":[]}`, *n, record.FormatTime(at))
		canonical, err := record.Canonical(body)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := record.ParseEvent(body, record.Sum(canonical))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ev)
	}
	body, err := record.Canonical(fmt.Appendf(nil, `{"accountId":"1","region":"eu","resourceType":"A::B::C","resourceId":"r%d","configurationItemCaptureTime":%q,"configurationItemStatus":"OK","configuration":{"n":%d},"relationships":[],"tags":{}}`,
		hour%7, record.FormatTime(r.now), *n))
	if err != nil {
		t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded := store.EncodeEvents(all)
	update(t, r.store, func(tx *store.Tx) error {
		if _, err := tx.AppendBatch(store.BatchRow{Instance: "collector.test.a", Received: r.now, Read: len(all), Stored: len(all), Events: &encoded}); err != nil {
			return err
		}
		_, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.a", Received: r.now})
		return err
	})
}
