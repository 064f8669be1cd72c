package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/shape"
	"github.com/regent-dev/regent/core/verdict"
)

// The bounds of what a policy can say about one record. What is longer is cut, and the reason says so.
const (
	maxElements = 1_000
	maxMessage  = 4 << 10
	maxValue    = 16 << 10
	maxDetails  = 64 << 10
)

// element is what deny or alarm contains, taken apart.
type element struct {
	msg     string
	path    string
	hasPath bool
	key     string
	hasKey  bool
	value   json.RawMessage
	details json.RawMessage
}

// elements takes a result apart. wrong says what about it is no element; those that are right come
// back all the same.
func (p *Policy) elements(v ast.Value, wrong *complaints) []element {
	set, ok := v.(ast.Set)
	if !ok {
		wrong.add("%s is %s, not a set", mainRule(p.Kind), ast.ValueName(v))
		return nil
	}
	terms := set.Slice()
	if len(terms) > maxElements {
		// Which are kept must not depend on the order of evaluation.
		terms = slices.Clone(terms)
		slices.SortFunc(terms, func(a, b *ast.Term) int { return ast.Compare(a.Value, b.Value) })
		wrong.add("%s contains %d elements; the first %d are kept", mainRule(p.Kind), len(terms), maxElements)
		terms = terms[:maxElements]
	}
	out := make([]element, 0, len(terms))
	for _, t := range terms {
		if e, ok := p.element(t.Value, wrong); ok {
			out = append(out, e)
		}
	}
	return out
}

func (p *Policy) element(v ast.Value, wrong *complaints) (e element, ok bool) {
	switch v := v.(type) {
	case ast.String:
		e.msg = string(v)
	case ast.Object:
		ok := true
		v.Foreach(func(k, m *ast.Term) {
			name, isText := k.Value.(ast.String)
			switch {
			case isText && name == "msg":
				ok = p.text(&e.msg, "msg", m.Value, wrong) && ok
			case isText && name == "details":
				e.details = p.document("details", m.Value, maxDetails, wrong)
			case isText && name == "path" && p.Kind == KindCompliance:
				if !p.text(&e.path, "path", m.Value, wrong) {
					break
				}
				if _, err := shape.Tokens(e.path); err != nil {
					wrong.add("path %q of an element is not a JSON pointer: it does not begin with a slash", cut(e.path, 80))
					e.path = ""
					break
				}
				e.hasPath = true
			case isText && name == "key" && p.Kind == KindAlarm:
				// Without its key a match would be counted under another one.
				e.hasKey = p.text(&e.key, "key", m.Value, wrong)
				ok = ok && e.hasKey
			case isText && name == "value" && p.Kind == KindAlarm:
				e.value = p.document("value", m.Value, maxValue, wrong)
			default:
				wrong.add("an element has an unknown member %s; the members are %s", cut(k.String(), 80), dialect.Listed(elementKeys(p.Kind)))
			}
		})
		if !ok {
			return e, false
		}
	default:
		wrong.add("%s contains %s, whose elements are messages or objects with %s",
			mainRule(p.Kind), cut(v.String(), 80), dialect.Listed(elementKeys(p.Kind)))
		return e, false
	}
	if e.msg == "" {
		e.msg = p.Title
	}
	if !utf8.ValidString(e.msg) {
		e.msg = strings.ToValidUTF8(e.msg, "\uFFFD")
	}
	e.msg = cut(e.msg, maxMessage)
	return e, true
}

func (p *Policy) text(to *string, name string, v ast.Value, wrong *complaints) bool {
	s, ok := v.(ast.String)
	if !ok {
		wrong.add("%s of an element is %s, not text", name, cut(v.String(), 80))
		return false
	}
	*to = string(s)
	return true
}

func (p *Policy) document(name string, v ast.Value, most int, wrong *complaints) json.RawMessage {
	b, err := appendJSON(nil, v, most)
	if err != nil {
		wrong.add("%s of an element is left out: %v", name, err)
		return nil
	}
	return b
}

// cut shortens a text to at most n bytes, at the start of a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// complaints gathers what is wrong with an evaluation, each once and not without end.
type complaints struct {
	list []string
	more int
}

func (c *complaints) add(format string, args ...any) {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	switch {
	case slices.Contains(c.list, text):
	case len(c.list) < 4:
		c.list = append(c.list, text)
	default:
		c.more++
	}
}

func (c *complaints) String() string {
	s := strings.Join(c.list, "; ")
	if c.more > 0 {
		s += fmt.Sprintf("; and %d more", c.more)
	}
	return cut(s, maxMessage)
}

// denials makes denials of a result, sorted by path and message.
func (p *Policy) denials(v ast.Value, item *Value, wrong *complaints) []verdict.Denial {
	elements := p.elements(v, wrong)
	if len(elements) == 0 {
		return nil
	}
	out := make([]verdict.Denial, len(elements))
	for i, e := range elements {
		out[i] = verdict.Denial{Message: e.msg, Path: e.path, Details: e.details}
		if e.hasPath {
			out[i].Value = valueAt(item, e.path)
		}
	}
	if len(out) > 1 {
		slices.SortFunc(out, func(a, b verdict.Denial) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message),
				cmp.Compare(string(a.Details), string(b.Details)))
		})
	}
	return out
}

// valueAt is what stands at a pointer: null where nothing does, and nothing where it is too long to
// be shown beside a message.
func valueAt(item *Value, pointer string) json.RawMessage {
	tokens, err := shape.Tokens(pointer)
	if err != nil {
		return nil
	}
	v, ok := item.at(terms(tokens)...)
	if !ok {
		return json.RawMessage("null")
	}
	b, err := appendJSON(nil, v, maxValue)
	if err != nil {
		return nil
	}
	return b
}

// matches makes matches of a result, sorted by key and message.
func (p *Policy) matches(v ast.Value, wrong *complaints) []verdict.Match {
	elements := p.elements(v, wrong)
	if len(elements) == 0 {
		return nil
	}
	out := make([]verdict.Match, len(elements))
	for i, e := range elements {
		out[i] = verdict.Match{Message: e.msg, Key: e.key, HasKey: e.hasKey, Value: e.value, Details: e.details}
	}
	if len(out) > 1 {
		slices.SortFunc(out, func(a, b verdict.Match) int {
			return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message),
				cmp.Compare(string(a.Value), string(b.Value)), cmp.Compare(string(a.Details), string(b.Details)))
		})
	}
	return out
}
