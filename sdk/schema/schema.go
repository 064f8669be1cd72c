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
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

var durationType = reflect.TypeFor[time.Duration]()

// Of returns the schema of a configuration struct. Errors are mistakes of the plugin's author.
func Of(t reflect.Type) (*pluginv1.ConfigSchema, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("configuration type %s is not a struct", t)
	}
	out := &pluginv1.ConfigSchema{}
	for _, f := range reflect.VisibleFields(t) {
		if len(f.Index) > 1 || !f.IsExported() {
			continue
		}
		tag, ok := f.Tag.Lookup("config")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if err := field(out, f, name, options == "required"); err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
	}
	return out, nil
}

func field(out *pluginv1.ConfigSchema, f reflect.StructField, name string, required bool) error {
	ft := f.Type
	for ft.Kind() == reflect.Pointer {
		ft = ft.Elem()
	}
	elem, list := ft, false
	if ft.Kind() == reflect.Slice {
		elem, list = ft.Elem(), true
		for elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
	}
	if elem.Kind() == reflect.Struct {
		nested, err := Of(elem)
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
		Name: name, Type: typ, Required: required, Doc: f.Tag.Get("doc"), Format: f.Tag.Get("format"),
		Sensitive: f.Tag.Get("sensitive") == "true", Deprecated: f.Tag.Get("deprecated"),
	}
	if ft == durationType {
		a.Format = "duration"
	}
	if c := f.Tag.Get("choices"); c != "" {
		a.Choices = strings.Split(c, ",")
	}
	if d, ok := f.Tag.Lookup("default"); ok {
		if a.DefaultJson, err = defaultJSON(ft, d); err != nil {
			return fmt.Errorf("default %q: %w", d, err)
		}
	}
	out.Attributes = append(out.Attributes, a)
	return nil
}

func defaultJSON(t reflect.Type, text string) ([]byte, error) {
	if t == durationType {
		if _, err := time.ParseDuration(text); err != nil {
			return nil, err
		}
		return json.Marshal(text)
	}
	if t.Kind() == reflect.String {
		return json.Marshal(text)
	}
	v := reflect.New(t)
	if err := json.Unmarshal([]byte(text), v.Interface()); err != nil {
		return nil, err
	}
	return []byte(text), nil
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
			errs = append(errs, decodeValue(raw, fv, at)...)
			if c := f.Tag.Get("choices"); c != "" && base(f.Type).Kind() == reflect.String {
				errs = append(errs, choice(reflect.Indirect(fv).String(), strings.Split(c, ","), at)...)
			}
		case options == "required":
			errs = append(errs, &Error{at, fmt.Errorf("%q is required", name)})
		case base(f.Type).Kind() == reflect.Struct && f.Type.Kind() == reflect.Struct:
			// A block that is left out still has its defaults.
			errs = append(errs, defaults(fv, at)...)
		}
	}
	for name := range object {
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
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		want, _ := expression(v.Type())
		return []*Error{{path, fmt.Errorf("a %s is wanted", want)}}
	}
	return nil
}
