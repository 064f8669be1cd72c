package policy

import (
	"bytes"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// Format returns the file as OPA's formatter writes it. The error says why it cannot be parsed.
func Format(f File) ([]byte, error) {
	opts := dialect.ParserOptions()
	out, err := format.SourceWithOpts(f.Path, f.Bytes, format.Opts{RegoVersion: ast.RegoV1, ParserOptions: &opts})
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", f.Path, err)
	}
	return out, nil
}

// CheckFormat warns of files that are not as Format writes them, at the first line that differs. It
// is for `check` and `test`; a reload has no use for it. Files that do not parse are left to Compile.
func CheckFormat(files []File) diag.Problems {
	var ps diag.Problems
	for _, f := range files {
		out, err := Format(f)
		if err != nil || bytes.Equal(out, f.Bytes) {
			continue
		}
		line, offset, text := firstDifference(f.Bytes, out)
		where := dialect.LineRange(f.Path, line, 1, offset, text)
		ps.Warnf(&where, "File is not formatted", "`opa fmt` would write this line, or what follows it, otherwise.")
	}
	return ps
}

// firstDifference returns the first line of a that is not also in b at that place.
func firstDifference(a, b []byte) (line, offset int, text string) {
	for line = 1; ; line++ {
		x, restA, moreA := bytes.Cut(a, []byte("\n"))
		y, restB, moreB := bytes.Cut(b, []byte("\n"))
		if !bytes.Equal(x, y) || moreA != moreB {
			return line, offset, string(x)
		}
		if !moreA {
			return line, offset, ""
		}
		offset += len(x) + 1
		a, b = restA, restB
	}
}
