package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Value is a parsed JSON document. It is immutable and safe to share between policies and goroutines.
type Value struct {
	v ast.Value
}

// String returns the document as JSON in canonical form.
func (v *Value) String() string {
	b, err := appendJSON(nil, v.ast(), 1<<30)
	if err != nil {
		return "null"
	}
	return string(b)
}

// ast is the value that OPA sees; nil is null.
func (v *Value) ast() ast.Value {
	if v == nil || v.v == nil {
		return ast.NullValue
	}
	return v.v
}

// terms makes terms of the tokens of a JSON pointer.
func terms(tokens []string) []*ast.Term {
	out := make([]*ast.Term, len(tokens))
	for i, t := range tokens {
		out[i] = ast.StringTerm(t)
	}
	return out
}

// at follows the tokens of a JSON pointer.
func (v *Value) at(tokens ...*ast.Term) (ast.Value, bool) {
	at := v.ast()
	for _, t := range tokens {
		switch x := at.(type) {
		case ast.Object:
			m := x.Get(t)
			if m == nil {
				return nil, false
			}
			at = m.Value
		case *ast.Array:
			name := string(t.Value.(ast.String))
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= x.Len() || strconv.Itoa(i) != name {
				return nil, false
			}
			at = x.Elem(i).Value
		default:
			return nil, false
		}
	}
	return at, true
}

// errTooLong and errNotData are why a value has no JSON to show.
var (
	errTooLong = errors.New("it is too long")
	errNotData = errors.New("it is not data")
)

// appendJSON appends a value as JSON in canonical form: members sorted, no white space, the literals
// of numbers kept. Sets become arrays, sorted; keys that are not text become their JSON. It gives up
// beyond most bytes.
func appendJSON(dst []byte, v ast.Value, most int) ([]byte, error) {
	if len(dst) > most {
		return nil, errTooLong
	}
	var err error
	switch v := v.(type) {
	case ast.Null:
		return append(dst, "null"...), nil
	case ast.Boolean:
		return strconv.AppendBool(dst, bool(v)), nil
	case ast.Number:
		return append(dst, v...), nil
	case ast.String:
		if len(v) > most-len(dst) {
			return nil, errTooLong
		}
		return appendString(dst, string(v)), nil
	case *ast.Array:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, v.Elem(i).Value, most); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case ast.Set:
		return appendJSON(dst, v.Sorted(), most)
	case ast.Object:
		type member struct {
			name  string
			value *ast.Term
		}
		members := make([]member, 0, v.Len())
		v.Foreach(func(k, m *ast.Term) {
			name, ok := k.Value.(ast.String)
			if !ok {
				var b []byte
				if b, err = appendJSON(nil, k.Value, most); err != nil {
					return
				}
				name = ast.String(b)
			}
			members = append(members, member{string(name), m})
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			if dst, err = appendJSON(dst, m.value.Value, most); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	return nil, fmt.Errorf("%w: %s", errNotData, ast.ValueName(v))
}

// appendString appends a string with the fewest escapes. Bytes that are no UTF-8, which built-in
// functions can make, become U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= ' ':
			dst = utf8.AppendRune(dst, r)
		case r == '\b':
			dst = append(dst, '\\', 'b')
		case r == '\f':
			dst = append(dst, '\\', 'f')
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		}
	}
	return append(dst, '"')
}
