package intake

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/regent-dev/regent/core/record"
)

// ItemType is what a collector declares of one resource type.
type ItemType struct {
	Type string
	// Schema is a JSON Schema of the whole item; empty where there is none.
	Schema              []byte
	Volatile, Sensitive []string
}

// EventSource is what a collector declares of one source of events.
type EventSource struct {
	Source string
	// Schema is a JSON Schema of the event's detail; empty where there is none.
	Schema    []byte
	Sensitive []string
}

// Types are the compiled declarations of one collector. They are not changed once made.
type Types struct {
	items  map[string]*declared
	events map[string]*declared
	// sensitive are the sensitive paths of all types together.
	sensitive *record.Paths
}

type declared struct {
	schema    *schema
	volatile  *record.Paths
	sensitive *record.Paths
}

// NewTypes compiles what a collector declares.
func NewTypes(items []ItemType, events []EventSource) (*Types, error) {
	t := &Types{items: map[string]*declared{}, events: map[string]*declared{}}
	var all []string
	for _, it := range items {
		d, err := declare(it.Type, it.Schema, it.Volatile, it.Sensitive)
		if err != nil {
			return nil, fmt.Errorf("declared type %s: %w", it.Type, err)
		}
		t.items[it.Type] = d
		all = append(all, it.Sensitive...)
	}
	for _, ev := range events {
		d, err := declare(ev.Source, ev.Schema, nil, ev.Sensitive)
		if err != nil {
			return nil, fmt.Errorf("declared source %s: %w", ev.Source, err)
		}
		t.events[ev.Source] = d
		all = append(all, ev.Sensitive...)
	}
	var err error
	if t.sensitive, err = record.NewPaths(all...); err != nil {
		return nil, err
	}
	return t, nil
}

func declare(name string, raw []byte, volatile, sensitive []string) (*declared, error) {
	var d declared
	var err error
	if d.volatile, err = record.NewPaths(volatile...); err != nil {
		return nil, fmt.Errorf("volatile path: %w", err)
	}
	if d.sensitive, err = record.NewPaths(sensitive...); err != nil {
		return nil, fmt.Errorf("sensitive path: %w", err)
	}
	if len(raw) > 0 {
		if d.schema, err = compile(name, raw); err != nil {
			return nil, err
		}
	}
	return &d, nil
}

// schema is a compiled JSON Schema. Validation is safe for concurrent use.
type schema struct{ compiled *jsonschema.Schema }

func compile(name string, raw []byte) (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("schema is not valid JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	// A schema comes from a plugin: it must not make the daemon read files or the network.
	c.UseLoader(refuseLoader{})
	url := "declared:" + name
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("add schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &schema{compiled}, nil
}

// refuseLoader is a jsonschema.URLLoader that loads nothing.
type refuseLoader struct{}

func (refuseLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("schema refers to %s; only references within the schema are allowed", url)
}

// check holds a record against the schema. It is the record in the clear that must fit, since what
// redaction puts in a value's place is of another type; but what is said of a misfit is said of the
// redacted record, because messages quote values.
func (s *schema) check(clear, redacted []byte) error {
	return s.fits(clear, redacted, func(doc any) any { return doc })
}

// checkDetail holds the member detail of an event against the schema.
func (s *schema) checkDetail(clear, redacted []byte) error {
	return s.fits(clear, redacted, func(doc any) any {
		object, _ := doc.(map[string]any)
		return object["detail"]
	})
}

func (s *schema) fits(clear, redacted []byte, part func(any) any) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(clear))
	if err != nil {
		return err
	}
	if s.compiled.Validate(part(doc)) == nil {
		return nil
	}
	if doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(redacted)); err != nil {
		return err
	}
	if err := s.compiled.Validate(part(doc)); err != nil {
		return short(err)
	}
	return errors.New("a value at a sensitive path, not shown here, does not fit")
}

// short turns the tree of causes into one line: the first three leaves, with their places.
func short(err error) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	printer := message.NewPrinter(language.English)
	var leaves []string
	total := 0
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 {
			if total++; total <= 3 {
				at := "/" + strings.Join(v.InstanceLocation, "/")
				if extra, ok := v.ErrorKind.(*kind.AdditionalProperties); ok {
					leaves = append(leaves, fmt.Sprintf("%s has undeclared members %s", at, strings.Join(extra.Properties, ", ")))
				} else {
					leaves = append(leaves, at+": "+v.ErrorKind.LocalizedString(printer))
				}
			}
			return
		}
		for _, c := range v.Causes {
			walk(c)
		}
	}
	walk(v)
	if total > len(leaves) {
		leaves = append(leaves, fmt.Sprintf("and %d more", total-len(leaves)))
	}
	return errors.New(strings.Join(leaves, "; "))
}
