package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/regent-dev/regent/core/record"
)

// Op is one operation of a JSON Patch (RFC 6902), with the value that was there before beside it.
type Op struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
	// Old is an addition to the RFC: what remove and replace take away. Appliers leave it alone.
	Old json.RawMessage `json:"old,omitempty"`
}

// Diff returns the patch that makes b of a, nil where they say the same. Values are compared, and stand
// in the patch, in canonical form: the order of members does not count, and numbers are the same only
// if their literals are. In arrays it finds the longest common subsequence; what lies between is
// changed in place as far as it has partners.
func Diff(a, b []byte) ([]Op, error) {
	x, err := record.Canonical(a)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	y, err := record.Canonical(b)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	var d differ
	d.value(x, y)
	return d.ops, nil
}

// differ gathers operations. path is the pointer to what is being compared.
type differ struct {
	ops  []Op
	path []byte
}

func (d *differ) add(op string, value, old []byte) {
	d.ops = append(d.ops, Op{Op: op, Path: string(d.path), Value: value, Old: old})
}

// in runs fn with a token at the end of the path.
func (d *differ) in(token string, fn func()) {
	n := len(d.path)
	d.path = append(append(d.path, '/'), token...)
	fn()
	d.path = d.path[:n]
}

func (d *differ) value(a, b []byte) {
	switch {
	case bytes.Equal(a, b):
	case a[0] == '{' && b[0] == '{':
		d.object(a, b)
	case a[0] == '[' && b[0] == '[':
		d.array(split(a), split(b))
	default:
		d.add("replace", b, a)
	}
}

func (d *differ) object(a, b []byte) {
	x, y := split(a), split(b)
	for len(x) > 0 || len(y) > 0 {
		// Members are sorted by name, so that the lists can be merged.
		var order int
		var nameX, nameY, valueX, valueY []byte
		switch {
		case len(x) == 0:
			order = 1
		case len(y) == 0:
			order = -1
		}
		if len(x) > 0 {
			nameX, valueX = member(x[0])
		}
		if len(y) > 0 {
			nameY, valueY = member(y[0])
		}
		if order == 0 {
			order = bytes.Compare(nameX[:len(nameX)-1], nameY[:len(nameY)-1])
		}
		switch {
		case order < 0:
			d.in(pointerToken(nameX), func() { d.add("remove", nil, valueX) })
			x = x[1:]
		case order > 0:
			d.in(pointerToken(nameY), func() { d.add("add", valueY, nil) })
			y = y[1:]
		default:
			d.in(pointerToken(nameX), func() { d.value(valueX, valueY) })
			x, y = x[1:], y[1:]
		}
	}
}

// array compares two lists of elements. The operations are to be applied one after the other: at is
// the index that an element has by then.
func (d *differ) array(a, b [][]byte) {
	at := 0
	for _, run := range align(a, b) {
		for len(run.a) > 0 && len(run.b) > 0 {
			d.in(strconv.Itoa(at), func() { d.value(run.a[0], run.b[0]) })
			run.a, run.b = run.a[1:], run.b[1:]
			at++
		}
		for _, old := range run.a {
			d.in(strconv.Itoa(at), func() { d.add("remove", nil, old) })
		}
		for _, value := range run.b {
			d.in(strconv.Itoa(at), func() { d.add("add", value, nil) })
			at++
		}
		at += run.common
	}
}

// run is a stretch of two arrays in which they differ, and how many common elements follow it.
type run struct {
	a, b   [][]byte
	common int
}

// maxTable bounds the table of align. Beyond it, which takes two arrays of a thousand elements that
// differ at both ends, only what stands at the ends is found to be common.
const maxTable = 1 << 20

// align finds the longest common subsequence of two arrays.
func align(a, b [][]byte) []run {
	front := 0
	for front < len(a) && front < len(b) && bytes.Equal(a[front], b[front]) {
		front++
	}
	back := 0
	for back < len(a)-front && back < len(b)-front && bytes.Equal(a[len(a)-1-back], b[len(b)-1-back]) {
		back++
	}
	runs := []run{{common: front}}
	a, b = a[front:len(a)-back], b[front:len(b)-back]
	if len(a)*len(b) > maxTable {
		return append(runs, run{a, b, back})
	}
	// longest[i][j] is the length for a[i:] and b[j:].
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if bytes.Equal(a[i], b[j]) {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		var r run
		startA, startB := i, j
		for i < len(a) && j < len(b) && !bytes.Equal(a[i], b[j]) {
			if longest[(i+1)*width+j] >= longest[i*width+j+1] {
				i++
			} else {
				j++
			}
		}
		if i == len(a) || j == len(b) {
			i, j = len(a), len(b)
		}
		r.a, r.b = a[startA:i], b[startB:j]
		for i < len(a) && j < len(b) && bytes.Equal(a[i], b[j]) {
			i, j = i+1, j+1
			r.common++
		}
		runs = append(runs, r)
	}
	return append(runs, run{common: back})
}

// split returns the elements of an array or the members of an object, which must be in canonical form.
func split(v []byte) [][]byte {
	var out [][]byte
	depth, start, text := 0, 1, false
	for i := 1; i < len(v); i++ {
		switch c := v[i]; {
		case text:
			switch c {
			case '\\':
				i++
			case '"':
				text = false
			}
		case c == '"':
			text = true
		case c == '{' || c == '[':
			depth++
		case depth > 0:
			if c == '}' || c == ']' {
				depth--
			}
		case c == ',' || c == '}' || c == ']':
			if i > start {
				out = append(out, v[start:i:i])
			}
			start = i + 1
		}
	}
	return out
}

// member parts a member into its name, in its quotes, and its value.
func member(m []byte) (name, value []byte) {
	for i := 1; ; i++ {
		switch m[i] {
		case '\\':
			i++
		case '"':
			return m[:i+1], m[i+2:]
		}
	}
}

// pointerToken writes a member's name as it stands in a JSON pointer.
func pointerToken(name []byte) string {
	var s string
	if bytes.IndexByte(name, '\\') < 0 {
		s = string(name[1 : len(name)-1])
	} else if err := json.Unmarshal(name, &s); err != nil {
		// Canonical has checked it.
		s = string(name)
	}
	if !strings.ContainsAny(s, "~/") {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}
