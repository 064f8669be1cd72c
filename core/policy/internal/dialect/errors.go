package dialect

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/shape"
)

// ParserOptions are the same for policies and tests. METADATA is parsed by OPA too, so that a
// mistake in its YAML is a parse error with OPA's hints.
func ParserOptions() ast.ParserOptions {
	return ast.ParserOptions{
		Capabilities:      Capabilities(),
		ProcessAnnotation: true,
		RegoVersion:       ast.RegoV1,
	}
}

// ParseProblems turns what OPA says about one file into problems, without its repetitions.
func ParseProblems(file string, err error) diag.Problems {
	var ps diag.Problems
	var errs ast.Errors
	var single *ast.Error
	if errors.As(err, &single) {
		errs = ast.Errors{single}
	}
	if len(errs) == 0 && !errors.As(err, &errs) {
		ps.Errorf(&diag.Range{File: file}, "File does not parse", "%s", Sentence(err.Error()))
		return ps
	}
	seen := map[string]bool{}
	for _, e := range errs {
		where := Range(e.Location)
		if where == nil {
			where = &diag.Range{File: file}
		}
		if where.File == "" {
			where.File = file
		}
		key := where.String() + e.Message
		if seen[key] {
			continue
		}
		seen[key] = true
		switch rest, isYAML := strings.CutPrefix(e.Message, "yaml: "); {
		case isYAML:
			ps.Errorf(where, "METADATA is not YAML", "%s A text with a colon or a bracket in it stands in quotes.", Sentence(rest))
		case e.Message == "empty module":
			// Not a warning: a file that is just being written must not take its policy away.
			ps.Errorf(&diag.Range{File: file}, "File has no package", "A policy file begins with `package …`. Remove the file if nothing is to stand in it.")
		default:
			ps.Errorf(where, "File does not parse", "%s%s", Sentence(e.Message), parseHint(e.Message))
		}
	}
	return ps
}

// parseHint adds the way out of what newcomers to Rego meet first.
func parseHint(message string) string {
	switch {
	case strings.Contains(message, "`if` keyword is required"):
		return " Write `if` between the rule's head and its body: `deny contains msg if { … }`."
	case strings.Contains(message, "`contains` keyword is required"):
		return " Write `deny contains msg if { … }`: the messages make a set."
	case strings.Contains(message, "max parsing recursion depth"):
		return " Split the nested value into rules of its own."
	}
	return ""
}

// Sentence makes a message of OPA's a sentence: a capital first, a period last.
func Sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	// A word in quotes, a path or a function's name stays as it is.
	if first, _, _ := strings.Cut(s, " "); !strings.ContainsAny(first, "`\"'._(:") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.ContainsAny(s[len(s)-1:], ".?!") {
		s += "."
	}
	return s
}

// EvalError words an error of the evaluator in one line, with its place.
func EvalError(e *topdown.Error) string {
	msg := strings.Join(strings.Fields(strings.ReplaceAll(e.Message, "data.", "")), " ")
	if e.Location == nil || e.Location.File == "" {
		return msg
	}
	return fmt.Sprintf("%s:%d: %s", path.Base(e.Location.File), e.Location.Row, msg)
}

// CompileProblem words an error of OPA's compiler. functions lists the functions that the policies
// define themselves.
func CompileProblem(e *ast.Error, functions func() []string) (summary, detail string) {
	summary, detail = "Policy does not compile", Sentence(e.Message)
	switch e.Code {
	case ast.TypeErr:
		if name, ok := strings.CutPrefix(e.Message, "undefined function "); ok {
			return undefinedFunction(name, functions)
		}
		summary, detail = "Type error", typeDetail(e)
		if strings.HasPrefix(e.Message, "conflicting rules") {
			summary = "Rules conflict"
		}
	case ast.UnsafeVarErr:
		summary, detail = "Variable has no value", unsafeDetail(e.Message)
	case ast.RecursionErr:
		summary = "Rule refers to itself"
	case ast.CompileErr:
		switch {
		case strings.Contains(e.Message, "unused"):
			summary = "Something is not used"
			detail += " Remove it."
		case strings.Contains(e.Message, "shadow"):
			summary = "Name is taken"
		}
	}
	return summary, detail
}

// undefinedFunction says why a function is not there: barred, misspelt, or of nobody's making.
func undefinedFunction(name string, functions func() []string) (summary, detail string) {
	if why, ok := Barred[name]; ok {
		return "Function is not available", fmt.Sprintf("%s is not there: %s.", name, why)
	}
	names := BuiltinNames()
	if strings.HasPrefix(name, "data.") {
		names = functions()
	}
	return "No such function", fmt.Sprintf("There is no function %s.%s", name, DidYouMean(name, names))
}

var unsafeVar = regexp.MustCompile(`^var (\S+) is unsafe$`)

func unsafeDetail(message string) string {
	m := unsafeVar.FindStringSubmatch(message)
	if m == nil {
		return Sentence(message)
	}
	name := m[1]
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "$") {
		return "A wildcard stands where a value is needed, as under `not` or in a message. Name it with `some x in …` outside."
	}
	return fmt.Sprintf("Nothing gives %s a value. Declare it with `some %[1]s in …` or `%[1]s := …`; if it is a rule of another package, import that.", name)
}

// typeDetail makes sentences of OPA's drawing of a type error.
func typeDetail(e *ast.Error) string {
	switch d := e.Details.(type) {
	case *ast.RefErrInvalidDetail:
		name := strings.Trim(d.Ref[d.Pos].String(), `"`)
		var names []string
		for _, v := range d.OneOf {
			if s, ok := v.(ast.String); ok && string(s) != shape.RestOf {
				names = append(names, string(s))
			}
		}
		detail := fmt.Sprintf("%s has no member %q.%s", d.Ref[:d.Pos], name, DidYouMean(name, names))
		if len(names) > 0 {
			detail += " It has " + Listed(names) + "."
		}
		return detail
	case *ast.RefErrUnsupportedDetail:
		return fmt.Sprintf("%s is %v and has no members.", d.Ref[:d.Pos+1], d.Have)
	case *ast.UnificationErrDetail:
		return fmt.Sprintf("The two sides can never be equal: one is %v, the other %v.", d.Left, d.Right)
	case *ast.ArgErrDetail:
		return Sentence(e.Message) + " " + strings.Join(upperFirst(d.Lines()), "; ") + "."
	}
	detail := Sentence(e.Message)
	if e.Details != nil {
		detail += " " + strings.Join(e.Details.Lines(), "; ")
	}
	return detail
}

func upperFirst(lines []string) []string {
	if len(lines) > 0 && lines[0] != "" {
		lines[0] = strings.ToUpper(lines[0][:1]) + lines[0][1:]
	}
	return lines
}
