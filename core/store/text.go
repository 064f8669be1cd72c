package store

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Text finds a text in records, whatever the case of its letters. Making the records lower case to look for it
// would take longer than all else that a search does. The zero Text is found everywhere.
type Text struct {
	folded []byte
	// rare is where in the text a byte stands that records have seldom, in which of its cases.
	rare         int
	lower, upper byte
	// ascii is false where the case of letters is more than a bit.
	ascii bool
}

// often are the bytes that records have often, the most frequent last.
const often = `zqj%xkv_bpywg()f@muhdcl7896543/ 2r1-0oisnta:.e,"`

// NewText prepares the search for a text.
func NewText(s string) Text {
	t := Text{folded: []byte(strings.ToLower(s)), ascii: true}
	best := len(often) + 1
	for i, c := range t.folded {
		t.ascii = t.ascii && c < utf8.RuneSelf
		if n := strings.IndexByte(often, c); n < best {
			best, t.rare = n, i
		}
	}
	if len(t.folded) > 0 {
		t.lower = t.folded[t.rare]
		t.upper = t.lower
		if 'a' <= t.lower && t.lower <= 'z' {
			t.upper -= 'a' - 'A'
		}
	}
	return t
}

// In reports whether the text stands in a record.
func (t *Text) In(b []byte) bool {
	switch {
	case len(t.folded) == 0:
		return true
	case !t.ascii:
		return bytes.Contains(bytes.ToLower(b), t.folded)
	case len(b) < len(t.folded):
		return false
	}
	// A place in window is where the text begins whose rare byte stands there.
	window := b[t.rare : len(b)-len(t.folded)+t.rare+1]
	lower, upper := next(window, t.lower, 0), len(window)
	if t.upper != t.lower {
		upper = next(window, t.upper, 0)
	}
	for {
		at := min(lower, upper)
		if at == len(window) {
			return false
		}
		if t.is(b[at:]) {
			return true
		}
		if at == lower {
			lower = next(window, t.lower, at+1)
		} else {
			upper = next(window, t.upper, at+1)
		}
	}
}

// next returns where a byte stands from a place on, the length where it does not.
func next(b []byte, c byte, from int) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// is reports whether bytes begin with the text.
func (t *Text) is(b []byte) bool {
	for i, c := range t.folded {
		have := b[i]
		if 'A' <= have && have <= 'Z' {
			have += 'a' - 'A'
		}
		if have != c {
			return false
		}
	}
	return true
}
