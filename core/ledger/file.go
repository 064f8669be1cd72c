package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/regent-dev/regent/core/blob"
	"github.com/regent-dev/regent/core/record"
)

// inMemory is up to what size a file is read once and kept while its rows are gone through; a larger one
// is read twice.
const inMemory = 32 << 20

// read reads the files that were chosen and holds them against their digests.
func (v *verification) read(ctx context.Context) error {
	var chosen []*entry
	for _, path := range v.live.paths() {
		e := v.live.files[path]
		switch {
		case e.gone:
		case v.chosen(e):
			chosen = append(chosen, e)
		default:
			v.report.Skipped++
		}
	}
	chosen = append(chosen, v.live.pending...)
	// The largest first, so that no processor is left alone with one at the end.
	slices.SortStableFunc(chosen, func(a, b *entry) int { return cmp.Compare(b.Bytes, a.Bytes) })
	v.progress.FilesTotal = int64(len(chosen))
	for _, e := range chosen {
		v.progress.BytesTotal += e.Bytes
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.o.Workers)
	for _, e := range chosen {
		g.Go(func() error {
			problems, proven := v.file(gctx, e)
			if gctx.Err() != nil {
				return gctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			v.report.Problems = append(v.report.Problems, problems...)
			v.report.Replaced += proven
			if len(problems) == 0 {
				v.report.Files++
				v.report.Rows += e.Rows
				v.report.Bytes += e.Bytes
				if e.Checkpoint != nil {
					v.report.Checkpoints++
				}
			}
			v.progress.Files++
			v.progress.Bytes += e.Bytes
			v.o.Progress(v.progress)
			return nil
		})
	}
	return g.Wait()
}

// chosen reports whether a file has records that came into the lake in the time that was asked for.
func (v *verification) chosen(e *entry) bool {
	in := func(p *piece) bool {
		return (v.o.Since.IsZero() || p.at.After(v.o.Since)) && (v.o.Until.IsZero() || p.at.Add(-period).Before(v.o.Until))
	}
	if in(&piece{at: e.at}) {
		return true
	}
	return slices.ContainsFunc(e.pieces, in)
}

// file verifies one file, and returns what is wrong and how many replaced files it proves.
func (v *verification) file(ctx context.Context, e *entry) (problems []Problem, proven int64) {
	say := func(kind Kind, format string, args ...any) {
		problems = append(problems, Problem{kind, e.Path, e.digest, fmt.Sprintf(format, args...)})
	}
	o, err := v.o.Bucket.Open(ctx, e.Path)
	if err != nil {
		if errors.Is(err, blob.ErrNotFound) {
			say(Missing, "it is not there any more")
		} else {
			say(Unreadable, "%v", err)
		}
		return problems, 0
	}
	defer o.Close()
	if o.Size() != e.Bytes {
		say(Changed, "it has %d bytes and should have %d", o.Size(), e.Bytes)
		return problems, 0
	}
	var r io.ReaderAt = o
	if o.Size() <= inMemory {
		b := make([]byte, o.Size())
		if n, err := o.ReadAt(b, 0); n < len(b) {
			say(Unreadable, "%v", err)
			return problems, 0
		}
		r = bytes.NewReader(b)
	}
	h := sha256.New()
	if _, err := io.Copy(h, blob.Reader(ctx, io.NewSectionReader(r, 0, e.Bytes))); err != nil {
		say(Unreadable, "%v", err)
		return problems, 0
	}
	var sum record.Digest
	h.Sum(sum[:0])
	if sum != e.SHA256 {
		// What is in a file that somebody changed is not looked at: it says nothing, and it may be made to
		// break who reads it.
		say(Changed, "it has SHA-256 %s and should have %s", sum, e.SHA256)
		return problems, 0
	}
	p := newProof(e)
	if err := readRows(ctx, r, e.Bytes, p.row); err != nil {
		say(Content, "it is what was written, and cannot be read: %v", err)
		return problems, 0
	}
	p.end(func(format string, args ...any) { say(Content, format, args...) })
	return problems, p.proven
}

// proof takes in the rows of a file in their order.
type proof struct {
	e        *entry
	all      tally
	min, max int64
	disorder int64
	strays   int64
	stray    int64
	at       int
	pieces   []tally
	wholes   []tally
	// within are the wholes of each piece.
	within [][]int
	proven int64
}

// tally counts rows and makes their root.
type tally struct {
	rows int64
	h    hash.Hash
}

func newTally() tally { return tally{h: sha256.New()} }

func (t *tally) add(sum []byte) {
	t.rows++
	t.h.Write(sum)
}

func (t *tally) is(rows int64, root record.Digest) bool {
	var got record.Digest
	t.h.Sum(got[:0])
	return t.rows == rows && got == root
}

func newProof(e *entry) *proof {
	p := &proof{e: e, all: newTally(), pieces: make([]tally, len(e.pieces)), wholes: make([]tally, len(e.wholes)), within: make([][]int, len(e.pieces))}
	for i := range p.pieces {
		p.pieces[i] = newTally()
		for j, w := range e.wholes {
			if w.pieces[e.pieces[i]] {
				p.within[i] = append(p.within[i], j)
			}
		}
	}
	for i := range p.wholes {
		p.wholes[i] = newTally()
	}
	return p
}

func (p *proof) row(number int64, sum record.Digest) {
	switch {
	case p.all.rows == 0:
		p.min = number
	case number <= p.max && p.disorder == 0:
		p.disorder = number
	}
	p.max = number
	p.all.add(sum[:])
	if len(p.pieces) == 0 {
		return
	}
	for p.at < len(p.pieces)-1 && number > p.e.pieces[p.at].max {
		p.at++
	}
	if of := p.e.pieces[p.at]; number < of.min || number > of.max {
		if p.strays == 0 {
			p.stray = number
		}
		p.strays++
		return
	}
	p.pieces[p.at].add(sum[:])
	for _, j := range p.within[p.at] {
		p.wholes[j].add(sum[:])
	}
}

// end says what does not fit.
func (p *proof) end(say func(format string, args ...any)) {
	e := p.e
	switch {
	case p.disorder != 0:
		say("its rows are out of order at number %d", p.disorder)
	case p.all.rows != e.Rows:
		say("it has %d rows and should have %d", p.all.rows, e.Rows)
	case e.Rows > 0 && (p.min != e.MinNumber || p.max != e.MaxNumber):
		say("it has the numbers %d to %d and should have %d to %d", p.min, p.max, e.MinNumber, e.MaxNumber)
	case !p.all.is(e.Rows, e.Root):
		say("its records do not have the root %s", e.Root)
	}
	if p.strays > 0 {
		say("it has %d rows that were in no file that it replaces, the first with number %d", p.strays, p.stray)
	}
	for i, of := range e.pieces {
		if !p.pieces[i].is(of.rows, of.root) {
			say("it does not hold the %d records of %s, which it replaces and digest %d added", of.rows, of.path, of.digest)
			continue
		}
		p.proven++
	}
	for i, of := range e.wholes {
		if !p.wholes[i].is(of.rows, of.root) {
			say("it does not hold the %d records of %s, which it replaces and digest %d added", of.rows, of.path, of.digest)
			continue
		}
		p.proven++
	}
}

// readRows calls fn with the number of each row and the digest of its record. Within a row group it goes by
// the numbers: rows may stand there in any order.
func readRows(ctx context.Context, r io.ReaderAt, size int64, fn func(number int64, sum record.Digest)) (err error) {
	defer func() {
		// The file is what was written, but a fault of whoever wrote it must not end us.
		if p := recover(); p != nil {
			err = fmt.Errorf("the Parquet reader gave up: %v", p)
		}
	}()
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	number, ok := f.Schema().Lookup("number")
	body, ok2 := f.Schema().Lookup("record")
	if !ok || !ok2 {
		return errors.New("it has no columns number and record")
	}
	for _, group := range f.RowGroups() {
		chunks := group.ColumnChunks()
		numbers, bodies := newColumn(chunks[number.ColumnIndex]), newColumn(chunks[body.ColumnIndex])
		rows, err := pair(ctx, numbers, bodies, group.NumRows())
		if err := errors.Join(err, numbers.close(), bodies.close()); err != nil {
			return err
		}
		slices.SortStableFunc(rows, func(a, b sumOf) int { return cmp.Compare(a.number, b.number) })
		for i := range rows {
			fn(rows[i].number, rows[i].sum)
		}
	}
	return nil
}

// sumOf is the digest of a record and the number of its row.
type sumOf struct {
	number int64
	sum    record.Digest
}

func pair(ctx context.Context, numbers, bodies *column, rows int64) (out []sumOf, err error) {
	for i := range rows {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n, err := numbers.next()
		if err != nil {
			return nil, fmt.Errorf("column number: %w", err)
		}
		b, err := bodies.next()
		if err != nil {
			return nil, fmt.Errorf("column record: %w", err)
		}
		out = append(out, sumOf{n.Int64(), record.Sum(b.ByteArray())})
	}
	return out, nil
}

// column reads the values of a column one by one.
type column struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    []parquet.Value
	left   []parquet.Value
}

func newColumn(c parquet.ColumnChunk) *column {
	return &column{pages: c.Pages(), buf: make([]parquet.Value, 256)}
}

// next returns the next value, which is valid until the next call.
func (c *column) next() (parquet.Value, error) {
	for len(c.left) == 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return parquet.Value{}, err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf)
		c.left = c.buf[:n]
		if err != nil && !errors.Is(err, io.EOF) {
			return parquet.Value{}, err
		}
		if n == 0 {
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		}
	}
	v := c.left[0]
	c.left = c.left[1:]
	return v, nil
}

func (c *column) close() error {
	if c.page != nil {
		parquet.Release(c.page)
	}
	return c.pages.Close()
}
