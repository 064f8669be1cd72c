package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// sensitive marks values that are not printed.
const sensitive = markSensitive("sensitive")

type markSensitive string

// functions are those of expressions. file reads relative to dir.
func functions(dir string) map[string]function.Function {
	return map[string]function.Function{
		"lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "trim": stdlib.TrimFunc, "trimspace": stdlib.TrimSpaceFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimsuffix": stdlib.TrimSuffixFunc, "replace": stdlib.ReplaceFunc,
		"split": stdlib.SplitFunc, "join": stdlib.JoinFunc, "format": stdlib.FormatFunc, "concat": stdlib.ConcatFunc,
		"merge": stdlib.MergeFunc, "length": stdlib.LengthFunc, "distinct": stdlib.DistinctFunc, "sort": stdlib.SortFunc,
		"keys": stdlib.KeysFunc, "values": stdlib.ValuesFunc, "flatten": stdlib.FlattenFunc,
		"jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"file": fileFunction(dir, false), "secretfile": fileFunction(dir, true),
	}
}

// fileFunction reads a file; a secret one is marked and loses the line break at its end.
func fileFunction(dir string, secret bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p := args[0].AsString()
			if !filepath.IsAbs(p) {
				p = filepath.Join(dir, p)
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if secret {
				return cty.StringVal(strings.TrimRight(string(b), "\r\n")).Mark(sensitive), nil
			}
			return cty.StringVal(string(b)), nil
		},
	})
}

// variables gives every variable its value: from the command line, else from REGENT_VAR_name, else its
// default.
func (l *loader) variables(content *hcl.BodyContent) cty.Value {
	values := map[string]cty.Value{}
	env := &hcl.EvalContext{Functions: functions(filepath.Dir(l.c.Files[0]))}
	env.Functions["env"] = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, _ := l.o.Environ(args[0].AsString())
			return cty.StringVal(v), nil
		},
	})
	var names []string
	for _, b := range content.Blocks.ByType()["variable"] {
		var raw struct {
			Type        hcl.Expression `hcl:"type,optional"`
			Default     hcl.Expression `hcl:"default,optional"`
			Sensitive   bool           `hcl:"sensitive,optional"`
			Description string         `hcl:"description,optional"`
		}
		if !l.once(b) || !l.decode(b, &raw) {
			continue
		}
		name := b.Labels[0]
		names = append(names, name)
		typ := cty.DynamicPseudoType
		if raw.Type != nil && !isNull(raw.Type) {
			t, diags := typeexpr.TypeConstraint(raw.Type)
			l.add(diags)
			if !diags.HasErrors() {
				typ = t
			}
		}
		v := l.variable(b, name, typ, raw.Default, env)
		if raw.Sensitive {
			v = v.Mark(sensitive)
		}
		values[name] = v
	}
	for name := range l.o.Vars {
		if !slices.Contains(names, name) {
			l.problems.Errorf(nil, "Unknown variable", "--var sets %q, which no variable block declares.%s", name, didYouMean(name, names))
		}
	}
	return cty.ObjectVal(values)
}

// isNull reports whether an optional expression was left out, which gohcl writes as a null literal.
func isNull(e hcl.Expression) bool {
	lit, ok := e.(*hclsyntax.LiteralValueExpr)
	if ok {
		return lit.Val.IsNull()
	}
	v, diags := e.Value(nil)
	return !diags.HasErrors() && v.IsNull()
}

func (l *loader) variable(b *hcl.Block, name string, typ cty.Type, def hcl.Expression, env *hcl.EvalContext) cty.Value {
	text, source := "", ""
	if s, ok := l.o.Vars[name]; ok {
		text, source = s, "--var "+name
	} else if s, ok := l.o.Environ("REGENT_VAR_" + name); ok {
		text, source = s, "REGENT_VAR_"+name
	}
	if source != "" {
		v, err := fromText(text, typ)
		if err != nil {
			l.errorf(b.DefRange, "Invalid value for variable", "%s: %v.", source, err)
			return cty.UnknownVal(typ)
		}
		return v
	}
	if def == nil || isNull(def) {
		l.errorf(b.DefRange, "Variable without a value", "Set it with --var %s=VALUE, with the environment variable REGENT_VAR_%s, or give it a default.", name, name)
		return cty.UnknownVal(typ)
	}
	v, diags := def.Value(env)
	l.add(diags)
	if diags.HasErrors() {
		return cty.UnknownVal(typ)
	}
	out, err := convert.Convert(v, typ)
	if err != nil {
		l.errorf(def.Range(), "Invalid default", "The default does not fit the variable's type: %v.", err)
		return cty.UnknownVal(typ)
	}
	return out
}

// fromText reads a value from the command line or environment: texts as they are, others as HCL.
func fromText(s string, typ cty.Type) (cty.Value, error) {
	if typ == cty.String || typ == cty.DynamicPseudoType {
		return cty.StringVal(s), nil
	}
	e, diags := hclsyntax.ParseExpression([]byte(s), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%q is not a value", s)
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%q is not a value", s)
	}
	return convert.Convert(v, typ)
}
