package policy

import (
	"bytes"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// Value is a parsed JSON document. It is immutable and safe to share between policies and goroutines.
type Value struct {
	v ast.Value
}

// Parse parses a JSON document. Numbers keep their literal. The Value does not refer to body.
func Parse(body []byte) (*Value, error) {
	var x any
	if err := util.NewJSONDecoder(bytes.NewReader(body)).Decode(&x); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	v, err := ast.InterfaceToValue(x)
	if err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	return &Value{v: v}, nil
}

// String returns the document as JSON.
func (v *Value) String() string {
	if v == nil || v.v == nil {
		return "null"
	}
	return v.v.String()
}
