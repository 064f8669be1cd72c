package policy

import (
	"encoding/json"
	"time"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dispatch"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// File is one Rego file in memory. Its Path is used in problems, and *_test.rego are told by it.
type File struct {
	Path  string
	Bytes []byte
}

// Override is what the operator's configuration says about one policy.
type Override struct {
	Severity   verdict.Severity
	Parameters json.RawMessage
	Disabled   bool
	Labels     map[string]string
	// Where is the place of the override and ParametersWhere that of its parameters; both may be nil.
	Where, ParametersWhere *diag.Range
}

// Marker is told of each evaluation before it begins, so that a policy and record that took the
// process down are known after a restart. It must be cheap and safe for concurrent use.
type Marker interface {
	Begin(policy, record string) (end func())
}

// Options say how files are compiled.
type Options struct {
	// Schemas are the JSON Schemas of whole items by resource type.
	Schemas   map[string][]byte
	Overrides map[verdict.PolicyID]Override
	// Timeout bounds one evaluation; 0 means one second.
	Timeout time.Duration
	// RequireTests makes a policy without a *_test.rego an error instead of a warning.
	RequireTests bool
	// Partial says that the files are not all there are, so that an override of a policy that is not
	// among them is no error.
	Partial bool
	// Marker may be nil.
	Marker Marker
	// Cache keeps parsed files from one generation to the next; nil parses everything anew.
	Cache *Cache
}

// Set is one generation's policies, compiled. It is immutable and safe for concurrent use.
type Set struct {
	policies []*Policy
	byID     map[verdict.PolicyID]*Policy
	byType   map[string][]*Policy
	digest   record.Digest
	dispatch *dispatch.Index[*Policy]
	notes    []string
}

// Policies returns all policies, sorted by ID. The slice is the Set's own.
func (s *Set) Policies() []*Policy { return s.policies }

// Get returns the policy with this ID, nil if there is none.
func (s *Set) Get(id verdict.PolicyID) *Policy { return s.byID[id] }

// ForType returns the compliance policies that judge resources of this type, sorted by ID. The slice
// is the Set's own.
func (s *Set) ForType(resourceType string) []*Policy { return s.byType[resourceType] }

// ForEvent appends to dst the alarms that this event may match, sorted by ID.
func (s *Set) ForEvent(ev *record.Event, dst []*Policy) []*Policy {
	return s.dispatch.For(ev, dst)
}

// Digest covers the Digest and TextDigest of every policy.
func (s *Set) Digest() record.Digest { return s.digest }

// Notes say what of the policies is not type-checked, and why. They are for `check`, not problems.
func (s *Set) Notes() []string { return s.notes }
