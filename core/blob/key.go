package blob

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxKey is the limit of S3; maxPart is that of file systems.
	maxKey  = 1024
	maxPart = 255
	// maxDepth keeps folders from being nested without end.
	maxDepth = 32
)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".regent-put-"

// CheckKey returns an ErrKey where key cannot name an object in a folder and in a bucket alike.
func CheckKey(key string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %q %s", ErrKey, key, fmt.Sprintf(format, args...))
	}
	switch {
	case key == "":
		return bad("is empty")
	case len(key) > maxKey:
		return fmt.Errorf("%w: %q… has %d bytes, more than %d", ErrKey, key[:40], len(key), maxKey)
	case !utf8.ValidString(key):
		return bad("is not UTF-8")
	case strings.ContainsFunc(key, func(r rune) bool { return unicode.IsControl(r) || r == '\\' }):
		return bad("has a control character or a backslash")
	case strings.HasPrefix(key, "/"):
		return bad("is absolute")
	}
	parts := strings.Split(key, "/")
	if len(parts) > maxDepth {
		return bad("has %d parts, more than %d", len(parts), maxDepth)
	}
	for _, p := range parts {
		switch {
		case p == "":
			return bad("has an empty part")
		case p == "." || p == "..":
			return bad("has the part %q", p)
		case len(p) > maxPart:
			return bad("has a part of %d bytes, more than %d", len(p), maxPart)
		case strings.HasPrefix(p, tempPrefix):
			return bad("has a part that begins with %q, which files have that are being written", tempPrefix)
		}
	}
	return nil
}
