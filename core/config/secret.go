package config

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Secret is a text that is not shown, however it is printed, logged or written as JSON.
type Secret string

// hidden is what is shown of a Secret.
const hidden = "(sensitive)"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(f fmt.State, _ rune) {
	if s != "" {
		fmt.Fprint(f, hidden)
	}
}

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

// secret reads a text that may be sensitive. Its faults are shown without it.
func (l *loader) secret(e hcl.Expression) (Secret, bool) {
	if e == nil {
		return "", false
	}
	v, diags := e.Value(l.eval)
	if diags.HasErrors() {
		l.add(diags)
		return "", false
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return "", false
	}
	if v.Type() != cty.String {
		l.errorf(e.Range(), "Text expected", "A text in quotes is wanted here, not %s.", v.Type().FriendlyName())
		return "", false
	}
	return Secret(v.AsString()), true
}

// flag reads true or false.
func (l *loader) flag(e hcl.Expression, to *bool) {
	if e == nil {
		return
	}
	v, diags := e.Value(l.eval)
	if diags.HasErrors() {
		l.add(diags)
		return
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return
	}
	if v.Type() != cty.Bool {
		l.errorf(e.Range(), "Truth value expected", "true or false is wanted here, not %s.", v.Type().FriendlyName())
		return
	}
	*to = v.True()
}
