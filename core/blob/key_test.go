package blob

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var badKeys = []string{
	"", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/.", "a\x00b", "a\nb", `a\b`, "a\xffb",
	strings.Repeat("a", 256), strings.Repeat("a/", 600) + "a", strings.Repeat("a/", 32) + "a", "a/" + tempPrefix + "x", tempPrefix,
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, key := range badKeys {
		if err := CheckKey(key); !errors.Is(err, ErrKey) || len(err.Error()) > 2*maxKey {
			t.Errorf("%q: error %v", key, err)
		}
	}
	for _, key := range []string{"a", "a/b", "events/date=2026-11-23/1-2.parquet", "...", "..a", "a..", "日本/ü", strings.Repeat("a", 255), strings.Repeat("a/", 31) + "a", " ", "a b"} {
		if err := CheckKey(key); err != nil {
			t.Error(err)
		}
	}
}

// FuzzCheckKey holds what is taken for a key against what others understand by such names.
func FuzzCheckKey(f *testing.F) {
	for _, key := range badKeys {
		f.Add(key)
	}
	f.Add("events/date=2026-11-23/1-2.parquet")
	f.Fuzz(func(t *testing.T, key string) {
		err := CheckKey(key)
		if err != nil {
			if !errors.Is(err, ErrKey) || !utf8.ValidString(err.Error()) {
				t.Fatalf("error %q", err)
			}
			return
		}
		root := filepath.Join(string(filepath.Separator), "root")
		file := filepath.Join(root, filepath.FromSlash(key))
		back, err := filepath.Rel(root, file)
		if err != nil || filepath.ToSlash(back) != key || !filepath.IsLocal(key) || !fs.ValidPath(key) || path.Clean(key) != key {
			t.Fatalf("%q is taken for a key, and is %q as a file", key, file)
		}
	})
}
