package store

import (
	"bytes"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, in string
		want     bool
	}{
		{"", "", true},
		{"", "x", true},
		{"x", "", false},
		{"PutBucket", `{"a":"s3:putbucketPolicy"}`, true},
		{"putbucket", `{"a":"s3:PUTBUCKETPolicy"}`, true},
		{"putbuckets", `{"a":"s3:PutBucket"}`, false},
		{"qq", "Qq", true},
		{"aaq", "aaaaaaQ", true},
		{"née", `{"name":"NÉE"}`, true},
		{"sg-84", "SG-8SG-84", true},
		{"[", "{", false},
		{"@", "`", false},
		{"z", "\x00\xffZ", true},
	} {
		text := NewText(tt.text)
		if got := text.In([]byte(tt.in)); got != tt.want {
			t.Errorf("%q in %q: %v", tt.text, tt.in, got)
		}
	}
}

// FuzzText holds the search against making all lower case.
func FuzzText(f *testing.F) {
	f.Add("PutBucket", []byte(`{"eventName":"PutBucketPolicy"}`))
	f.Add("é", []byte("É"))
	f.Fuzz(func(t *testing.T, s string, in []byte) {
		for _, c := range in {
			if c >= 0x80 {
				// A Kelvin sign is a k to those who make it lower case.
				in = bytes.ToValidUTF8(in, nil)
				in = bytes.Map(func(r rune) rune {
					if r >= 0x80 {
						return 'x'
					}
					return r
				}, in)
				break
			}
		}
		text := NewText(s)
		if got, want := text.In(in), bytes.Contains(bytes.ToLower(in), []byte(strings.ToLower(s))); got != want {
			t.Errorf("%q in %q: %v", s, in, got)
		}
	})
}

func BenchmarkText(b *testing.B) {
	record := []byte(strings.Repeat(`{"eventName":"PutBucketPolicy","requestID":"84e8fc13-0000","userAgent":"aws-cli/2.0 Python"}`, 20))
	text := NewText("sg-84e8fc13")
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		if text.In(record) {
			b.Fatal("it is there")
		}
	}
}
