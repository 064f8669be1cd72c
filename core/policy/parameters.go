package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/record"
)

// parameterSchema is the declared schema of a policy's parameters, compiled. It is immutable.
type parameterSchema struct {
	// doc is the schema with what is implied written out.
	doc      map[string]any
	compiled *jsonschema.Schema
}

// schemaKeywords are what may stand directly under parameters. JSON Schema ignores what it does not
// know, so the common slip of leaving out `properties` would declare nothing at all.
var schemaKeywords = []string{
	"$comment", "$defs", "$schema", "additionalProperties", "allOf", "anyOf", "default", "definitions",
	"dependentRequired", "dependentSchemas", "description", "else", "examples", "if", "maxProperties",
	"minProperties", "not", "oneOf", "patternProperties", "properties", "propertyNames", "required",
	"then", "title", "type",
}

// noLoader refuses every reference out of the schema: a policy's parameters must not depend on what
// stands elsewhere on a disk or in the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("schema refers to %s; parameters may refer only to their own $defs", url)
}

// newParameterSchema completes and compiles a declaration. The error is a sentence for its author.
func newParameterSchema(declared any, cache *Cache) (*parameterSchema, error) {
	text, err := json.Marshal(declared)
	if err != nil {
		return nil, fmt.Errorf("parameters cannot be written as JSON: %w", err)
	}
	key := record.Sum(text)
	if s := cache.parameterSchema(key); s != nil {
		return s, nil
	}
	m, ok := declared.(map[string]any)
	if !ok {
		return nil, errors.New("parameters must be a JSON Schema: write parameters: {properties: {name: {type: string}}}")
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(schemaKeywords, k) {
			if _, sub := m[k].(map[string]any); sub && m["properties"] == nil {
				return nil, fmt.Errorf("%q stands where JSON Schema expects a keyword; put the parameters under properties: parameters: {properties: {%s: …}}", k, k)
			}
			return nil, fmt.Errorf("%q is not a keyword of JSON Schema.%s", k, dialect.DidYouMean(k, schemaKeywords))
		}
	}
	doc := maps.Clone(m)
	if doc["type"] == nil {
		doc["type"] = "object"
	}
	if doc["type"] != "object" {
		return nil, errors.New("parameters are an object; leave type out")
	}
	// An operator's misspelt parameter must not be taken for one that is simply not read.
	if doc["additionalProperties"] == nil && doc["patternProperties"] == nil {
		doc["additionalProperties"] = false
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.AssertFormat()
	const url = "regent:///parameters"
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("parameters are not a JSON Schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		var invalid *jsonschema.SchemaValidationError
		if errors.As(err, &invalid) {
			var ve *jsonschema.ValidationError
			if errors.As(invalid.Err, &ve) {
				missing, why := explain(ve)
				return nil, fmt.Errorf("parameters are not a JSON Schema: %s", strings.Join(append(missing, why...), "; "))
			}
		}
		return nil, fmt.Errorf("parameters are not a JSON Schema: %s", strings.ReplaceAll(err.Error(), url, ""))
	}
	s := &parameterSchema{doc: doc, compiled: compiled}
	cache.putParameterSchema(key, s)
	return s, nil
}

// effective returns the parameters that the policy sees: the operator's over the defaults of the
// schema, in canonical form. broken says why they do not fit the schema although nobody overrode
// anything, which is so where a required parameter has no default; the policy then loads, and every
// evaluation of it is an ERROR that says so.
func (s *parameterSchema) effective(override json.RawMessage) (params json.RawMessage, broken string, wrong []string) {
	value := map[string]any{}
	if len(override) > 0 {
		dec := json.NewDecoder(bytes.NewReader(override))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, "", []string{"the parameters are not JSON: " + err.Error()}
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, "", []string{"the parameters must be an object"}
		}
		value = m
	}
	defaults(s.doc, value)
	text, err := json.Marshal(value)
	if err == nil {
		params, err = record.Canonical(text)
	}
	if err != nil {
		return nil, "", []string{"the parameters cannot be written as JSON: " + err.Error()}
	}
	if err := s.compiled.Validate(value); err != nil {
		var ve *jsonschema.ValidationError
		if !errors.As(err, &ve) {
			return params, "", []string{err.Error()}
		}
		missing, why := explain(ve)
		if len(override) == 0 {
			return params, strings.Join(missing, "; "), why
		}
		return params, "", s.suggest(ve, append(missing, why...))
	}
	return params, "", nil
}

// defaults fills in the defaults of a schema's properties, down into objects. An object that is not
// given at all comes to be where something in it has a default.
func defaults(schema map[string]any, value map[string]any) {
	props, _ := schema["properties"].(map[string]any)
	for name, p := range props {
		sub, _ := p.(map[string]any)
		if sub == nil {
			continue
		}
		if _, given := value[name]; !given {
			if d, ok := sub["default"]; ok {
				value[name] = clone(d)
			} else if _, nested := sub["properties"]; nested {
				inner := map[string]any{}
				if defaults(sub, inner); len(inner) > 0 {
					value[name] = inner
				}
			}
		}
		if inner, ok := value[name].(map[string]any); ok {
			defaults(sub, inner)
		}
	}
}

// clone copies what JSON decodes to: the schema's defaults are shared between generations.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// leaves calls fn for the errors that have no cause of their own.
func leaves(e *jsonschema.ValidationError, fn func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		fn(e)
	}
	for _, c := range e.Causes {
		leaves(c, fn)
	}
}

// explain returns one phrase for each thing that is wrong; what is merely not set stands apart.
func explain(e *jsonschema.ValidationError) (missing, out []string) {
	p := message.NewPrinter(language.English)
	// Where the alternatives of a schema all fail at one place, the one that lists what may stand
	// there says enough.
	listed := map[string]bool{}
	leaves(e, func(l *jsonschema.ValidationError) {
		if _, ok := l.ErrorKind.(*kind.Enum); ok {
			listed[strings.Join(l.InstanceLocation, ".")] = true
		}
	})
	leaves(e, func(l *jsonschema.ValidationError) {
		at := strings.Join(l.InstanceLocation, ".")
		if k, ok := l.ErrorKind.(*kind.Required); ok {
			for _, name := range k.Missing {
				missing = append(missing, fmt.Sprintf("%q is not set", strings.TrimPrefix(at+"."+name, ".")))
			}
			return
		}
		if _, enum := l.ErrorKind.(*kind.Enum); listed[at] && !enum {
			return
		}
		text := l.ErrorKind.LocalizedString(p)
		if at != "" {
			text = at + ": " + text
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	})
	slices.Sort(missing)
	slices.Sort(out)
	return missing, out
}

// suggest adds what a misspelt parameter was probably meant to be.
func (s *parameterSchema) suggest(e *jsonschema.ValidationError, why []string) []string {
	leaves(e, func(l *jsonschema.ValidationError) {
		k, ok := l.ErrorKind.(*kind.AdditionalProperties)
		if !ok {
			return
		}
		names := s.names(l.InstanceLocation)
		for _, p := range k.Properties {
			at := strings.Join(append(slices.Clone(l.InstanceLocation), p), ".")
			text := fmt.Sprintf("there is no parameter %q.%s", at, dialect.DidYouMean(p, names))
			if len(names) > 0 {
				text += " The parameters are " + dialect.Listed(names) + "."
			} else {
				text += " The policy has no parameters."
			}
			why = append(why, text)
		}
		// What the library says about the same members is said better now.
		old := strings.Join(l.InstanceLocation, ".")
		why = slices.DeleteFunc(why, func(t string) bool {
			return strings.HasPrefix(strings.TrimPrefix(t, old+": "), "additional properties ")
		})
	})
	return why
}

// names lists the properties of the object at a location.
func (s *parameterSchema) names(at []string) []string {
	doc := s.doc
	for _, k := range at {
		props, _ := doc["properties"].(map[string]any)
		if doc, _ = props[k].(map[string]any); doc == nil {
			return nil
		}
	}
	props, _ := doc["properties"].(map[string]any)
	return slices.Collect(maps.Keys(props))
}

// parameterless is the schema of a policy that declares none.
func parameterless(cache *Cache) *parameterSchema {
	s, err := newParameterSchema(map[string]any{}, cache)
	if err != nil {
		// An empty schema is one.
		panic(err)
	}
	return s
}

// applyParameters sets the policy's effective parameters.
func (b *builder) applyParameters(c *candidate) {
	schema, at := parameterless(b.opt.Cache), c.md.at["parameters"]
	if c.md.parameters != nil {
		s, err := newParameterSchema(c.md.parameters, b.opt.Cache)
		if err != nil {
			b.errorf(c, at, "Parameters are not a schema", "%s", dialect.Sentence(err.Error()))
			return
		}
		schema = s
	}
	c.params = schema
	override, overridden := b.opt.Overrides[c.policy.ID]
	// The declaration is checked by itself first, so that its author's mistake is not shown at the
	// operator's line.
	params, broken, wrong := schema.effective(nil)
	for _, w := range wrong {
		b.errorf(c, at, "Parameter default does not fit", "The defaults do not fit the schema that declares them: %s", dialect.Sentence(w))
	}
	if overridden && len(override.Parameters) > 0 && len(wrong) == 0 {
		params, broken, wrong = schema.effective(override.Parameters)
		where := override.ParametersWhere
		if where == nil {
			where = override.Where
		}
		for _, w := range wrong {
			b.errorf(c, where, "Parameter does not fit", "Parameters of %s: %s", c.policy.ID, dialect.Sentence(w))
		}
	}
	if broken != "" {
		b.warnf(c, at, "Parameter is not set", "%s needs parameters that have no default: %s. Until the configuration sets them, every verdict of it is ERROR.", c.policy.ID, broken)
	}
	c.policy.Parameters, c.broken = params, broken
}
