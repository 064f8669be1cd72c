package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"
)

// headBytes is how much of a file's beginning, and tailBytes how much before the place that was read to,
// tells it from another with the same inode.
const (
	headBytes = 256
	tailBytes = 256
)

// keepMissing is how long the progress of a file is kept that is not there: a folder may be unmounted or
// unreadable for a while.
const keepMissing = 24 * time.Hour

// cursor is how far each file was read.
type cursor struct {
	Files map[string]*progress `json:"files"`
}

// progress is how far one file was read.
type progress struct {
	// HeadSize and Head are the beginning of the file as it was when it was first seen.
	HeadSize int    `json:"headSize"`
	Head     string `json:"head"`
	// Records counts what was read. Lines is true where records stand at the top level, so that reading
	// goes on at Offset, in the line after Line.
	Records int64 `json:"records"`
	Lines   bool  `json:"lines,omitempty"`
	Offset  int64 `json:"offset,omitempty"`
	Line    int64 `json:"line,omitempty"`
	// Tail is what stands before Offset, nil where it is not known.
	Tail *tail `json:"tail,omitempty"`
	// Size and Modified are what the file had when it was last read, Done whether all of that was.
	Done     bool  `json:"done,omitempty"`
	Size     int64 `json:"size,omitempty"`
	Modified int64 `json:"modified,omitempty"`
	// Missing is since when the file is not there, in seconds since 1970.
	Missing int64 `json:"missing,omitempty"`
}

// tail tells what stands before a place in a file.
type tail struct {
	Size int    `json:"size"`
	Hash string `json:"hash"`
}

// tail returns the tail of a place that was just read to, what is known of it already where it was not,
// and nil where it is not at hand any more.
func (v *values) tail(p *progress) *tail {
	end := p.Offset - v.base
	if end <= 0 && p.Tail != nil {
		return p.Tail
	}
	if end <= 0 || end > int64(len(v.buf)) {
		return nil
	}
	b := v.buf[max(0, end-tailBytes):end]
	return &tail{len(b), headHash(b)}
}

// follows reports whether what was read of a file still stands before Offset.
func (p *progress) follows(f io.ReaderAt) bool {
	if p.Tail == nil {
		return true
	}
	b := make([]byte, p.Tail.Size)
	n, err := f.ReadAt(b, p.Offset-int64(len(b)))
	return n == len(b) && (err == nil || errors.Is(err, io.EOF)) && headHash(b) == p.Tail.Hash
}

// readCursor reads a cursor; one that is not readable means reading everything again, which is harmless.
func readCursor(b []byte) cursor {
	var c cursor
	if len(b) > 0 {
		// The daemon gives back what it was given.
		_ = json.Unmarshal(b, &c)
	}
	if c.Files == nil {
		c.Files = map[string]*progress{}
	}
	return c
}

func headHash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:8])
}

// find returns the progress of a file by what it is, wherever it has been moved to. A file whose
// beginning changed, or that is shorter than what was read of it, is another one.
func (c *cursor) find(info fs.FileInfo, head []byte) (*progress, string) {
	id := info.Name()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	p := c.Files[id]
	if p != nil {
		same := len(head) >= p.HeadSize && headHash(head[:p.HeadSize]) == p.Head && info.Size() >= p.Offset
		if same && p.HeadSize < len(head) {
			p.HeadSize, p.Head = len(head), headHash(head)
		}
		if !same {
			p = nil
		}
	}
	if p == nil {
		p = &progress{HeadSize: len(head), Head: headHash(head)}
		c.Files[id] = p
	}
	return p, id
}

// forget drops files that are gone for long, so that the cursor does not grow for ever. It reports whether
// it dropped any.
func (c *cursor) forget(present map[string]bool, now time.Time) (dropped bool) {
	for id, p := range c.Files {
		switch {
		case present[id]:
			p.Missing = 0
		case p.Missing == 0:
			p.Missing = now.Unix()
		case now.Sub(time.Unix(p.Missing, 0)) > keepMissing:
			delete(c.Files, id)
			dropped = true
		}
	}
	return dropped
}
