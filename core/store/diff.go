package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Op is one operation of a JSON Patch (RFC 6902), with the value that was there before beside it.
type Op struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
	// Old is an addition to the RFC: what remove and replace take away. Appliers leave it alone.
	Old json.RawMessage `json:"old,omitempty"`
}

// Diff returns the patch that makes b of a. Numbers differ where their literals do. Elements of
// arrays are compared at equal distance from the nearer end, which finds what was added or removed in
// one place.
func Diff(a, b []byte) ([]Op, error) {
	x, err := decodeAny(a)
	if err != nil {
		return nil, err
	}
	y, err := decodeAny(b)
	if err != nil {
		return nil, err
	}
	var ops []Op
	diff(&ops, "", x, y)
	return ops, nil
}

func decodeAny(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	return v, nil
}

func encodeAny(v any) json.RawMessage {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	// Values come from a decoder, so they can be encoded.
	_ = e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func diff(ops *[]Op, path string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			diffObject(ops, path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			diffArray(ops, path, x, y)
			return
		}
	default:
		if a == b {
			return
		}
		switch b.(type) {
		case map[string]any, []any:
		default:
			*ops = append(*ops, Op{Op: "replace", Path: path, Value: encodeAny(b), Old: encodeAny(a)})
			return
		}
	}
	*ops = append(*ops, Op{Op: "replace", Path: path, Value: encodeAny(b), Old: encodeAny(a)})
}

func diffObject(ops *[]Op, path string, a, b map[string]any) {
	names := make([]string, 0, len(a)+len(b))
	for n := range a {
		names = append(names, n)
	}
	for n := range b {
		if _, both := a[n]; !both {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		at := path + "/" + strings.ReplaceAll(strings.ReplaceAll(n, "~", "~0"), "/", "~1")
		x, inA := a[n]
		y, inB := b[n]
		switch {
		case !inB:
			*ops = append(*ops, Op{Op: "remove", Path: at, Old: encodeAny(x)})
		case !inA:
			*ops = append(*ops, Op{Op: "add", Path: at, Value: encodeAny(y)})
		default:
			diff(ops, at, x, y)
		}
	}
}

func diffArray(ops *[]Op, path string, a, b []any) {
	front := 0
	for front < len(a) && front < len(b) && same(a[front], b[front]) {
		front++
	}
	back := 0
	for back < len(a)-front && back < len(b)-front && same(a[len(a)-1-back], b[len(b)-1-back]) {
		back++
	}
	x, y := a[front:len(a)-back], b[front:len(b)-back]
	n := min(len(x), len(y))
	for i := range n {
		diff(ops, path+"/"+strconv.Itoa(front+i), x[i], y[i])
	}
	// From the end, so that the indexes of those before stay right while the patch is applied.
	for i := len(x) - 1; i >= n; i-- {
		*ops = append(*ops, Op{Op: "remove", Path: path + "/" + strconv.Itoa(front+i), Old: encodeAny(x[i])})
	}
	for i := n; i < len(y); i++ {
		*ops = append(*ops, Op{Op: "add", Path: path + "/" + strconv.Itoa(front+i), Value: encodeAny(y[i])})
	}
}

func same(a, b any) bool {
	var ops []Op
	diff(&ops, "", a, b)
	return len(ops) == 0
}
