package record

import (
	"bytes"
	"encoding/json"
	"unsafe"
)

// The functions of this file walk over JSON that Canonical has accepted. They do not check it again
// and must not be given anything else.

// members calls fn for each member of the object at the start of src, with the name still in its
// quotes and the value's span, and returns the length of the object. A value that is no object has
// no members. Returning false ends the walk early.
func members(src []byte, fn func(name, value []byte) bool) {
	i := skipSpace(src, 0)
	if i >= len(src) || src[i] != '{' {
		return
	}
	for i++; ; {
		i = skipSpace(src, i)
		if src[i] == '}' {
			return
		}
		nameEnd := skipString(src, i)
		name := src[i:nameEnd]
		i = skipSpace(src, skipSpace(src, nameEnd)+1)
		end := skipValue(src, i)
		if !fn(name, src[i:end]) {
			return
		}
		if i = skipSpace(src, end); src[i] == ',' {
			i++
		}
	}
}

// elements calls fn for each element of the array at the start of src.
func elements(src []byte, fn func(value []byte)) {
	i := skipSpace(src, 0)
	if i >= len(src) || src[i] != '[' {
		return
	}
	for i++; ; {
		i = skipSpace(src, i)
		if src[i] == ']' {
			return
		}
		end := skipValue(src, i)
		fn(src[i:end])
		if i = skipSpace(src, end); src[i] == ',' {
			i++
		}
	}
}

func skipSpace(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(src []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(src[i:], '"')
		i += n
		// A quote is escaped where an odd number of backslashes stands before it.
		back := i
		for src[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the index after the value that begins at i.
func skipValue(src []byte, i int) int {
	switch src[i] {
	case '"':
		return skipString(src, i)
	case '{', '[':
		for depth := 0; ; {
			switch src[i] {
			case '"':
				i = skipString(src, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(src) {
		switch src[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}

// text returns the string that value stands for, or "" where value is no string. Where it holds no
// escape the result shares value's memory: records are never changed once they are made, and a copy
// of every leaf of every event would be most of what intake allocates.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	inner := value[1 : len(value)-1]
	if len(inner) == 0 {
		return ""
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return unsafe.String(&inner[0], len(inner))
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return ""
	}
	return s
}
