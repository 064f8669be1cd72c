package schema_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/schema"
)

type inner struct {
	File string `config:"file,required" format:"path"`
	Mode string `config:"mode" choices:"r,rw" default:"r"`
}

type deep struct {
	TLS *inner `config:"tls"`
}

type whole struct {
	Name     string                   `config:"name,required" doc:"A name."`
	Token    string                   `config:"token" sensitive:"true"`
	Open     string                   `config:"open" sensitive:"false"`
	Old      string                   `config:"old" deprecated:"Use name."`
	URL      *string                  `config:"url" format:"url"`
	On       bool                     `config:"on" default:"true"`
	Count    *int                     `config:"count"`
	Ratio    float64                  `config:"ratio" default:"0.5"`
	Wait     time.Duration            `config:"wait" default:"90s"`
	Waits    []time.Duration          `config:"waits" default:"[\"1s\",\"2m\"]"`
	Limits   map[string]time.Duration `config:"limits"`
	List     []string                 `config:"list" default:"[\"a\"]"`
	Lists    [][]int                  `config:"lists"`
	Map      map[string]string        `config:"map" sensitive:"true"`
	Counts   map[string][]int         `config:"counts"`
	Anything any                      `config:"anything"`
	Block    inner                    `config:"block" doc:"A block."`
	Maybe    *deep                    `config:"maybe"`
	Many     []inner                  `config:"many,required"`
	Pointers []*inner                 `config:"pointers"`
	Left     chan int                 `config:"-"`
	Untagged chan int
}

func TestOf(t *testing.T) {
	t.Parallel()
	innerSchema := &pluginv1.ConfigSchema{Attributes: []*pluginv1.Attribute{
		{Name: "file", Type: "string", Required: true, Format: "path"},
		{Name: "mode", Type: "string", Choices: []string{"r", "rw"}, DefaultJson: []byte(`"r"`)},
	}}
	want := &pluginv1.ConfigSchema{
		Attributes: []*pluginv1.Attribute{
			{Name: "name", Type: "string", Required: true, Doc: "A name."},
			{Name: "token", Type: "string", Sensitive: true},
			{Name: "open", Type: "string"},
			{Name: "old", Type: "string", Deprecated: "Use name."},
			{Name: "url", Type: "string", Format: "url"},
			{Name: "on", Type: "bool", DefaultJson: []byte("true")},
			{Name: "count", Type: "number"},
			{Name: "ratio", Type: "number", DefaultJson: []byte("0.5")},
			{Name: "wait", Type: "string", Format: "duration", DefaultJson: []byte(`"90s"`)},
			{Name: "waits", Type: "list(string)", DefaultJson: []byte(`["1s","2m"]`)},
			{Name: "limits", Type: "map(string)"},
			{Name: "list", Type: "list(string)", DefaultJson: []byte(`["a"]`)},
			{Name: "lists", Type: "list(list(number))"},
			{Name: "map", Type: "map(string)", Sensitive: true},
			{Name: "counts", Type: "map(list(number))"},
			{Name: "anything", Type: "any"},
		},
		Blocks: []*pluginv1.NestedBlock{
			{Name: "block", Schema: innerSchema, Doc: "A block."},
			{Name: "maybe", Schema: &pluginv1.ConfigSchema{Blocks: []*pluginv1.NestedBlock{{Name: "tls", Schema: innerSchema}}}},
			{Name: "many", Schema: innerSchema, List: true, Required: true},
			{Name: "pointers", Schema: innerSchema, List: true},
		},
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[whole](), reflect.TypeFor[*whole]()} {
		got, err := schema.Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("the schema of %s (-want +got):\n%s", typ, diff)
		}
	}
	if got, err := schema.Of(reflect.TypeFor[struct{}]()); err != nil || len(got.GetAttributes()) != 0 {
		t.Errorf("a plugin without configuration: %v, %v", got, err)
	}
}

type recursive struct {
	Next *recursive `config:"next"`
}

type Embedded struct {
	Name string `config:"name"`
}

// TestOfRefuses holds the mistakes that an author makes in tags against errors that say what to do.
func TestOfRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config any
		want   []string
	}{
		"no struct": {0, []string{"int is not a struct"}},
		"no name": {struct {
			A string `config:""`
		}{}, []string{"field A", "name"}},
		"only options": {struct {
			A string `config:",required"`
		}{}, []string{"field A", "name"}},
		"a name HCL has no form for": {struct {
			A string `config:"a.b"`
		}{}, []string{"field A", `"a.b"`}},
		"unknown option": {struct {
			A string `config:"a,requird"`
		}{}, []string{"field A", `"requird"`, "required"}},
		"a name twice": {struct {
			A string   `config:"a"`
			B []string `config:"a"`
		}{}, []string{"field B", `"a"`, "already"}},
		"a block of an attribute's name": {struct {
			A string `config:"a"`
			B inner  `config:"a"`
		}{}, []string{"field B", `"a"`}},
		"not exported": {struct {
			a string `config:"a"`
		}{}, []string{"field a", "not exported"}},
		"embedded": {struct{ Embedded }{}, []string{"field Embedded", "embedded"}},
		"secret misspelt": {struct {
			A string `config:"a" sensitive:"yes"`
		}{}, []string{"field A", `"yes"`, "true or false"}},
		"secret block": {struct {
			A inner `config:"a" sensitive:"true"`
		}{}, []string{"field A", "block", "sensitive"}},
		"default of a block": {struct {
			A []inner `config:"a" default:"[]"`
		}{}, []string{"field A", "block", "default"}},
		"default of another type": {struct {
			A int `config:"a" default:"x"`
		}{}, []string{"field A", `default "x"`, "number"}},
		"default duration": {struct {
			A time.Duration `config:"a" default:"90"`
		}{}, []string{"field A", `default "90"`, "duration"}},
		"default list of durations": {struct {
			A []time.Duration `config:"a" default:"[\"1s\",\"x\"]"`
		}{}, []string{"field A", "duration"}},
		"default of what is required": {struct {
			A string `config:"a,required" default:"x"`
		}{}, []string{"field A", "required", "default"}},
		"default that is no choice": {struct {
			A string `config:"a" choices:"x,y" default:"z"`
		}{}, []string{"field A", `"z"`, "x, y"}},
		"choices of numbers": {struct {
			A int `config:"a" choices:"1,2"`
		}{}, []string{"field A", "choices", "strings"}},
		"format of a number": {struct {
			A int `config:"a" format:"path"`
		}{}, []string{"field A", `"path"`, "strings"}},
		"unknown format": {struct {
			A string `config:"a" format:"pth"`
		}{}, []string{"field A", `"pth"`, "path"}},
		"map with other keys": {struct {
			A map[int]string `config:"a"`
		}{}, []string{"field A", "string keys"}},
		"map of structs": {struct {
			A map[string]inner `config:"a"`
		}{}, []string{"field A", "no form in HCL"}},
		"bytes": {struct {
			A []byte `config:"a"`
		}{}, []string{"field A", "string"}},
		"channel": {struct {
			A chan int `config:"a"`
		}{}, []string{"field A", "chan int", "no form in HCL"}},
		"a struct that is no block": {struct {
			A time.Time `config:"a"`
		}{}, []string{"field A", "time.Time", "no form in HCL"}},
		"recursive": {recursive{}, []string{"field Next", "within itself"}},
		"nested": {struct {
			A struct {
				B struct {
					C chan int `config:"c"`
				} `config:"b"`
			} `config:"a"`
		}{}, []string{"field A", "field B", "field C", "no form in HCL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := schema.Of(reflect.TypeOf(c.config))
			if err == nil {
				t.Fatalf("it is taken: %v", got)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	text, three := "https://x", 3
	defaults := whole{
		On: true, Ratio: 0.5, Wait: 90 * time.Second, Waits: []time.Duration{time.Second, 2 * time.Minute}, List: []string{"a"},
		Block: inner{Mode: "r"},
	}
	with := func(change func(*whole)) whole {
		w := defaults
		w.Name, w.Many = "n", []inner{}
		change(&w)
		return w
	}
	for name, c := range map[string]struct {
		config string
		want   whole
	}{
		"defaults":       {`{"name":"n","many":[]}`, with(func(*whole) {})},
		"null is absent": {`{"name":"n","many":[],"on":null,"count":null,"maybe":null}`, with(func(*whole) {})},
		"values": {
			`{"name":"n","many":[],"on":false,"ratio":2,"wait":"1h","waits":[],"limits":{"a":"1s","b":"2s"},"list":["x","y"],"lists":[[1],[2,3]],"map":{"k":"v"},"counts":{"k":[1]},"anything":{"a":[1,"x"]},"url":"https://x","count":3}`,
			with(func(w *whole) {
				w.On, w.Ratio, w.Wait, w.Waits, w.List, w.Lists = false, 2, time.Hour, []time.Duration{}, []string{"x", "y"}, [][]int{{1}, {2, 3}}
				w.Limits = map[string]time.Duration{"a": time.Second, "b": 2 * time.Second}
				w.Map, w.Counts, w.Anything = map[string]string{"k": "v"}, map[string][]int{"k": {1}}, map[string]any{"a": []any{1.0, "x"}}
				w.URL, w.Count = &text, &three
			}),
		},
		"blocks": {
			`{"name":"n","block":{"file":"f"},"maybe":{"tls":{"file":"g","mode":"rw"}},"many":[{"file":"1"},{"file":"2","mode":"rw"}],"pointers":[{"file":"3"}]}`,
			with(func(w *whole) {
				w.Block = inner{"f", "r"}
				w.Maybe = &deep{&inner{"g", "rw"}}
				w.Many, w.Pointers = []inner{{"1", "r"}, {"2", "rw"}}, []*inner{{"3", "r"}}
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got whole
			if errs := schema.Decode([]byte(c.config), &got); len(errs) > 0 {
				t.Fatalf("it is refused: %v", errs)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	type problem struct{ Path, Text string }
	for name, c := range map[string]struct {
		config string
		want   []problem
	}{
		"nothing":           {"", []problem{{"name", `"name" is required`}, {"many", `"many" is required`}}},
		"no object":         {"[]", []problem{{"", "not a JSON object"}}},
		"two unknown":       {`{"name":"n","many":[],"b":1,"a":1}`, []problem{{"a", `"a" is not known`}, {"b", `"b" is not known`}}},
		"number for text":   {`{"name":1,"many":[]}`, []problem{{"name", "a string is wanted"}}},
		"text for a number": {`{"name":"n","many":[],"count":"x"}`, []problem{{"count", "a number is wanted"}}},
		"text for a list":   {`{"name":"n","many":[],"list":"x"}`, []problem{{"list", "a list(string) is wanted"}}},
		"duration in words": {`{"name":"n","many":[],"wait":"soon"}`, []problem{{"wait", `"soon" is not a duration`}}},
		"duration bare":     {`{"name":"n","many":[],"wait":5}`, []problem{{"wait", "written like"}}},
		"durations":         {`{"name":"n","many":[],"waits":["1s","x"],"limits":{"b":"1s","a":"y"}}`, []problem{{"waits.1", `"x"`}, {"limits.a", `"y"`}}},
		"no block":          {`{"name":"n","many":[],"block":1}`, []problem{{"block", "a block is wanted"}}},
		"no list of blocks": {`{"name":"n","many":{}}`, []problem{{"many", "a list of blocks is wanted"}}},
		"within blocks": {
			`{"name":"n","block":{},"maybe":{"tls":{"file":1,"x":2}},"many":[{"file":"f"},{"mode":"w"}]}`,
			[]problem{{"block.file", "is required"}, {"maybe.tls.file", "a string is wanted"}, {"maybe.tls.x", "is not known"}, {"many.1.file", "is required"}, {"many.1.mode", `"w" is none of r, rw`}},
		},
		"a choice of the wrong type is one error": {`{"name":"n","many":[],"block":{"file":"f","mode":1}}`, []problem{{"block.mode", "a string is wanted"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var to whole
			var got []problem
			for i, e := range schema.Decode([]byte(c.config), &to) {
				p := problem{strings.Join(e.Path, "."), e.Err.Error()}
				if i < len(c.want) && strings.Contains(p.Text, c.want[i].Text) {
					p.Text = c.want[i].Text
				}
				got = append(got, p)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
