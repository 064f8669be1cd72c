package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep the values of a record may be nested.
	MaxDepth = 64
	// MaxNumber is how many characters a number may have, and how large its exponent may be: beyond it
	// nobody can calculate with it, policies included.
	MaxNumber = 8192
)

// The errors that Canonical returns are all of these kinds; intake turns them into reasons.
var (
	errDepth    = fmt.Errorf("nested deeper than %d levels", MaxDepth)
	errTrailing = errors.New("more than one JSON value")
	errNumber   = fmt.Errorf("number has more than %d digits, or a larger exponent", MaxNumber)
	errEnd      = errors.New("ends in the middle of a value")
)

// Canonical returns the canonical form of the JSON value src in new memory. See Canon.Append.
func Canonical(src []byte) ([]byte, error) {
	var c Canon
	return c.Append(make([]byte, 0, len(src)), src)
}

// Canon makes canonical forms and keeps its working memory between calls. The zero value is ready.
// It is not safe for concurrent use.
//
// Objects are written to dst in the order they come; where that order turns out not to be sorted,
// the members' spans are permuted through scratch.
type Canon struct {
	src     []byte
	pos     int
	dst     []byte
	members []member
	scratch []byte
}

// Append appends the canonical form of the JSON value src to dst. It checks all that makes src a
// JSON text on the way: syntax, UTF-8, depth, and that no object names a member twice, which readers
// of JSON resolve differently and which would let a record show one thing to a policy and another to
// a person. dst must not overlap src. Errors name the byte offset.
func (c *Canon) Append(dst, src []byte) ([]byte, error) {
	c.src, c.dst, c.pos, c.members = src, dst, 0, c.members[:0]
	defer func() { c.src, c.dst = nil, nil }()
	c.space()
	if err := c.value(0); err != nil {
		return nil, fmt.Errorf("byte %d: %w", c.pos, err)
	}
	c.space()
	if c.pos != len(src) {
		return nil, fmt.Errorf("byte %d: %w", c.pos, errTrailing)
	}
	return c.dst, nil
}

// member is the span of one member of an object in dst: "name":value, without the comma.
type member struct {
	start, nameEnd, end int
}

func (c *Canon) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

func (c *Canon) value(depth int) error {
	if c.pos >= len(c.src) {
		return errEnd
	}
	switch b := c.src[c.pos]; b {
	case '{':
		return c.object(depth + 1)
	case '[':
		return c.array(depth + 1)
	case '"':
		return c.text()
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	default:
		if b == '-' || b >= '0' && b <= '9' {
			return c.number()
		}
		return fmt.Errorf("%q does not begin a value", b)
	}
}

func (c *Canon) literal(s string) error {
	if !bytes.HasPrefix(c.src[c.pos:], []byte(s)) {
		return fmt.Errorf("expected %s", s)
	}
	c.dst = append(c.dst, s...)
	c.pos += len(s)
	return nil
}

func (c *Canon) number() error {
	start := c.pos
	if c.src[c.pos] == '-' {
		c.pos++
	}
	switch {
	case c.pos >= len(c.src):
		return errEnd
	case c.src[c.pos] == '0':
		c.pos++
	case !c.digits():
		return errors.New("expected a digit")
	}
	if c.pos < len(c.src) && c.src[c.pos] == '.' {
		c.pos++
		if !c.digits() {
			return errors.New("expected a digit after the decimal point")
		}
	}
	if c.pos < len(c.src) && (c.src[c.pos] == 'e' || c.src[c.pos] == 'E') {
		c.pos++
		if c.pos < len(c.src) && (c.src[c.pos] == '+' || c.src[c.pos] == '-') {
			c.pos++
		}
		exponent := c.pos
		if !c.digits() {
			return errors.New("expected a digit in the exponent")
		}
		n, err := strconv.Atoi(string(c.src[exponent:c.pos]))
		if err != nil || n > MaxNumber {
			return errNumber
		}
	}
	if c.pos-start > MaxNumber {
		return errNumber
	}
	c.dst = append(c.dst, c.src[start:c.pos]...)
	return nil
}

func (c *Canon) digits() bool {
	start := c.pos
	for c.pos < len(c.src) && c.src[c.pos] >= '0' && c.src[c.pos] <= '9' {
		c.pos++
	}
	return c.pos > start
}

// plain marks the bytes that stand for themselves inside a string: neither a quote, nor a backslash,
// nor a control character. Bytes of multi-byte runes are plain too and are checked as a span.
var plain = func() (t [256]bool) {
	for i := range t {
		t[i] = i >= 0x20 && i != '"' && i != '\\'
	}
	return t
}()

// Each byte of these words holds the same.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special has the high bit set of the first byte of a word that is not plain, and of none before it. The
// high bits behind it mean nothing. It is zero where all are plain. (Mycroft's test for a zero byte, here
// on the word as it is for control characters, and on what a quote and a backslash leave of it.)
func special(w uint64) uint64 {
	quote, slash := w^'"'*ones, w^'\\'*ones
	return ((w-0x20*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// plainSpan returns where the plain bytes end that begin at i, and whether one of them is not ASCII.
func plainSpan(src []byte, i int) (end int, wide bool) {
	var high uint64
	for ; len(src)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(src[i:])
		if at := special(w); at != 0 {
			n := bits.TrailingZeros64(at) &^ 7
			return i + n/8, (high|w&(1<<n-1))&highs != 0
		}
		high |= w
	}
	for ; i < len(src) && plain[src[i]]; i++ {
		high |= uint64(src[i])
	}
	return i, high&highs != 0
}

func (c *Canon) text() error {
	c.pos++
	c.dst = append(c.dst, '"')
	for {
		start := c.pos
		var wide bool
		if c.pos, wide = plainSpan(c.src, start); wide && !utf8.Valid(c.src[start:c.pos]) {
			return errors.New("string is not UTF-8")
		}
		c.dst = append(c.dst, c.src[start:c.pos]...)
		if c.pos >= len(c.src) {
			return errEnd
		}
		switch c.src[c.pos] {
		case '"':
			c.pos++
			c.dst = append(c.dst, '"')
			return nil
		case '\\':
			if err := c.escape(); err != nil {
				return err
			}
		default:
			return errors.New("control character in a string")
		}
	}
}

func (c *Canon) escape() error {
	if c.pos+1 >= len(c.src) {
		return errEnd
	}
	b := c.src[c.pos+1]
	c.pos += 2
	switch b {
	case '"', '\\':
		c.dst = append(c.dst, '\\', b)
	case '/':
		c.dst = append(c.dst, '/')
	case 'b', 'f', 'n', 'r', 't':
		c.dst = append(c.dst, '\\', b)
	case 'u':
		r, err := c.hex()
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(r) {
			if c.pos+1 >= len(c.src) || c.src[c.pos] != '\\' || c.src[c.pos+1] != 'u' {
				return errors.New("lone surrogate in a string")
			}
			c.pos += 2
			low, err := c.hex()
			if err != nil {
				return err
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return errors.New("lone surrogate in a string")
			}
		}
		c.rune(r)
	default:
		return fmt.Errorf("unknown escape \\%c", b)
	}
	return nil
}

func (c *Canon) hex() (rune, error) {
	if c.pos+4 > len(c.src) {
		return 0, errEnd
	}
	var r rune
	for _, b := range c.src[c.pos : c.pos+4] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, errors.New("expected four hexadecimal digits")
		}
		r = r<<4 | rune(b)
	}
	c.pos += 4
	return r, nil
}

// rune writes a rune that was escaped in its shortest form.
func (c *Canon) rune(r rune) {
	const digits = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		c.dst = append(c.dst, '\\', byte(r))
	case r == '\b':
		c.dst = append(c.dst, '\\', 'b')
	case r == '\f':
		c.dst = append(c.dst, '\\', 'f')
	case r == '\n':
		c.dst = append(c.dst, '\\', 'n')
	case r == '\r':
		c.dst = append(c.dst, '\\', 'r')
	case r == '\t':
		c.dst = append(c.dst, '\\', 't')
	case r < 0x20:
		c.dst = append(c.dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&0xf])
	default:
		c.dst = utf8.AppendRune(c.dst, r)
	}
}

func (c *Canon) array(depth int) error {
	if depth > MaxDepth {
		return errDepth
	}
	c.pos++
	c.dst = append(c.dst, '[')
	c.space()
	if c.pos < len(c.src) && c.src[c.pos] == ']' {
		c.pos++
		c.dst = append(c.dst, ']')
		return nil
	}
	for {
		c.space()
		if err := c.value(depth); err != nil {
			return err
		}
		more, err := c.next(']')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// next reads the comma between two elements or the closing bracket, and writes it.
func (c *Canon) next(closing byte) (more bool, err error) {
	c.space()
	if c.pos >= len(c.src) {
		return false, errEnd
	}
	b := c.src[c.pos]
	if b != ',' && b != closing {
		return false, fmt.Errorf("expected ',' or %q, found %q", closing, b)
	}
	c.pos++
	c.dst = append(c.dst, b)
	return b == ',', nil
}

func (c *Canon) object(depth int) error {
	if depth > MaxDepth {
		return errDepth
	}
	c.pos++
	c.dst = append(c.dst, '{')
	c.space()
	if c.pos < len(c.src) && c.src[c.pos] == '}' {
		c.pos++
		c.dst = append(c.dst, '}')
		return nil
	}
	base := len(c.members)
	sorted := true
	for {
		c.space()
		if c.pos >= len(c.src) {
			return errEnd
		}
		if c.src[c.pos] != '"' {
			return fmt.Errorf("expected a member's name, found %q", c.src[c.pos])
		}
		m := member{start: len(c.dst)}
		if err := c.text(); err != nil {
			return err
		}
		m.nameEnd = len(c.dst)
		c.space()
		if c.pos >= len(c.src) {
			return errEnd
		}
		if c.src[c.pos] != ':' {
			return fmt.Errorf("expected ':' after a member's name, found %q", c.src[c.pos])
		}
		c.pos++
		c.dst = append(c.dst, ':')
		c.space()
		if err := c.value(depth); err != nil {
			return err
		}
		m.end = len(c.dst)
		if len(c.members) > base && sorted {
			sorted = c.compare(c.members[len(c.members)-1], m) < 0
		}
		c.members = append(c.members, m)
		more, err := c.next('}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if !sorted {
		if err := c.sort(c.members[base:]); err != nil {
			return err
		}
	}
	c.members = c.members[:base]
	return nil
}

// compare orders two members by name, without its closing quote so that a name sorts before its
// extensions.
func (c *Canon) compare(a, b member) int {
	return bytes.Compare(c.dst[a.start:a.nameEnd-1], c.dst[b.start:b.nameEnd-1])
}

func (c *Canon) sort(members []member) error {
	first, last := members[0].start, len(c.dst)-1
	slices.SortFunc(members, c.compare)
	for i := 1; i < len(members); i++ {
		if c.compare(members[i-1], members[i]) == 0 {
			return fmt.Errorf("member %s stands twice in one object", c.dst[members[i].start:members[i].nameEnd])
		}
	}
	c.scratch = append(c.scratch[:0], c.dst[first:last]...)
	out := c.dst[:first]
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, c.scratch[m.start-first:m.end-first]...)
	}
	c.dst = append(out, '}')
	return nil
}
