package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/record"
)

// source is one parsed file. It is immutable once parse has returned it, because the cache hands it
// to the next generation too.
type source struct {
	path string
	test bool
	// module is nil where the file does not parse.
	module *ast.Module
	// pkg is the package path without "data".
	pkg    []string
	blocks []*block
	// code is the digest of what the file says to the engine: its rules without comments, METADATA
	// and layout.
	code     record.Digest
	problems diag.Problems
}

// id is the dotted package path.
func (s *source) id() string { return strings.Join(s.pkg, ".") }

// isTest tells the files of unit tests by their name, as OPA does.
func isTest(name string) bool { return strings.HasSuffix(path.Base(name), "_test.rego") }

// parseAll parses the files on all processors, in the order given. Files that the cache has are not
// parsed again.
func parseAll(ctx context.Context, files []File, cache *Cache) []*source {
	out := make([]*source, len(files))
	opts := dialect.ParserOptions()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) || ctx.Err() != nil {
					return
				}
				key := sourceKey(files[i])
				if out[i] = cache.source(key); out[i] == nil {
					out[i] = parse(files[i], opts)
					cache.putSource(key, out[i])
				}
			}
		})
	}
	wg.Wait()
	return out
}

// sourceKey covers the path too, because it stands in every place that the parsed file knows.
func sourceKey(f File) record.Digest {
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%s\x00", len(f.Path), f.Path)
	h.Write(f.Bytes)
	var d record.Digest
	h.Sum(d[:0])
	return d
}

func parse(f File, opts ast.ParserOptions) (s *source) {
	s = &source{path: f.Path, test: isTest(f.Path)}
	defer func() {
		// The parser meets bytes that anybody may have written.
		if r := recover(); r != nil {
			s.module = nil
			s.problems.Errorf(&diag.Range{File: f.Path}, "File does not parse", "The parser gave up: %v.", r)
		}
	}()
	m, err := ast.ParseModuleWithOpts(f.Path, string(f.Bytes), opts)
	switch {
	case err != nil:
		s.problems = dialect.ParseProblems(f.Path, err)
		return s
	case m == nil:
		s.problems.Warnf(&diag.Range{File: f.Path}, "Empty policy file", "The file has no package and no rules.")
		return s
	}
	pkg, ok := packagePath(m.Package.Path)
	if !ok {
		s.problems.Errorf(dialect.Range(m.Package.Location), "Package name is not plain",
			"The parts of a package name are letters, digits and underscores.")
		return s
	}
	for _, a := range m.Annotations {
		// Declaring schemas is an error of its own; the compiler would read them nevertheless, and
		// follow their references to files.
		a.Schemas = nil
	}
	s.module, s.pkg = m, pkg
	s.blocks = metadataBlocks(f.Path, m)
	s.code = codeDigest(m, f.Bytes)
	return s
}

// packagePath returns the parts of a package path after "data". Parts that need quotes are refused:
// a policy's identity stands in configuration, URLs and command lines.
func packagePath(ref ast.Ref) ([]string, bool) {
	var parts []string
	for _, t := range ref[1:] {
		s, ok := t.Value.(ast.String)
		if !ok || !isName(string(s)) {
			return nil, false
		}
		parts = append(parts, string(s))
	}
	return parts, len(parts) > 0
}

func isName(s string) bool {
	for i, r := range s {
		switch {
		case r == '_', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		case '0' <= r && r <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// codeDigest digests the rules of a module without comments, METADATA and layout. A module that asks
// for its own METADATA is digested as it stands, since then they are part of what it says.
func codeDigest(m *ast.Module, text []byte) record.Digest {
	if usesBuiltin(m, "rego.metadata.chain", "rego.metadata.rule") {
		return record.Sum(text)
	}
	h := sha256.New()
	buf, _ := m.Package.AppendText(nil)
	for _, imp := range m.Imports {
		buf = append(buf, '\n')
		buf, _ = imp.AppendText(buf)
	}
	h.Write(buf)
	// The order of rules does not matter to the engine but it does to the sum of small edits; it is
	// kept, because telling it apart costs nothing but one evaluation.
	for _, r := range m.Rules {
		cpy := *r
		cpy.Annotations = nil
		buf, _ = cpy.AppendText(append(buf[:0], '\n'))
		h.Write(buf)
	}
	var d record.Digest
	h.Sum(d[:0])
	return d
}

// usesBuiltin reports whether a node calls one of the built-in functions named.
func usesBuiltin(x any, names ...string) bool {
	found := false
	ast.WalkTerms(x, func(t *ast.Term) bool {
		if ref, ok := t.Value.(ast.Ref); ok && len(ref) > 1 {
			if v, ok := ref[0].Value.(ast.Var); ok && v != "input" && v != "data" {
				found = found || slices.Contains(names, ref.String())
			}
		}
		return found
	})
	return found
}
