// Package schema turns the typed configuration of a plugin into the schema that the daemon checks
// the operator's HCL against, and the checked configuration back into the struct.
//
// The tags of a field are:
//
//	config:"name"           the attribute's or block's name; required
//	config:"name,required"  the attribute must be set
//	doc:"…"                 one sentence for the reference
//	default:"…"             the default, as text for strings and durations, else as JSON
//	choices:"a,b"           the allowed values of a string
//	format:"path"           narrows a string; duration is set for time.Duration by itself
//	sensitive:"true"        the value is never shown
//	deprecated:"…"          what to use instead
//
// Strings, booleans, numbers, time.Duration, slices and string-keyed maps of those are attributes. A
// struct, or a pointer to one, is a nested block; a slice of structs is a block that may be repeated.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

var durationType = reflect.TypeFor[time.Duration]()

// Of returns the schema of a configuration struct. Errors are mistakes of the plugin's author: what
// a tag says and nobody would ever heed is refused, because a secret that is not kept for a misspelt tag
// shows too late.
func Of(t reflect.Type) (*pluginv1.ConfigSchema, error) {
	return of(base(t), map[reflect.Type]bool{})
}

func of(t reflect.Type, within map[reflect.Type]bool) (*pluginv1.ConfigSchema, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("configuration type %s is not a struct", t)
	}
	if within[t] {
		return nil, fmt.Errorf("type %s is within itself, for which HCL has no form", t)
	}
	within[t] = true
	defer delete(within, t)
	out, names := &pluginv1.ConfigSchema{}, map[string]bool{}
	for f := range t.Fields() {
		tag, ok := f.Tag.Lookup("config")
		if !ok && f.Anonymous && base(f.Type).Kind() == reflect.Struct && tagged(base(f.Type)) {
			return nil, fmt.Errorf("field %s of %s: an embedded struct needs a config tag, which makes it a block", f.Name, t)
		}
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		err := checkTag(f, name, options)
		if err == nil && names[name] {
			err = fmt.Errorf("the name %q is there already", name)
		}
		names[name] = true
		if err == nil {
			err = field(out, f, name, options == "required", within)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
	}
	return out, nil
}

// tagged reports whether any field of a struct has a config tag.
func tagged(t reflect.Type) bool {
	for f := range t.Fields() {
		if tag, ok := f.Tag.Lookup("config"); ok && tag != "-" {
			return true
		}
	}
	return false
}

// attributeName is what HCL takes as a name.
var attributeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func checkTag(f reflect.StructField, name, options string) error {
	switch {
	case !f.IsExported():
		return errors.New("a field that is not exported cannot be configured")
	case !attributeName.MatchString(name):
		return fmt.Errorf("the name %q in the config tag is not lower-case letters, digits and underscores", name)
	case options != "" && options != "required":
		return fmt.Errorf("the option %q in the config tag is not known; there is required", options)
	}
	return nil
}

// attributeTags are the tags that say nothing on a block.
var attributeTags = []string{"default", "choices", "format", "sensitive", "deprecated"}

func field(out *pluginv1.ConfigSchema, f reflect.StructField, name string, required bool, within map[reflect.Type]bool) error {
	ft := base(f.Type)
	elem, list := ft, false
	if ft.Kind() == reflect.Slice {
		elem, list = base(ft.Elem()), true
	}
	if elem.Kind() == reflect.Struct {
		for _, tag := range attributeTags {
			if _, ok := f.Tag.Lookup(tag); ok {
				return fmt.Errorf("a block takes no %s tag; put it on the block's attributes", tag)
			}
		}
		if !tagged(elem) {
			return fmt.Errorf("type %s has no form in HCL: none of its fields has a config tag", elem)
		}
		nested, err := of(elem, within)
		if err != nil {
			return err
		}
		out.Blocks = append(out.Blocks, &pluginv1.NestedBlock{Name: name, Schema: nested, List: list, Required: required, Doc: f.Tag.Get("doc")})
		return nil
	}
	typ, err := expression(ft)
	if err != nil {
		return err
	}
	a := &pluginv1.Attribute{
		Name: name, Type: typ, Required: required, Doc: f.Tag.Get("doc"), Format: f.Tag.Get("format"), Deprecated: f.Tag.Get("deprecated"),
	}
	if s, ok := f.Tag.Lookup("sensitive"); ok {
		if a.Sensitive, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("the sensitive tag is %q; write true or false", s)
		}
	}
	switch {
	case a.Format != "" && ft.Kind() != reflect.String:
		return fmt.Errorf("the format %q is for strings", a.Format)
	case a.Format != "" && a.Format != "path" && a.Format != "url" && a.Format != "duration":
		return fmt.Errorf("the format %q is not known; there are path, url and duration", a.Format)
	case ft == durationType:
		a.Format = "duration"
	}
	if c, ok := f.Tag.Lookup("choices"); ok {
		if ft.Kind() != reflect.String || c == "" {
			return errors.New("choices are for strings, separated by commas")
		}
		a.Choices = strings.Split(c, ",")
	}
	if d, ok := f.Tag.Lookup("default"); ok {
		if required {
			return errors.New("what is required has no use for a default")
		}
		if a.DefaultJson, err = defaultJSON(ft, d); err != nil {
			return fmt.Errorf("default %q: %w", d, err)
		}
		if a.Choices != nil && !slices.Contains(a.Choices, d) {
			return fmt.Errorf("default %q is none of %s", d, strings.Join(a.Choices, ", "))
		}
	}
	out.Attributes = append(out.Attributes, a)
	return nil
}

func defaultJSON(t reflect.Type, text string) ([]byte, error) {
	b := []byte(text)
	if t == durationType || t.Kind() == reflect.String {
		var err error
		if b, err = json.Marshal(text); err != nil {
			return nil, err
		}
	}
	if errs := decodeValue(b, reflect.New(t).Elem(), nil); len(errs) > 0 {
		return nil, errs[0].Err
	}
	return b, nil
}

// expression is HCL's type expression for a Go type.
func expression(t reflect.Type) (string, error) {
	if t == durationType {
		return "string", nil
	}
	switch t.Kind() {
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "bool", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return "number", nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			// encoding/json takes it for a text in base64.
			return "", fmt.Errorf("type %s has no form in HCL; take a string", t)
		}
		e, err := expression(t.Elem())
		return "list(" + e + ")", err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return "", fmt.Errorf("maps need string keys, not %s", t.Key())
		}
		e, err := expression(t.Elem())
		return "map(" + e + ")", err
	case reflect.Interface:
		return "any", nil
	}
	return "", fmt.Errorf("type %s has no form in HCL", t)
}

// Error is one thing wrong with a configuration. Path leads to the attribute, outermost first.
type Error struct {
	Path []string
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return strings.Join(e.Path, ".") + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Decode fills the struct that to points to from a configuration as JSON, with defaults, and returns
// everything that is wrong: unknown and missing attributes, values of the wrong type, values that are
// not among the choices. The daemon has checked the same things where it had the schema; a plugin
// that is called by another program has not had that.
func Decode(data []byte, to any) []*Error {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return []*Error{{Err: fmt.Errorf("configuration is not a JSON object: %w", err)}}
	}
	return decodeStruct(object, reflect.ValueOf(to).Elem(), nil)
}

func decodeStruct(object map[string]json.RawMessage, v reflect.Value, path []string) (errs []*Error) {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		tag, ok := f.Tag.Lookup("config")
		if len(f.Index) > 1 || !f.IsExported() || !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		known[name] = true
		at := append(append([]string{}, path...), name)
		raw, set := object[name]
		if set && string(raw) == "null" {
			set = false
		}
		fv := v.FieldByIndex(f.Index)
		if !set {
			if d, has := f.Tag.Lookup("default"); has {
				text, err := defaultJSON(base(f.Type), d)
				if err != nil {
					errs = append(errs, &Error{at, err})
					continue
				}
				raw, set = text, true
			}
		}
		switch {
		case set:
			wrong := decodeValue(raw, fv, at)
			errs = append(errs, wrong...)
			if c := f.Tag.Get("choices"); len(wrong) == 0 && c != "" && base(f.Type).Kind() == reflect.String {
				errs = append(errs, choice(reflect.Indirect(fv).String(), strings.Split(c, ","), at)...)
			}
		case options == "required":
			errs = append(errs, &Error{at, fmt.Errorf("%q is required", name)})
		case base(f.Type).Kind() == reflect.Struct && f.Type.Kind() == reflect.Struct:
			// A block that is left out still has its defaults.
			errs = append(errs, defaults(fv, at)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !known[name] {
			errs = append(errs, &Error{append(append([]string{}, path...), name), fmt.Errorf("%q is not known", name)})
		}
	}
	return errs
}

// defaults fills an absent block; what it requires is required only where the block is there.
func defaults(v reflect.Value, path []string) (errs []*Error) {
	for _, e := range decodeStruct(nil, v, path) {
		if !strings.HasSuffix(e.Err.Error(), "is required") {
			errs = append(errs, e)
		}
	}
	return errs
}

func choice(got string, choices []string, path []string) []*Error {
	for _, c := range choices {
		if got == c {
			return nil
		}
	}
	return []*Error{{path, fmt.Errorf("%q is none of %s", got, strings.Join(choices, ", "))}}
}

func base(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func decodeValue(raw json.RawMessage, v reflect.Value, path []string) []*Error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(raw, v.Elem(), path)
	}
	switch {
	case v.Type() == durationType:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return []*Error{{path, fmt.Errorf("a duration is written like \"90s\"")}}
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return []*Error{{path, fmt.Errorf("%q is not a duration such as \"90s\" or \"5m\"", text)}}
		}
		v.SetInt(int64(d))
		return nil
	case v.Kind() == reflect.Struct:
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			return []*Error{{path, fmt.Errorf("a block is wanted")}}
		}
		return decodeStruct(object, v, path)
	case v.Kind() == reflect.Slice && base(v.Type().Elem()).Kind() == reflect.Struct && base(v.Type().Elem()) != durationType:
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return []*Error{{path, fmt.Errorf("a list of blocks is wanted")}}
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		var errs []*Error
		for i, e := range list {
			errs = append(errs, decodeValue(e, v.Index(i), append(append([]string{}, path...), strconv.Itoa(i)))...)
		}
		return errs
	case v.Kind() == reflect.Slice && v.Type().Elem() == durationType:
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return []*Error{{path, fmt.Errorf("a list of durations is wanted")}}
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		var errs []*Error
		for i, e := range list {
			errs = append(errs, decodeValue(e, v.Index(i), append(append([]string{}, path...), strconv.Itoa(i)))...)
		}
		return errs
	}
	if v.Kind() == reflect.Map && v.Type().Elem() == durationType {
		var texts map[string]json.RawMessage
		if err := json.Unmarshal(raw, &texts); err != nil {
			return []*Error{{path, fmt.Errorf("a map of durations is wanted")}}
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(texts)))
		var errs []*Error
		for _, k := range slices.Sorted(maps.Keys(texts)) {
			d := reflect.New(durationType).Elem()
			errs = append(errs, decodeValue(texts[k], d, append(append([]string{}, path...), k))...)
			v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), d)
		}
		return errs
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		want, _ := expression(v.Type())
		return []*Error{{path, fmt.Errorf("a %s is wanted", want)}}
	}
	return nil
}
