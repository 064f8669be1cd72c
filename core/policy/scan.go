package policy

import "encoding/json"

// inBody reports whether the text at the check's path in a JSON object is one of its values. The body
// was accepted by intake, so it is JSON; where it is not, the answer is yes, which runs the policy.
func (c *check) inBody(body []byte) bool {
	at := skipSpace(body, 0)
	for _, name := range c.path {
		var ok, broken bool
		if at, ok, broken = findMember(body, at, name); broken {
			return true
		} else if !ok {
			return false
		}
	}
	if at >= len(body) {
		return true
	}
	if body[at] != '"' {
		return false
	}
	end := skipText(body, at)
	if end < 0 {
		return true
	}
	raw := body[at+1 : end-1]
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
	if json.Unmarshal(body[at:end], &s) != nil {
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
	for at++; at < len(src); at++ {
		switch src[at] {
		case '\\':
			at++
		case '"':
			return at + 1
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
