package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"syscall"
)

// headBytes is how much of a file's beginning tells it from another with the same inode.
const headBytes = 256

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
	// Done is true where everything was read while the file had this size and time.
	Done     bool  `json:"done,omitempty"`
	Size     int64 `json:"size,omitempty"`
	Modified int64 `json:"modified,omitempty"`
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

// forget drops files that are gone, so that the cursor does not grow for ever.
func (c *cursor) forget(present map[string]bool) (n int) {
	for id := range c.Files {
		if !present[id] {
			delete(c.Files, id)
			n++
		}
	}
	return n
}
