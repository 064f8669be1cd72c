package policy

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxParseDepth bounds how deep a document may be nested. Intake refuses records long before.
const maxParseDepth = 512

// The errors of Parse.
var (
	errUnexpectedEnd = errors.New("ends in the middle of a value")
	errTooDeepJSON   = fmt.Errorf("nested deeper than %d levels", maxParseDepth)
	errTrailing      = errors.New("more than one value")
)

// Parse parses a JSON document. Numbers keep their literal, however large. Of members with the same
// name the last one counts; bytes that are no UTF-8 become U+FFFD. The Value does not refer to body.
//
// It goes straight to OPA's values: by way of encoding/json and an interface{} it takes four times as
// long, and every record is parsed.
func Parse(body []byte) (*Value, error) {
	p := jsonParser{src: body}
	p.space()
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.at != len(body) {
			err = errTrailing
		}
	}
	if err != nil {
		return nil, fmt.Errorf("parse JSON: byte %d: %w", p.at, err)
	}
	return &Value{v: v}, nil
}

type jsonParser struct {
	src []byte
	at  int
	// pairs and terms are stacks for the objects and arrays that are being read.
	pairs [][2]*ast.Term
	terms []*ast.Term
	text  []byte
}

func (p *jsonParser) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (ast.Value, error) {
	if p.at >= len(p.src) {
		return nil, errUnexpectedEnd
	}
	if depth > maxParseDepth {
		return nil, errTooDeepJSON
	}
	switch b := p.src[p.at]; {
	case b == '{':
		return p.object(depth)
	case b == '[':
		return p.array(depth)
	case b == '"':
		s, err := p.string()
		return ast.String(s), err
	case b == '-' || '0' <= b && b <= '9':
		return p.number()
	case b == 't':
		return ast.Boolean(true), p.literal("true")
	case b == 'f':
		return ast.Boolean(false), p.literal("false")
	case b == 'n':
		return ast.NullValue, p.literal("null")
	default:
		return nil, unexpected(b)
	}
}

func unexpected(b byte) error { return fmt.Errorf("unexpected %q", b) }

func (p *jsonParser) literal(s string) error {
	for i := range len(s) {
		if p.at >= len(p.src) {
			return errUnexpectedEnd
		}
		if p.src[p.at] != s[i] {
			return unexpected(p.src[p.at])
		}
		p.at++
	}
	return nil
}

// term wraps a value; the scalars that OPA keeps one term of come from there.
func (p *jsonParser) term(depth int) (*ast.Term, error) {
	if p.at < len(p.src) {
		switch p.src[p.at] {
		case 't':
			return ast.InternedTerm(true), p.literal("true")
		case 'f':
			return ast.InternedTerm(false), p.literal("false")
		case 'n':
			return ast.InternedNullTerm, p.literal("null")
		case '"':
			s, err := p.string()
			if err != nil {
				return nil, err
			}
			return ast.InternedTerm(s), nil
		}
	}
	v, err := p.value(depth)
	if err != nil {
		return nil, err
	}
	return &ast.Term{Value: v}, nil
}

func (p *jsonParser) object(depth int) (ast.Value, error) {
	p.at++
	start := len(p.pairs)
	// Records come in canonical form, members sorted; then none stands twice.
	rising, last := true, ""
	for first := true; ; first = false {
		p.space()
		more, err := p.next('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if p.at >= len(p.src) {
			return nil, errUnexpectedEnd
		}
		if p.src[p.at] != '"' {
			return nil, unexpected(p.src[p.at])
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		rising = rising && (first || last < name)
		last = name
		p.space()
		if p.at >= len(p.src) {
			return nil, errUnexpectedEnd
		}
		if p.src[p.at] != ':' {
			return nil, unexpected(p.src[p.at])
		}
		p.at++
		p.space()
		v, err := p.term(depth + 1)
		if err != nil {
			return nil, err
		}
		p.pairs = append(p.pairs, [2]*ast.Term{ast.InternedTerm(name), v})
	}
	members := p.pairs[start:]
	if !rising {
		members = lastOfEach(members)
	}
	o := ast.NewObject(members...)
	p.pairs = p.pairs[:start]
	return o, nil
}

// lastOfEach drops members that come again under the same name. NewObject would keep both.
func lastOfEach(members [][2]*ast.Term) [][2]*ast.Term {
	at := make(map[ast.Value]int, len(members))
	out := members[:0]
	for _, m := range members {
		if i, twice := at[m[0].Value]; twice {
			out[i] = m
			continue
		}
		at[m[0].Value] = len(out)
		out = append(out, m)
	}
	return out
}

func (p *jsonParser) array(depth int) (ast.Value, error) {
	p.at++
	start := len(p.terms)
	for first := true; ; first = false {
		p.space()
		more, err := p.next(']', first)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		t, err := p.term(depth + 1)
		if err != nil {
			return nil, err
		}
		p.terms = append(p.terms, t)
	}
	// OPA keeps the slice that it is given.
	a := ast.NewArray(append([]*ast.Term(nil), p.terms[start:]...)...)
	p.terms = p.terms[:start]
	return a, nil
}

// next steps over what stands between members and reports whether there is another one.
func (p *jsonParser) next(closing byte, first bool) (bool, error) {
	switch {
	case p.at >= len(p.src):
		return false, errUnexpectedEnd
	case p.src[p.at] == closing:
		p.at++
		return false, nil
	case first:
		return true, nil
	case p.src[p.at] != ',':
		return false, unexpected(p.src[p.at])
	}
	p.at++
	p.space()
	return true, nil
}

func (p *jsonParser) number() (ast.Value, error) {
	start := p.at
	if p.src[p.at] == '-' {
		p.at++
	}
	switch {
	case p.at < len(p.src) && p.src[p.at] == '0':
		p.at++
	default:
		if err := p.digits(); err != nil {
			return nil, err
		}
	}
	if p.at < len(p.src) && p.src[p.at] == '.' {
		p.at++
		if err := p.digits(); err != nil {
			return nil, err
		}
	}
	if p.at < len(p.src) && (p.src[p.at] == 'e' || p.src[p.at] == 'E') {
		p.at++
		if p.at < len(p.src) && (p.src[p.at] == '+' || p.src[p.at] == '-') {
			p.at++
		}
		if err := p.digits(); err != nil {
			return nil, err
		}
	}
	// OPA refuses numbers that would take it forever to calculate with.
	literal := string(p.src[start:p.at])
	if t := ast.InternedIntNumberTermFromString(literal); t != nil {
		return t.Value, nil
	}
	return ast.NumberChecked(literal)
}

func (p *jsonParser) digits() error {
	start := p.at
	for p.at < len(p.src) && '0' <= p.src[p.at] && p.src[p.at] <= '9' {
		p.at++
	}
	switch {
	case p.at > start:
		return nil
	case p.at >= len(p.src):
		return errUnexpectedEnd
	}
	return unexpected(p.src[p.at])
}

func (p *jsonParser) string() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.src) {
		switch b := p.src[p.at]; {
		case b == '"':
			s := string(p.src[start:p.at])
			p.at++
			return s, nil
		case b == '\\' || b >= utf8.RuneSelf:
			return p.slowString(start)
		case b < ' ':
			return "", unexpected(b)
		}
		p.at++
	}
	return "", errUnexpectedEnd
}

// slowString reads a string with escapes or letters beyond ASCII.
func (p *jsonParser) slowString(start int) (string, error) {
	buf := append(p.text[:0], p.src[start:p.at]...)
	for p.at < len(p.src) {
		switch b := p.src[p.at]; {
		case b == '"':
			p.at++
			p.text = buf
			return string(buf), nil
		case b < ' ':
			return "", unexpected(b)
		case b == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		default:
			r, n := utf8.DecodeRune(p.src[p.at:])
			buf = utf8.AppendRune(buf, r)
			p.at += n
		}
	}
	return "", errUnexpectedEnd
}

func (p *jsonParser) escape() (rune, error) {
	if p.at+1 >= len(p.src) {
		p.at = len(p.src)
		return 0, errUnexpectedEnd
	}
	p.at++
	b := p.src[p.at]
	p.at++
	switch b {
	case '"', '\\', '/':
		return rune(b), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := p.hex()
		if err != nil {
			return 0, err
		}
		if utf16.IsSurrogate(r) {
			// The other half may follow; a half alone is no letter.
			if at := p.at; at+1 < len(p.src) && p.src[at] == '\\' && p.src[at+1] == 'u' {
				p.at += 2
				low, err := p.hex()
				if err != nil {
					return 0, err
				}
				if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
					return whole, nil
				}
				p.at = at
			}
			return utf8.RuneError, nil
		}
		return r, nil
	}
	p.at--
	return 0, unexpected(b)
}

func (p *jsonParser) hex() (rune, error) {
	if p.at+4 > len(p.src) {
		p.at = len(p.src)
		return 0, errUnexpectedEnd
	}
	n, err := strconv.ParseUint(string(p.src[p.at:p.at+4]), 16, 16)
	if err != nil || p.src[p.at] == '+' {
		return 0, unexpected(p.src[p.at])
	}
	p.at += 4
	return rune(n), nil
}
