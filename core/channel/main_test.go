package channel

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/sdk"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashAt) != "" {
		runUntilCrash()
		return
	}
	os.Exit(m.Run())
}

// bucket is a Bucket in a folder. hook, where set, is asked before and after each Put.
type bucket struct {
	blob.Bucket
	dir  string
	hook func(when, key string) error

	mu   sync.Mutex
	puts []string
}

func (b *bucket) String() string { return b.dir }

// Put implements blob.Bucket.
func (b *bucket) Put(_ context.Context, key, file string) error {
	if b.hook != nil {
		if err := b.hook("before", key); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	b.mu.Lock()
	b.puts = append(b.puts, key+" "+record.Sum(text).String())
	b.mu.Unlock()
	// What was put is written down beside the bucket, for whoever comes after a crash.
	log, err := os.OpenFile(b.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(log, "%s %s\n", key, record.Sum(text))
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	if b.hook != nil {
		return b.hook("after", key)
	}
	return nil
}

func (b *bucket) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.puts)
}

// objects returns what lies in the bucket, decompressed, by key.
func (b *bucket) objects(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".new") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		key, err := filepath.Rel(b.dir, path)
		out[filepath.ToSlash(key)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ids returns the ids of the records in all objects of a bucket, sorted, each as often as it is there.
func (b *bucket) ids(t testing.TB) []string {
	t.Helper()
	var out []string
	for key, text := range b.objects(t) {
		var doc struct {
			Records []struct {
				Event struct{ ID string } `json:"regentEvent"`
			}
			ConfigurationItems []struct{ ResourceID string }
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, r := range doc.Records {
			out = append(out, r.Event.ID)
		}
		for _, it := range doc.ConfigurationItems {
			out = append(out, it.ResourceID)
		}
	}
	slices.Sort(out)
	return out
}

// health keeps what was told.
type health struct {
	s  *store.Store
	mu sync.Mutex
	is []string
}

func (h *health) tell(ctx context.Context, channel string, wrong bool, message string, also func(*store.Tx) error) error {
	h.mu.Lock()
	h.is = append(h.is, fmt.Sprintf("%s %v: %s", channel, wrong, message))
	h.mu.Unlock()
	return h.s.Update(ctx, also)
}

func (h *health) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.is)
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// start runs a manager of channels until the test ends or stop is called.
func start(t testing.TB, s *store.Store, dir string, h *health, specs ...Spec) (m *Manager, stop func()) {
	t.Helper()
	o := Options{
		Store: s, Events: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Source: "regent://test", Dir: dir,
		FirstWait: 5 * time.Millisecond, LongestWait: 20 * time.Millisecond,
	}
	if h != nil {
		o.Health = h.tell
	}
	m = New(o)
	m.Use(specs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return m, stop
}

// until waits for something to become so.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: never", what)
}

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// addEvents records events e<from> up to e<to>, excluded, as batches of at most 1000, and returns the row of
// the last.
func addEvents(t testing.TB, s *store.Store, from, to int) (seq int64) {
	t.Helper()
	for from < to {
		var events []record.Event
		for ; from < to && len(events) < 1000; from++ {
			body := fmt.Appendf(nil, `{"id":"e%06d","source":"test","time":%q,"action":"test:Do","outcome":"success","error":{},"actor":{"id":"alice"},"origin":{},"targets":[{"resourceType":"Test::Box::Box","resourceId":"b%d"}],"accountId":"a%d","region":"eu","detail":{"n":%d}}`,
				from, record.FormatTime(t0.Add(time.Duration(from)*time.Second)), from, from%2, from)
			canonical, err := record.Canonical(body)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := record.ParseEvent(body, record.Sum(canonical))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, ev)
		}
		e := store.EncodeEvents(events)
		err := s.Update(context.Background(), func(tx *store.Tx) (err error) {
			seq, err = tx.AppendBatch(store.BatchRow{Instance: "collector.test.a", Received: t0, Read: len(events), Stored: len(events), Events: &e})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return seq
}

func eventIDs(from, to int) []string {
	var out []string
	for ; from < to; from++ {
		out = append(out, fmt.Sprintf("e%06d", from))
	}
	return out
}

// addItem records an item of an account.
func addItem(t testing.TB, s *store.Store, account, id, config string, at time.Time, status record.Status) {
	t.Helper()
	body, err := record.Canonical(fmt.Appendf(nil, `{"accountId":%q,"region":"eu","resourceType":"Test::Box::Box","resourceId":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":%q,"configuration":%s}`,
		account, id, record.FormatTime(at), status, config))
	if err != nil {
		t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.PutItem(store.ItemWrite{Item: it, Instance: "collector.test.a", Received: at})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// notified returns the files that deliveries tell of, as key and digest.
func notified(t testing.TB, s *store.Store) []string {
	t.Helper()
	var out []string
	err := s.View(context.Background(), func(tx *store.Tx) error {
		all, err := tx.Deliveries(store.DeliveryFilter{Limit: 100_000})
		for _, d := range all {
			var n sdk.Notification
			if err := json.Unmarshal(d.Document, &n); err != nil {
				return err
			}
			var f told
			if err := json.Unmarshal(n.Changes[0].Data, &f); err != nil {
				return err
			}
			out = append(out, f.Key+" "+f.SHA256)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
