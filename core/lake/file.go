package lake

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
)

const (
	// groupRows and groupBytes are how many rows, and bytes of their records, a row group has at most: what a
	// look-up that cannot rule a group out scans, and what a reader of clustered rows holds.
	groupRows  = 1 << 15
	groupBytes = 64 << 20
	// pageBytes is the size of a page before it is compressed: what reading one record unpacks. Of what
	// records repeat, zstd finds only what stands in the same page, so that it matters which stand together.
	pageBytes = 2 << 20
	// dictionaryBytes is the size from which a column's dictionary is given up.
	dictionaryBytes = 1 << 20
	// bloomBits is how many bits a filter takes for each value: one group in a hundred is scanned in vain.
	bloomBits = 10
)

// byNumber is the column by which rows are sorted that are not clustered.
const byNumber = "number"

// How files are compressed: quickly while records come in, well when they are put together.
var (
	drained   = &zstd.Codec{Level: zstd.SpeedFastest}
	compacted = &zstd.Codec{Level: zstd.SpeedBetterCompression}
)

// fileWriter writes one file of a table, whose rows must come in the order of their numbers.
type fileWriter[T any] struct {
	k    *kind[T]
	f    *os.File
	buf  *bufio.Writer
	sum  hash.Hash
	w    *parquet.GenericWriter[T]
	root rooter
	info manifest.File
	size int64
	// group are the rows of the row group under way, and grouped the bytes of their records, where rows are
	// clustered.
	group   []T
	grouped int
}

// plain is a kind whose rows are written in the order of their numbers, for reading them once.
func (k *kind[T]) plain() *kind[T] { return &kind[T]{name: k.name, head: k.head} }

// create begins a file at a local path.
func (k *kind[T]) create(path string, codec *zstd.Codec) (*fileWriter[T], error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", k.name, err)
	}
	w := &fileWriter[T]{k: k, f: f, buf: bufio.NewWriterSize(f, 1<<20), sum: sha256.New()}
	w.w = parquet.NewGenericWriter[T](io.MultiWriter(w.buf, w.sum, (*counter)(&w.size)), k.writerOptions(codec)...)
	w.info.Table = k.name
	return w, nil
}

// writerOptions are how files of a kind are written.
func (k *kind[T]) writerOptions(codec *zstd.Codec) []parquet.WriterOption {
	var blooms []parquet.BloomFilterColumn
	for _, path := range k.blooms {
		blooms = append(blooms, parquet.SplitBlockFilter(bloomBits, path...))
	}
	var sorting []parquet.SortingColumn
	if k.cluster == nil {
		sorting = append(sorting, parquet.Ascending(byNumber))
	}
	return []parquet.WriterOption{
		parquet.Compression(codec), parquet.MaxRowsPerRowGroup(groupRows), parquet.PageBufferSize(pageBytes),
		parquet.DictionaryMaxBytes(dictionaryBytes), parquet.BloomFilters(blooms...), parquet.CreatedBy("regent", "1", "lake"),
		parquet.SkipPageBounds("record"), parquet.DataPageStatistics(false),
		parquet.SortingWriterConfig(parquet.SortingColumns(sorting...)),
	}
}

// write appends rows. They belong to the writer until it is closed, but for the slice itself.
func (w *fileWriter[T]) write(rows []T) error {
	for i := range rows {
		h := w.k.head(&rows[i])
		n := &w.info
		at, received := time.UnixMicro(h.time).UTC(), time.UnixMicro(h.received).UTC()
		if n.Rows == 0 {
			n.MinNumber, n.MinTime, n.MaxTime, n.MinReceived, n.MaxReceived = h.number, at, at, received, received
		} else if h.number <= n.MaxNumber {
			return fmt.Errorf("write %s: row %d comes after %d", w.k.name, h.number, n.MaxNumber)
		}
		n.Rows++
		n.MaxNumber = h.number
		if at.Before(n.MinTime) {
			n.MinTime = at
		}
		if at.After(n.MaxTime) {
			n.MaxTime = at
		}
		if received.Before(n.MinReceived) {
			n.MinReceived = received
		}
		if received.After(n.MaxReceived) {
			n.MaxReceived = received
		}
		w.root.add(h.record)
		if w.k.cluster != nil {
			if len(w.group) == groupRows || len(w.group) > 0 && w.grouped+len(h.record) > groupBytes {
				if err := w.endGroup(); err != nil {
					return err
				}
			}
			w.group = append(w.group, rows[i])
			w.grouped += len(h.record)
		}
	}
	if w.k.cluster != nil {
		return nil
	}
	if _, err := w.w.Write(rows); err != nil {
		return fmt.Errorf("write %s: %w", w.k.name, err)
	}
	return nil
}

// endGroup writes the rows of a row group, those that are alike beside each other where that pays.
func (w *fileWriter[T]) endGroup() error {
	page := make([]T, 0, min(len(w.group), writeTogether))
	for chunk := range slices.Chunk(w.k.clustered(w.group), writeTogether) {
		page = page[:0]
		for _, i := range chunk {
			page = append(page, w.group[i])
		}
		if _, err := w.w.Write(page); err != nil {
			return fmt.Errorf("write %s: %w", w.k.name, err)
		}
	}
	if err := w.w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", w.k.name, err)
	}
	clear(w.group)
	w.group, w.grouped = w.group[:0], 0
	return nil
}

// close makes the file durable and says what is in it.
func (w *fileWriter[T]) close() (manifest.File, error) {
	var err error
	if len(w.group) > 0 {
		err = w.endGroup()
	}
	if closeErr := w.w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.f.Sync()
	}
	if closeErr := w.f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return manifest.File{}, fmt.Errorf("write %s: %w", w.k.name, err)
	}
	w.info.Root = w.root.sum()
	w.info.Bytes = w.size
	w.sum.Sum(w.info.SHA256[:0])
	return w.info, nil
}

// fill writes the rows that from puts, and closes the file; after a failure there is none.
func (w *fileWriter[T]) fill(from func(put func(*T) error) error) (manifest.File, error) {
	page := make([]T, 0, writeTogether)
	err := from(func(row *T) error {
		if page = append(page, *row); len(page) < cap(page) {
			return nil
		}
		err := w.write(page)
		page = page[:0]
		return err
	})
	if err == nil && len(page) > 0 {
		err = w.write(page)
	}
	if err != nil {
		w.abandon()
		return manifest.File{}, err
	}
	return w.close()
}

// abandon ends a file that is of no use.
func (w *fileWriter[T]) abandon() {
	_ = w.f.Close()
	_ = os.Remove(w.f.Name())
}

// rooter computes a root: SHA-256 over the SHA-256 of each record, in the order of the numbers.
type rooter struct{ h hash.Hash }

func (r *rooter) add(body []byte) {
	if r.h == nil {
		r.h = sha256.New()
	}
	sum := sha256.Sum256(body)
	r.h.Write(sum[:])
}

func (r *rooter) sum() (d record.Digest) {
	if r.h == nil {
		return record.Sum(nil)
	}
	r.h.Sum(d[:0])
	return d
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
