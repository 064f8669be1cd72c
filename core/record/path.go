package record

import (
	"fmt"
	"strings"
)

// Paths is a set of JSON pointers (RFC 6901) in which the token "*" stands for any one member or
// element. The nil *Paths is empty. It is not changed after it was made.
type Paths struct {
	leaf bool
	any  *Paths
	next map[string]*Paths
}

// NewPaths compiles pointers. Every pointer must begin with a slash: the whole document cannot be
// a member of the set.
func NewPaths(pointers ...string) (*Paths, error) {
	root := &Paths{}
	for _, p := range pointers {
		if !strings.HasPrefix(p, "/") {
			return nil, fmt.Errorf("JSON pointer %q does not begin with a slash", p)
		}
		at := root
		for _, token := range strings.Split(p[1:], "/") {
			token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
			at = at.step(token)
		}
		at.leaf = true
	}
	return root, nil
}

func (p *Paths) step(token string) *Paths {
	if token == "*" {
		if p.any == nil {
			p.any = &Paths{}
		}
		return p.any
	}
	if p.next == nil {
		p.next = map[string]*Paths{}
	}
	n := p.next[token]
	if n == nil {
		n = &Paths{}
		p.next[token] = n
	}
	return n
}

// Empty reports whether the set has no member.
func (p *Paths) Empty() bool { return p == nil || !p.leaf && p.any == nil && len(p.next) == 0 }

// Rewrite appends src to dst with every value at a path of the set replaced by what replace returns
// for it; nil drops the member or, in an array, puts null. src must have been accepted by Canonical;
// white space between tokens is dropped. replace must not keep the slice it is given.
func (p *Paths) Rewrite(dst, src []byte, replace func(value []byte) []byte) []byte {
	return rewrite(dst, src[skipSpace(src, 0):], []*Paths{p}, replace)
}

// rewrite copies one value. at are the sets that the value's path leads to: one for each way through
// names and wildcards.
func rewrite(dst, src []byte, at []*Paths, replace func([]byte) []byte) []byte {
	switch src[0] {
	case '{':
		dst = append(dst, '{')
		first := true
		members(src, func(name, value []byte) bool {
			next, leaf := follow(at, text(name))
			with := value
			if leaf {
				if with = replace(value); with == nil {
					return true
				}
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(dst, name...)
			dst = append(dst, ':')
			if leaf || len(next) == 0 {
				dst = append(dst, with...)
			} else {
				dst = rewrite(dst, value, next, replace)
			}
			return true
		})
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		i := 0
		elements(src, func(value []byte) {
			if i > 0 {
				dst = append(dst, ',')
			}
			next, leaf := follow(at, fmt.Sprint(i))
			switch {
			case leaf:
				if with := replace(value); with != nil {
					dst = append(dst, with...)
				} else {
					dst = append(dst, "null"...)
				}
			case len(next) == 0:
				dst = append(dst, value...)
			default:
				dst = rewrite(dst, value, next, replace)
			}
			i++
		})
		return append(dst, ']')
	}
	return append(dst, src[:skipValue(src, 0)]...)
}

func follow(at []*Paths, token string) (next []*Paths, leaf bool) {
	for _, p := range at {
		for _, n := range [...]*Paths{p.next[token], p.any} {
			if n != nil {
				next = append(next, n)
				leaf = leaf || n.leaf
			}
		}
	}
	return next, leaf
}
