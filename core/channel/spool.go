package channel

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// buffered is how many bytes of records are held in memory at most, and memberBytes how many of one
	// file before they are compressed.
	buffered    = 16 << 20
	memberBytes = 1 << 20
	// maxFileBytes and maxFileRecords bound one file: its readers may take it into memory as a whole.
	maxFileBytes   = 100 << 20
	maxFileRecords = 50_000
)

// group is what one file is about. typ is set for history files only.
type group struct{ account, region, typ string }

// part is one file while it is written.
type part struct {
	number int
	name   string
	// first is the number of the first record; from and to are the earliest and the latest time.
	first    int64
	from, to time.Time
	count    int
	size     int64
	pending  []byte
}

// spool writes files of records to a folder, many at once. What is held back of a file is compressed as a
// member of its own, which gzip allows, so that one compressor does for all files.
type spool struct {
	dir string
	// head and tail stand around the records of a file.
	head func(g group) []byte
	tail []byte
	zip  *gzip.Writer
	// held is how many bytes all parts hold back.
	held  int
	open  map[group]*part
	order []group
	done  func(g group, p *part) error
	files int
}

func newSpool(dir string, head func(group) []byte, tail string, done func(group, *part) error) (*spool, error) {
	// What a run before left, which never became a plan, is of no use.
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("make room for new files: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for new files: %w", err)
	}
	return &spool{dir: dir, head: head, tail: []byte(tail), zip: gzip.NewWriter(io.Discard), open: map[group]*part{}, done: done}, nil
}

// touch opens the file of a group, even if nothing will stand in it.
func (s *spool) touch(g group) *part {
	if p := s.open[g]; p != nil {
		return p
	}
	p := &part{number: 1}
	s.begin(g, p)
	s.order = append(s.order, g)
	return p
}

func (s *spool) begin(g group, p *part) {
	s.files++
	p.name = fmt.Sprintf("%06d.json.gz", s.files)
	p.pending = append(p.pending, s.head(g)...)
	s.held += len(p.pending)
	s.open[g] = p
}

// add adds a record, which write appends, to the file of a group.
func (s *spool) add(g group, number int64, at time.Time, write func([]byte) ([]byte, error)) error {
	p := s.touch(g)
	if p.count >= maxFileRecords || p.size+int64(len(p.pending)) >= maxFileBytes {
		if err := s.close(g, p); err != nil {
			return err
		}
		p = &part{number: p.number + 1}
		s.begin(g, p)
	}
	before := len(p.pending)
	if p.count > 0 {
		p.pending = append(p.pending, ',')
	}
	var err error
	if p.pending, err = write(p.pending); err != nil {
		return err
	}
	s.held += len(p.pending) - before
	if p.count == 0 {
		p.first, p.from, p.to = number, at, at
	}
	p.count++
	if at.Before(p.from) {
		p.from = at
	}
	if at.After(p.to) {
		p.to = at
	}
	if len(p.pending) >= memberBytes {
		return s.flush(p)
	}
	for s.held >= buffered {
		largest := p
		for _, o := range s.open {
			if len(o.pending) > len(largest.pending) || len(o.pending) == len(largest.pending) && o.name < largest.name {
				largest = o
			}
		}
		if err := s.flush(largest); err != nil {
			return err
		}
	}
	return nil
}

// flush compresses what is held back of a part.
func (s *spool) flush(p *part) error {
	f, err := os.OpenFile(filepath.Join(s.dir, p.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write new file: %w", err)
	}
	s.zip.Reset(f)
	_, err = s.zip.Write(p.pending)
	if err = errors.Join(err, s.zip.Close(), f.Close()); err != nil {
		return fmt.Errorf("write new file: %w", err)
	}
	p.size += int64(len(p.pending))
	s.held -= len(p.pending)
	p.pending = nil
	return nil
}

// close ends a file.
func (s *spool) close(g group, p *part) error {
	p.pending = append(p.pending, s.tail...)
	s.held += len(s.tail)
	if err := s.flush(p); err != nil {
		return err
	}
	return s.done(g, p)
}

// finish ends all files.
func (s *spool) finish() error {
	for _, g := range s.order {
		if err := s.close(g, s.open[g]); err != nil {
			return err
		}
	}
	return syncFolder(s.dir)
}

// measure makes a file durable and returns its length and digest.
func measure(path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", fmt.Errorf("read new file: %w", err)
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, "", fmt.Errorf("read new file: %w", err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("write folder of new files: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write folder of new files: %w", err)
	}
	return nil
}
