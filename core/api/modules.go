package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/compliance"
	"github.com/regent-dev/regent/core/verdict"
)

// Modules are the policies of the generation in force as they were read, with all that decides what they
// say, so that they can be run somewhere else.
type Modules struct {
	Generation int64    `json:"generation"`
	Files      []Module `json:"files"`
	// Schemas are JSON Schemas of items by resource type, as text.
	Schemas   map[string]string             `json:"schemas"`
	Overrides map[verdict.PolicyID]Override `json:"overrides"`
	Waivers   []compliance.Waiver           `json:"waivers"`
}

// Module is one Rego file.
type Module struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Override is what the configuration says about one policy.
type Override struct {
	Severity   verdict.Severity  `json:"severity,omitempty"`
	Parameters json.RawMessage   `json:"parameters,omitempty"`
	Disabled   bool              `json:"disabled,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

func (s *Server) registerModules(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/policies/generation", "getPolicies", "The policies in force, as text", func(context.Context, *struct{}) (Modules, error) {
		return s.b.Modules(), nil
	})
}
