package lake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Range chooses rows of a table.
type Range struct {
	// Since is the first time that is wanted, Until the first that is not any more; zero is no bound.
	Since, Until time.Time
	// Received goes by when rows were recorded instead of when they happened.
	Received bool
}

func (r Range) holds(at, received int64) bool {
	if r.Received {
		at = received
	}
	return (r.Since.IsZero() || at >= r.Since.UnixMicro()) && (r.Until.IsZero() || at < r.Until.UnixMicro())
}

// overlaps reports whether a file may hold rows of the range.
func (r Range) overlaps(f *manifest.File) bool {
	lo, hi := f.MinTime, f.MaxTime
	if r.Received {
		lo, hi = f.MinReceived, f.MaxReceived
	}
	return f.Checkpoint == nil && (r.Since.IsZero() || !hi.Before(r.Since)) && (r.Until.IsZero() || lo.Before(r.Until))
}

// Record is a row of any table with what all have in common.
type Record struct {
	Number   int64
	Time     time.Time
	Received time.Time
	Instance record.Instance
	Body     []byte
}

// leanRow is the part of a row that Record has, as it stands in the files.
type leanRow struct {
	Number   int64  `parquet:"number,delta"`
	Time     int64  `parquet:"time,timestamp(microsecond),delta"`
	Received int64  `parquet:"received,timestamp(microsecond),delta"`
	Instance string `parquet:"instance,dict"`
	Record   []byte `parquet:"record,json"`
}

var lean = kind[leanRow]{head: func(r *leanRow) head { return head{r.Number, r.Time, r.Received, r.Record} }}

// Walk calls fn for every row of a table in a range, in the order of the numbers; what was committed before
// the call is among them. The record belongs to fn.
func (l *Lake) Walk(ctx context.Context, name table.Name, r Range, fn func(Record) error) error {
	return walk(ctx, l, name, &lean, r, func(row *leanRow) error {
		return fn(Record{row.Number, time.UnixMicro(row.Time).UTC(), time.UnixMicro(row.Received).UTC(), record.Instance(row.Instance), row.Record})
	})
}

func walk[T any](ctx context.Context, l *Lake, name table.Name, k *kind[T], r Range, fn func(*T) error) error {
	if err := l.Flush(ctx); err != nil {
		return err
	}
	defer l.readers.begin(l.now())()
	var files []manifest.File
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		all, err := tx.LakeFiles(name)
		for _, f := range all {
			if r.overlaps(&f.File) {
				files = append(files, f.File)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return merge(ctx, l, k, files, false, func(row *T) error {
		if h := k.head(row); !r.holds(h.time, h.received) {
			return nil
		}
		return fn(row)
	})
}

// line is a row as it is exported.
type line struct {
	Number        int64           `json:"number"`
	Time          string          `json:"time"`
	Received      string          `json:"received"`
	Instance      record.Instance `json:"instance,omitempty"`
	ContentSHA256 string          `json:"contentSha256,omitempty"`
	// Record is what was accepted, Bytes the same where it is not JSON.
	Record json.RawMessage `json:"record,omitempty"`
	Bytes  []byte          `json:"bytes,omitempty"`
}

// ExportLines writes rows as lines of JSON, and at the end a line that counts them. With state the
// configuration items that were in force at the beginning come first, with their own numbers.
func (l *Lake) ExportLines(ctx context.Context, name table.Name, r Range, state bool, w io.Writer) error {
	rows := int64(0)
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	put := func(n line) error { rows++; return enc.Encode(n) }
	var err error
	switch {
	case name == table.Items:
		err = l.exportItems(ctx, r, state, put)
	default:
		err = l.Walk(ctx, name, r, func(rec Record) error {
			n := line{Number: rec.Number, Time: record.FormatTime(rec.Time), Received: record.FormatTime(rec.Received), Instance: rec.Instance, Record: rec.Body}
			if name == table.Quarantines {
				n.Record, n.Bytes = nil, rec.Body
			}
			return put(n)
		})
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "{\"end\":true,\"rows\":%d}\n", rows)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	return nil
}

// exportItems reads the versions from the store, which has them all by resource and time.
func (l *Lake) exportItems(ctx context.Context, r Range, state bool, put func(line) error) error {
	version := func(c *store.Current) line {
		return line{
			Number: c.Version, Time: record.FormatTime(c.Item.CaptureTime), Received: record.FormatTime(c.Received),
			Instance: c.Instance, ContentSHA256: c.Item.Hash.String(), Record: c.Item.Body,
		}
	}
	page := func(read func(tx *store.Tx) ([]*store.Current, error), fn func(*store.Current) error) (n int, err error) {
		var found []*store.Current
		err = l.o.Store.View(ctx, func(tx *store.Tx) (err error) { found, err = read(tx); return err })
		for _, c := range found {
			if err == nil {
				err = fn(c)
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		return len(found), err
	}
	if state && !r.Since.IsZero() {
		for next := int64(0); ; {
			_, err := page(func(tx *store.Tx) (found []*store.Current, err error) {
				found, next, err = tx.ResourcesAt(store.ResourceFilter{Limit: 500}, r.Since, time.Time{}, next)
				return found, err
			}, func(c *store.Current) error { return put(version(c)) })
			if err != nil {
				return err
			}
			if next == 0 {
				break
			}
		}
	}
	for after := int64(0); ; {
		n, err := page(func(tx *store.Tx) ([]*store.Current, error) { return tx.VersionsAfter(after, 500) }, func(c *store.Current) error {
			after = c.Version
			if !r.holds(c.Item.CaptureTime.UnixMicro(), c.Received.UnixMicro()) || state && c.Item.CaptureTime.Equal(r.Since) {
				return nil
			}
			return put(version(c))
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// ExportParquet writes rows of a table as one Parquet file with all columns.
func (l *Lake) ExportParquet(ctx context.Context, name table.Name, r Range, w io.Writer) error {
	for _, x := range exporters {
		if x.name == name {
			return x.write(ctx, l, r, w)
		}
	}
	return fmt.Errorf("there is no table %q", name)
}

type exporter struct {
	name  table.Name
	write func(ctx context.Context, l *Lake, r Range, w io.Writer) error
}

func exporterOf[T any](k *kind[T]) exporter {
	return exporter{k.name, func(ctx context.Context, l *Lake, r Range, w io.Writer) error {
		out := parquet.NewGenericWriter[T](w, k.plain().writerOptions(drained)...)
		page := make([]T, 0, writeTogether)
		flush := func() error {
			_, err := out.Write(page)
			page = page[:0]
			return err
		}
		err := walk(ctx, l, k.name, k, r, func(row *T) error {
			if page = append(page, *row); len(page) == cap(page) {
				return flush()
			}
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", k.name, err)
		}
		return nil
	}}
}

var exporters = []exporter{
	exporterOf(&items), exporterOf(&events), exporterOf(&verdicts), exporterOf(&findings), exporterOf(&causes), exporterOf(&alarms), exporterOf(&deliveries), exporterOf(&quarantine), exporterOf(&gaps),
}
