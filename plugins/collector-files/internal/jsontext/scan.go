package jsontext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep a value may be nested. It is one less than the daemon allows, because an
// event holds its record one level down.
const MaxDepth = 63

// ErrShort says that the bytes end in the middle of the value: there may be more to come.
var ErrShort = errors.New("ends in the middle of a value")

// SyntaxError says why bytes are not JSON.
type SyntaxError struct {
	// At is the offset of the byte that does not fit.
	At     int
	Reason string
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Reason }

func wrong(at int, format string, args ...any) error {
	return &SyntaxError{At: at, Reason: fmt.Sprintf(format, args...)}
}

// Scan checks the value at the start of b and returns the offset after it. A number at the end of b is
// taken to end there. lines reports whether the value
// holds line breaks, which in a valid value stand between its tokens.
//
// Besides the grammar it checks what the daemon would refuse: that strings are UTF-8 without lone
// surrogates, and the depth.
func Scan(b []byte) (n int, lines bool, err error) {
	s := scanner{b: b}
	n, err = s.value()
	return n, s.lines, err
}

// ScanUntilList is Scan for an object that may be no record but the wrapping around a list of them.
// Where a member of the object is named as list says and holds an array, it stops and returns the
// offset of the array's bracket with found set; everything before has been checked then.
func ScanUntilList(b []byte, list func(name []byte) bool) (n int, lines, found bool, err error) {
	s := scanner{b: b, list: list}
	n, err = s.value()
	return n, s.lines, s.found, err
}

// ScanMember checks one member of an object, its name at the start of b, and returns the offset after
// its value; or that of the bracket of an array that list asks for, with found set.
func ScanMember(b []byte, list func(name []byte) bool) (n int, found bool, err error) {
	s := scanner{b: b}
	i := s.space(0)
	if i >= len(b) {
		return i, false, ErrShort
	}
	if b[i] != '"' {
		return i, false, wrong(i, "expected a member's name, found %s", show(b[i]))
	}
	name := i + 1
	if i, err = text(b, name); err != nil {
		return i, false, err
	}
	end := i - 1
	if i = s.space(i); i >= len(b) {
		return i, false, ErrShort
	}
	if b[i] != ':' {
		return i, false, wrong(i, "expected ':' after a member's name, found %s", show(b[i]))
	}
	if i = s.space(i + 1); i >= len(b) {
		return i, false, ErrShort
	}
	if b[i] == '[' && list(b[name:end]) {
		return i, true, nil
	}
	n, _, err = Scan(b[i:])
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.At += i
	}
	return i + n, false, err
}

type scanner struct {
	b     []byte
	list  func(name []byte) bool
	lines bool
	found bool
}

// value is one loop instead of functions that call each other: objects holds one bit for each level
// that is open, set where it is an object.
func (s *scanner) value() (int, error) {
	b := s.b
	var objects uint64
	depth, i := 0, 0
	var err error
value:
	if i = s.space(i); i >= len(b) {
		return i, ErrShort
	}
	switch c := b[i]; c {
	case '{', '[':
		if depth == MaxDepth {
			return i, wrong(i, "nested deeper than %d levels", MaxDepth)
		}
		depth++
		objects <<= 1
		if i = s.space(i + 1); i >= len(b) {
			return i, ErrShort
		}
		if c == '[' {
			if b[i] == ']' {
				i++
				goto closed
			}
			goto value
		}
		objects |= 1
		if b[i] == '}' {
			i++
			goto closed
		}
		goto member
	case '"':
		if i, err = text(b, i+1); err != nil {
			return i, err
		}
	case 't':
		i, err = literal(b, i, "true")
	case 'f':
		i, err = literal(b, i, "false")
	case 'n':
		i, err = literal(b, i, "null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return i, wrong(i, "%s does not begin a value", show(c))
		}
		i, err = number(b, i)
	}
	if err != nil {
		return i, err
	}
	if depth == 0 {
		return i, nil
	}
after:
	if i = s.space(i); i >= len(b) {
		return i, ErrShort
	}
	if objects&1 == 1 {
		switch b[i] {
		case ',':
			if i = s.space(i + 1); i >= len(b) {
				return i, ErrShort
			}
			goto member
		case '}':
			i++
			goto closed
		}
		return i, wrong(i, "expected ',' or '}' after a member, found %s", show(b[i]))
	}
	switch b[i] {
	case ',':
		i++
		goto value
	case ']':
		i++
		goto closed
	}
	return i, wrong(i, "expected ',' or ']' after an element, found %s", show(b[i]))
member:
	{
		if b[i] != '"' {
			return i, wrong(i, "expected a member's name, found %s", show(b[i]))
		}
		name := i + 1
		if i, err = text(b, name); err != nil {
			return i, err
		}
		nameEnd := i - 1
		if i = s.space(i); i >= len(b) {
			return i, ErrShort
		}
		if b[i] != ':' {
			return i, wrong(i, "expected ':' after a member's name, found %s", show(b[i]))
		}
		i++
		if depth == 1 && s.list != nil {
			if i = s.space(i); i >= len(b) {
				return i, ErrShort
			}
			if b[i] == '[' && s.list(b[name:nameEnd]) {
				s.found = true
				return i, nil
			}
		}
		goto value
	}
closed:
	depth--
	objects >>= 1
	if depth == 0 {
		return i, nil
	}
	goto after
}

func (s *scanner) space(i int) int {
	b := s.b
	for i < len(b) {
		switch b[i] {
		case '\n', '\r':
			s.lines = true
		case ' ', '\t':
		default:
			return i
		}
		i++
	}
	return i
}

func literal(b []byte, i int, want string) (int, error) {
	for j := range len(want) {
		if i+j >= len(b) {
			return i, ErrShort
		}
		if b[i+j] != want[j] {
			return i, wrong(i+j, "expected %s", want)
		}
	}
	return i + len(want), nil
}

func number(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	digits := func() bool {
		start := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > start
	}
	switch {
	case i >= len(b):
		return i, ErrShort
	case b[i] == '0':
		i++
	case !digits():
		return i, wrong(i, "expected a digit, found %s", show(b[i]))
	}
	if i < len(b) && b[i] == '.' {
		if i++; i >= len(b) {
			return i, ErrShort
		}
		if !digits() {
			return i, wrong(i, "expected a digit after the decimal point, found %s", show(b[i]))
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) {
			return i, ErrShort
		}
		if !digits() {
			return i, wrong(i, "expected a digit in the exponent, found %s", show(b[i]))
		}
	}
	return i, nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text checks the string whose first byte after the quote stands at i, and returns the offset after
// its closing quote. Eight bytes are looked at together: the lowest bit of marked is exact, those
// above it need not be.
func text(b []byte, i int) (int, error) {
	start, beyond := i, false
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote := x ^ (ones * '"')
			slash := x ^ (ones * '\\')
			marked := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((x - ones*0x20) &^ x) | x
			if marked &= highs; marked == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marked) / 8
			break
		}
		if i >= len(b) {
			return i, ErrShort
		}
		switch c := b[i]; {
		case c == '"':
			if beyond && !utf8.Valid(b[start:i]) {
				return i, wrong(start+firstInvalid(b[start:i]), "string is not UTF-8")
			}
			return i + 1, nil
		case c == '\\':
			var err error
			if i, err = escape(b, i+1); err != nil {
				return i, err
			}
		case c < 0x20:
			return i, wrong(i, "control character %s in a string", show(c))
		case c >= utf8.RuneSelf:
			beyond = true
			for i < len(b) && b[i] >= utf8.RuneSelf {
				i++
			}
		default:
			i++
		}
	}
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// escape checks an escape whose byte after the backslash stands at i.
func escape(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, ErrShort
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
	default:
		return i, wrong(i, "unknown escape \\%s", show(b[i]))
	}
	r, err := hex4(b, i+1)
	if err != nil {
		return i, err
	}
	i += 5
	if r < 0xd800 || r > 0xdfff {
		return i, nil
	}
	if r >= 0xdc00 {
		return i, wrong(i-5, "lone surrogate in a string")
	}
	switch {
	case i < len(b) && b[i] != '\\' || i+1 < len(b) && b[i+1] != 'u':
		return i, wrong(i, "lone surrogate in a string")
	case i+1 >= len(b):
		return i, ErrShort
	}
	low, err := hex4(b, i+2)
	if err != nil {
		return i, err
	}
	if low < 0xdc00 || low > 0xdfff {
		return i, wrong(i, "lone surrogate in a string")
	}
	return i + 6, nil
}

func hex4(b []byte, i int) (rune, error) {
	var r rune
	for j := i; j < i+4; j++ {
		if j >= len(b) {
			return 0, ErrShort
		}
		c := b[j]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, wrong(j, "expected four hexadecimal digits, found %s", show(c))
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

func show(c byte) string {
	if c < 0x20 || c >= 0x7f {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("'%c'", c)
}
