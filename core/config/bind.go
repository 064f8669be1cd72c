package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/regent-dev/regent/core/diag"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Bind decodes an instance's config block with its plugin's schema and keeps it as JSON.
func (c *Config) Bind(inst *Instance, schema *pluginv1.ConfigSchema) diag.Problems {
	spec, err := objectSpec(schema)
	if err != nil {
		return diag.Problems{{Severity: diag.Error, Summary: "Invalid plugin schema", Detail: fmt.Sprintf("The plugin %s describes its configuration wrong: %v.", inst.Plugin, err), Where: &inst.Where}}
	}
	body := inst.Body
	if body == nil {
		body = hcl.EmptyBody()
	}
	v, diags := hcldec.Decode(body, spec, c.eval)
	for _, d := range diags {
		// A missing attribute is reported at the end of an absent block: the instance is the place.
		if d.Subject == nil || d.Subject.Filename == "" {
			d.Subject = inst.block.DefRange.Ptr()
		}
	}
	problems := FromHCL(inContext(diags, inst.block))
	if diags.HasErrors() {
		return problems
	}
	problems = append(problems, check(inst, schema, v, nil)...)
	plain, _ := v.UnmarkDeep()
	j, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		problems.Errorf(&inst.Where, "Invalid configuration", "%v.", err)
		return problems
	}
	if inst.Config, err = dropNull(j); err != nil {
		problems.Errorf(&inst.Where, "Invalid configuration", "%v.", err)
	}
	return problems
}

// Place returns where in the operator's files the attribute of an instance's config block stands that a
// path leads to; the nearest block that is there where the attribute itself is not.
func (c *Config) Place(inst *Instance, path []string) *diag.Range {
	at := inst.Where
	body, ok := inst.Body.(*hclsyntax.Body)
	if !ok {
		return &at
	}
	if b, isBlock := enclosing(inst); isBlock {
		at = b
	}
	for i := 0; i < len(path); i++ {
		name := path[i]
		if a := body.Attributes[name]; a != nil {
			at = Range(a.SrcRange)
			return &at
		}
		var blocks []*hclsyntax.Block
		for _, b := range body.Blocks {
			if b.Type == name {
				blocks = append(blocks, b)
			}
		}
		if len(blocks) == 0 {
			return &at
		}
		n := 0
		if i+1 < len(path) {
			if k, err := strconv.Atoi(path[i+1]); err == nil {
				n = min(k, len(blocks)-1)
				i++
			}
		}
		at = Range(blocks[n].DefRange())
		body = blocks[n].Body
	}
	return &at
}

// enclosing is the place of the config block's header.
func enclosing(inst *Instance) (diag.Range, bool) {
	outer, ok := inst.block.Body.(*hclsyntax.Body)
	if !ok {
		return diag.Range{}, false
	}
	for _, b := range outer.Blocks {
		if b.Type == "config" {
			return Range(b.DefRange()), true
		}
	}
	return diag.Range{}, false
}

func objectSpec(s *pluginv1.ConfigSchema) (hcldec.ObjectSpec, error) {
	spec := hcldec.ObjectSpec{}
	for _, a := range s.GetAttributes() {
		typ, err := typeOf(a.GetType())
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", a.GetName(), err)
		}
		spec[a.GetName()] = &hcldec.AttrSpec{Name: a.GetName(), Type: typ, Required: a.GetRequired()}
	}
	for _, b := range s.GetBlocks() {
		nested, err := objectSpec(b.GetSchema())
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", b.GetName(), err)
		}
		if b.GetList() {
			least := 0
			if b.GetRequired() {
				least = 1
			}
			spec[b.GetName()] = &hcldec.BlockTupleSpec{TypeName: b.GetName(), Nested: nested, MinItems: least}
			continue
		}
		spec[b.GetName()] = &hcldec.BlockSpec{TypeName: b.GetName(), Nested: nested, Required: b.GetRequired()}
	}
	return spec, nil
}

func typeOf(expression string) (cty.Type, error) {
	if expression == "any" || expression == "" {
		return cty.DynamicPseudoType, nil
	}
	e, diags := hclsyntax.ParseExpression([]byte(expression), "type", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("%q is no type", expression)
	}
	t, diags := typeexpr.TypeConstraint(e)
	if diags.HasErrors() {
		return cty.NilType, fmt.Errorf("%q is no type", expression)
	}
	return t, nil
}

// check holds values against what HCL types do not say: choices and formats.
func check(inst *Instance, s *pluginv1.ConfigSchema, v cty.Value, path []string) diag.Problems {
	var out diag.Problems
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	c := &Config{}
	for _, a := range s.GetAttributes() {
		at := append(slices.Clone(path), a.GetName())
		x := v.GetAttr(a.GetName())
		_, marks := x.Unmark()
		x, _ = x.UnmarkDeep()
		if x.IsNull() || x.Type() != cty.String {
			continue
		}
		if a.GetDeprecated() != "" {
			out.Warnf(c.Place(inst, at), "Deprecated attribute", "%s", a.GetDeprecated())
		}
		shown := strconv.Quote(x.AsString())
		if len(marks) > 0 || a.GetSensitive() {
			shown = "The value"
		}
		if ch := a.GetChoices(); len(ch) > 0 && !slices.Contains(ch, x.AsString()) {
			out.Errorf(c.Place(inst, at), "Unknown "+a.GetName(), "%s is none of %s.%s", shown, strings.Join(ch, ", "), didYouMean(x.AsString(), ch))
		}
		if a.GetFormat() == "duration" {
			if _, err := time.ParseDuration(x.AsString()); err != nil {
				out.Errorf(c.Place(inst, at), "Invalid "+a.GetName(), "%s is not a duration such as \"90s\" or \"5m\".", shown)
			}
		}
	}
	for _, b := range s.GetBlocks() {
		x := v.GetAttr(b.GetName())
		at := append(slices.Clone(path), b.GetName())
		if x.IsNull() {
			continue
		}
		if !b.GetList() {
			out = append(out, check(inst, b.GetSchema(), x, at)...)
			continue
		}
		i := 0
		for it := x.ElementIterator(); it.Next(); i++ {
			_, e := it.Element()
			out = append(out, check(inst, b.GetSchema(), e, append(slices.Clone(at), strconv.Itoa(i)))...)
		}
	}
	return out
}

// dropNull removes members that are null: to the plugin they were not set.
func dropNull(j []byte) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(withoutNull(v))
}

func withoutNull(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e == nil {
				delete(x, k)
				continue
			}
			x[k] = withoutNull(e)
		}
	case []any:
		for i := range x {
			x[i] = withoutNull(x[i])
		}
	}
	return v
}
