package jsontext

import "bytes"

// Skip returns the offset after the value that begins at b[i].
func Skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i+1) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}

// skipString returns the offset after the string whose first byte after the quote stands at i.
func skipString(b []byte, i int) int {
	for {
		n := bytes.IndexByte(b[i:], '"')
		i += n + 1
		// A quote is escaped where an odd number of backslashes stands before it.
		back := i - 2
		for b[back] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			return i
		}
	}
}

// Space returns the offset of the first byte at or after i that is not white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// Members walks over the members of an object. Its zero value has none.
type Members struct {
	b []byte
	i int
}

// MembersOf returns the members of the value; a value that is no object has none.
func MembersOf(value []byte) Members {
	i := Space(value, 0)
	if i >= len(value) || value[i] != '{' {
		return Members{}
	}
	return Members{b: value, i: i + 1}
}

// Next returns the next member: its name as it stands between the quotes, and its value.
func (m *Members) Next() (name, value []byte, ok bool) {
	if m.b == nil {
		return nil, nil, false
	}
	i := Space(m.b, m.i)
	if m.b[i] == ',' {
		i = Space(m.b, i+1)
	}
	if m.b[i] == '}' {
		m.b = nil
		return nil, nil, false
	}
	end := skipString(m.b, i+1)
	name = m.b[i+1 : end-1]
	i = Space(m.b, Space(m.b, end)+1)
	end = Skip(m.b, i)
	m.i = end
	return name, m.b[i:end], true
}

// Elements walks over the elements of an array. Its zero value has none.
type Elements struct {
	b []byte
	i int
}

// ElementsOf returns the elements of the value; a value that is no array has none.
func ElementsOf(value []byte) Elements {
	i := Space(value, 0)
	if i >= len(value) || value[i] != '[' {
		return Elements{}
	}
	return Elements{b: value, i: i + 1}
}

// Next returns the next element.
func (e *Elements) Next() (value []byte, ok bool) {
	if e.b == nil {
		return nil, false
	}
	i := Space(e.b, e.i)
	if e.b[i] == ',' {
		i = Space(e.b, i+1)
	}
	if e.b[i] == ']' {
		e.b = nil
		return nil, false
	}
	e.i = Skip(e.b, i)
	return e.b[i:e.i], true
}

// Member returns the value of the first member with the name, nil where there is none. Names with
// escapes are not found; none of those that are asked for has any.
func Member(object []byte, name string) []byte {
	m := MembersOf(object)
	for {
		n, v, ok := m.Next()
		if !ok {
			return nil
		}
		if string(n) == name {
			return v
		}
	}
}

// IsString, IsObject, IsArray and IsNull tell what a value is.
func IsString(v []byte) bool { return len(v) > 0 && v[0] == '"' }

// IsObject reports whether v is an object.
func IsObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

// IsArray reports whether v is an array.
func IsArray(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// IsNull reports whether v is null or missing.
func IsNull(v []byte) bool { return len(v) == 0 || v[0] == 'n' }
