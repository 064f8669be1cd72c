package backtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"github.com/regent-dev/regent/core/intake"
	"github.com/regent-dev/regent/core/record"
)

// Files is a Source over files of rows, one JSON object a line, plain or gzip'd: what the daemon's history
// answers, or records alone. The order of arrival is that of the files and lines.
type Files struct {
	paths []string
	size  int64
	read  atomic.Int64
}

// OpenFiles returns a source over files. They are read as they are asked for, several times where items
// and events or a state at the start are wanted.
func OpenFiles(paths ...string) (*Files, error) {
	f := &Files{paths: paths}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		if info.IsDir() {
			return nil, fmt.Errorf("read records: %s is a folder; name the files in it", p)
		}
		f.size += info.Size()
	}
	return f, nil
}

// Fraction returns how much of the files has been read in the pass under way.
func (f *Files) Fraction() float64 {
	if f.size == 0 {
		return 0
	}
	return float64(f.read.Load()) / float64(f.size)
}

// Items implements Source. What was captured before since is the state at the start.
func (f *Files) Items(ctx context.Context, since, until time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if !since.IsZero() {
			for row, err := range f.rows(ctx, record.KindItem) {
				if err == nil && !row.Time.Before(since) {
					continue
				}
				row.State = true
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
		f.between(ctx, record.KindItem, since, until, yield)
	}
}

// Events implements Source.
func (f *Files) Events(ctx context.Context, since, until time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { f.between(ctx, record.KindEvent, since, until, yield) }
}

func (f *Files) between(ctx context.Context, kind record.Kind, since, until time.Time, yield func(Row, error) bool) {
	for row, err := range f.rows(ctx, kind) {
		if err == nil && (row.Time.Before(since) || !until.IsZero() && !row.Time.Before(until)) {
			continue
		}
		row.State = false
		if !yield(row, err) || err != nil {
			return
		}
	}
}

// rows gives the rows of one kind of all files.
func (f *Files) rows(ctx context.Context, kind record.Kind) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f.read.Store(0)
		number := int64(0)
		for _, p := range f.paths {
			more, err := f.file(ctx, p, kind, &number, func(r Row) bool { return yield(r, nil) })
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// counted counts what is read of the files as they are on disk.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// file gives the rows of one file, and reports whether more are wanted.
func (f *Files) file(ctx context.Context, path string, kind record.Kind, number *int64, yield func(Row) bool) (bool, error) {
	in, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("read records: %w", err)
	}
	defer in.Close()
	buffered := bufio.NewReaderSize(counted{in, &f.read}, 1<<16)
	var r io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return false, fmt.Errorf("read records: %s: %w", path, err)
		}
		r = z
	}
	l := newLines(r)
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		place := fmt.Sprintf("%s line %d", path, n)
		if err != nil {
			return false, fmt.Errorf("%s: %w", place, err)
		}
		if len(text) == 0 {
			continue
		}
		row, is, err := parseLine(text)
		if err != nil {
			return false, fmt.Errorf("%s: %w", place, err)
		}
		if is == 0 {
			// The end of what the daemon answered; a file may hold several answers.
			continue
		}
		*number++
		if is != kind {
			continue
		}
		if row.Time.IsZero() {
			return false, fmt.Errorf("%s: the record has no time", place)
		}
		if row.Number == 0 {
			row.Number = *number
		}
		row.Place = place
		if !yield(row) {
			return false, nil
		}
	}
}

// parseLine reads one line: a row, or a record alone. The kind is 0 for the end of an answer.
func parseLine(text []byte) (Row, record.Kind, error) {
	var l line
	if l.parse(text) && l.Time != "" && (l.Content != "" || !bytes.Contains(l.Record, []byte(`"resourceType"`))) {
		row, err := l.row()
		row.Record = bytes.Clone(l.Record)
		if l.Content != "" {
			return row, record.KindItem, err
		}
		return row, record.KindEvent, err
	}
	l = line{}
	var bare struct {
		Record       json.RawMessage `json:"record"`
		End          json.RawMessage `json:"end"`
		ResourceType json.RawMessage `json:"resourceType"`
		Source       json.RawMessage `json:"source"`
	}
	if err := json.Unmarshal(text, &bare); err != nil {
		return Row{}, 0, fmt.Errorf("not a JSON object: %w", err)
	}
	body, wrapped := text, bare.Record != nil
	switch {
	case wrapped:
		if err := json.Unmarshal(text, &l); err != nil {
			return Row{}, 0, err
		}
		body = l.Record
		bare.ResourceType, bare.Source = nil, nil
		if err := json.Unmarshal(body, &bare); err != nil {
			return Row{}, 0, fmt.Errorf("record: %w", err)
		}
	case string(bare.End) == "true":
		return Row{}, 0, nil
	}
	row, err := l.row()
	if err != nil {
		return row, 0, err
	}
	row.Record = bytes.Clone(body)
	kind := record.KindItem
	switch {
	case bare.ResourceType != nil && bare.Source == nil:
	case bare.Source != nil:
		kind = record.KindEvent
	default:
		return row, 0, errors.New("the record is neither an item (no resourceType) nor an event (no source)")
	}
	if row.Time.IsZero() {
		var at struct {
			Time    string `json:"time"`
			Capture string `json:"configurationItemCaptureTime"`
		}
		if err := json.Unmarshal(body, &at); err != nil {
			return row, kind, err
		}
		text := at.Time
		if kind == record.KindItem {
			text = at.Capture
		}
		if text != "" {
			if row.Time, err = record.ParseTime(text); err != nil {
				return row, kind, err
			}
		}
	}
	return row, kind, nil
}

// lines reads lines of bounded length.
type lines struct{ s *bufio.Scanner }

// maxLine leaves room around the largest record.
const maxLine = intake.MaxRecord + 64<<10

func newLines(r io.Reader) *lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	return &lines{s}
}

// next returns the next line without the white space around it; it is good until the next call.
func (l *lines) next() ([]byte, error) {
	if !l.s.Scan() {
		switch err := l.s.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			return nil, fmt.Errorf("the line is longer than %d bytes, which no record is", maxLine)
		case err != nil:
			return nil, err
		}
		return nil, io.EOF
	}
	return bytes.TrimSpace(l.s.Bytes()), nil
}
