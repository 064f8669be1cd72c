package dispatch

import (
	"bytes"
	"encoding/json"
)

// place is where a path of the event leads in its body.
type place struct {
	at    int
	found found
}

type found uint8

const (
	foundNothing found = iota
	foundValue
	// foundGarbage is what is no JSON. Intake has accepted the body, so it should not be met; the
	// policy is run then, to err on that side.
	foundGarbage
)

// locate follows a path of member names.
func locate(body []byte, path []string) place {
	at := skipSpace(body, 0)
	for _, name := range path {
		var ok, broken bool
		if at, ok, broken = findMember(body, at, name); broken {
			return place{found: foundGarbage}
		} else if !ok {
			return place{}
		}
	}
	return place{at: at, found: foundValue}
}

// holdsAt reports whether the text at a place is one of the check's values.
func (c *check) holdsAt(body []byte, p place) bool {
	switch {
	case p.found == foundNothing:
		return false
	case p.found == foundGarbage || p.at >= len(body):
		return true
	case body[p.at] != '"':
		return false
	}
	end := skipText(body, p.at)
	if end < 0 {
		return true
	}
	raw := body[p.at+1 : end-1]
	if plain(raw) {
		if c.set != nil {
			_, ok := c.set[string(raw)]
			return ok
		}
		for _, v := range c.values {
			if v == string(raw) {
				return true
			}
		}
		return false
	}
	var s string
	if json.Unmarshal(body[p.at:end], &s) != nil {
		return true
	}
	return c.has(s)
}

// findMember returns where the value of a member begins. src[at] is where the object should be; ok is
// false where there is no object or no such member, and broken is true where there is no JSON.
func findMember(src []byte, at int, name string) (value int, ok, broken bool) {
	if at >= len(src) {
		return 0, false, true
	}
	if src[at] != '{' {
		return 0, false, false
	}
	at = skipSpace(src, at+1)
	for at < len(src) && src[at] != '}' {
		if src[at] == ',' {
			at = skipSpace(src, at+1)
		}
		if at >= len(src) || src[at] != '"' {
			return 0, false, true
		}
		end := skipText(src, at)
		if end < 0 {
			return 0, false, true
		}
		raw := src[at+1 : end-1]
		same := string(raw) == name
		if !same && !plain(raw) {
			var s string
			if json.Unmarshal(src[at:end], &s) != nil {
				return 0, false, true
			}
			same = s == name
		}
		at = skipSpace(src, end)
		if at >= len(src) || src[at] != ':' {
			return 0, false, true
		}
		at = skipSpace(src, at+1)
		if same {
			return at, true, false
		}
		if at = skipValue(src, at); at < 0 {
			return 0, false, true
		}
		at = skipSpace(src, at)
	}
	return 0, false, at >= len(src)
}

// plain reports whether the inside of a JSON string stands for itself.
func plain(raw []byte) bool {
	for _, b := range raw {
		if b == '\\' || b >= 0x80 {
			return false
		}
	}
	return true
}

func skipSpace(src []byte, at int) int {
	for at < len(src) && (src[at] == ' ' || src[at] == '\t' || src[at] == '\n' || src[at] == '\r') {
		at++
	}
	return at
}

// skipText returns the end of the string that begins at src[at], -1 where it has none.
func skipText(src []byte, at int) int {
	at++
	for at < len(src) {
		n := bytes.IndexByte(src[at:], '"')
		if n < 0 {
			return -1
		}
		// A quotation mark is escaped by an odd number of backslashes.
		slashes := 0
		for i := at + n - 1; i >= at && src[i] == '\\'; i-- {
			slashes++
		}
		at += n + 1
		if slashes%2 == 0 {
			return at
		}
	}
	return -1
}

// skipValue returns the end of the value that begins at src[at], -1 where it has none.
func skipValue(src []byte, at int) int {
	if at >= len(src) {
		return -1
	}
	switch src[at] {
	case '"':
		return skipText(src, at)
	case '{', '[':
		depth := 0
		for at < len(src) {
			switch src[at] {
			case '"':
				if at = skipText(src, at); at < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return -1
	}
	start := at
	for at < len(src) {
		switch src[at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return at
		}
		at++
	}
	if at == start {
		return -1
	}
	return at
}
