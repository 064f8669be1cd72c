package policies_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/policies"
)

// unchecked are the names in AWS policies that no schema describes, by policy: what an IAM document
// says is the language of another system, and what follows a variable in a path is not read. A name that comes to be checked must leave this list.
var unchecked = map[string][]string{
	"iam_policy_no_statements_with_admin_access": {"Action", "Effect", "Resource", "Statement", "document"},
	"s3_bucket_ssl_requests_only":                {"AWS", "Action", "Bool", "Condition", "Effect", "Principal"},
}

// TestTyposInAWSPolicies misspells each member that an AWS policy reads, names as the path of a
// denial, or requires, one after the other: each must be an error at its own line.
func TestTyposInAWSPolicies(t *testing.T) {
	t.Parallel()
	schemas, err := policies.Schemas()
	if err != nil {
		t.Fatal(err)
	}
	cache := policy.NewCache()
	caught, all, below := 0, 0, 0
	for _, f := range load(t) {
		rest, is := strings.CutPrefix(f.Path, "builtin/compliance/aws/")
		if !is || !strings.HasSuffix(rest, "/policy.rego") {
			continue
		}
		name := strings.TrimSuffix(rest, "/policy.rego")
		missed := map[string]bool{}
		for _, at := range members(t, f) {
			all++
			if at.deep {
				below++
			}
			text := slices.Concat(f.Bytes[:at.end], []byte("Typo"), f.Bytes[at.end:])
			_, problems := policy.Compile(t.Context(), []policy.File{{Path: f.Path, Bytes: text}}, policy.Options{Schemas: schemas, Cache: cache})
			found := slices.ContainsFunc(problems, func(p diag.Problem) bool {
				return p.Severity == diag.Error && strings.Contains(p.Detail, at.name+"Typo") &&
					p.Where != nil && p.Where.File == f.Path && p.Where.Start.Line == at.line
			})
			if found {
				caught++
			} else {
				missed[at.name] = true
				if !slices.Contains(unchecked[name], at.name) {
					t.Errorf("%s:%d: a misspelt %q is not found: %v", f.Path, at.line, at.name, problems)
				}
			}
		}
		if got := slices.Sorted(maps.Keys(missed)); !slices.Equal(got, unchecked[name]) {
			t.Errorf("%s: unchecked are %v, want %v", name, got, unchecked[name])
		}
	}
	t.Logf("%d of %d misspelt members are found; %d of them stand below the first level", caught, all, below)
	if caught*10 < all*9 {
		t.Errorf("%d of %d misspelt members are found", caught, all)
	}
}

// member is where one name stands in a policy's text.
type member struct {
	name      string
	line, end int
	// deep says that it stands below the first level of the configuration.
	deep bool
}

// members finds the names that a policy reads of its input: the steps of references, constant paths of
// object.get, and JSON pointers.
func members(t *testing.T, f policy.File) []member {
	t.Helper()
	m, err := ast.ParseModuleWithOpts(f.Path, string(f.Bytes), ast.ParserOptions{ProcessAnnotation: true})
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]bool{}
	for _, r := range m.Rules {
		rules[r.Head.Name.String()] = true
	}
	seen := map[int]bool{}
	var out []member
	add := func(name string, offset int, deep bool) {
		i := bytes.Index(f.Bytes[offset:], []byte(name))
		if i < 0 || seen[offset+i] {
			return
		}
		seen[offset+i] = true
		end := offset + i + len(name)
		out = append(out, member{name: name, line: 1 + bytes.Count(f.Bytes[:end], []byte("\n")), end: end, deep: deep})
	}
	pointer := func(ptr string, offset int) {
		for i, name := range strings.Split(strings.Trim(ptr, "/"), "/") {
			add(name, offset, i > 1)
			offset += len(name) + 1
		}
	}
	if i := bytes.Index(f.Bytes, []byte("requires: [")); i > 0 {
		i += len("requires: [")
		list, _, _ := strings.Cut(string(f.Bytes[i:]), "]")
		for ptr := range strings.SplitSeq(list, ", ") {
			pointer(ptr, i)
			i += len(ptr) + len(", ")
		}
	}
	ast.WalkTerms(m, func(x *ast.Term) bool {
		switch v := x.Value.(type) {
		case ast.Ref:
			head, ok := v[0].Value.(ast.Var)
			if !ok || rules[string(head)] && !v[0].Equal(ast.InputRootDocument) && len(v) == 1 || ast.RootDocumentNames.Contains(v[0]) && string(head) == "data" {
				return false
			}
			for i, s := range v[1:] {
				if name, ok := s.Value.(ast.String); ok && !builtin(v) {
					add(string(name), s.Location.Offset, string(head) != "input" || i > 2)
				}
			}
		case ast.Call:
			if v[0].String() != "object.get" {
				return false
			}
			if path, ok := v[2].Value.(*ast.Array); ok {
				path.Foreach(func(s *ast.Term) {
					if name, ok := s.Value.(ast.String); ok {
						add(string(name), s.Location.Offset, true)
					}
				})
			} else if name, ok := v[2].Value.(ast.String); ok {
				add(string(name), v[2].Location.Offset, true)
			}
		case ast.String:
			if strings.HasPrefix(string(v), "/") && len(v) > 1 {
				pointer(string(v), x.Location.Offset)
			}
		}
		return false
	})
	return out
}

// builtin reports whether a reference names a function of the language.
func builtin(ref ast.Ref) bool {
	_, ok := ast.BuiltinMap[ref.String()]
	return ok
}
