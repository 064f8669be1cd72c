package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/rerun"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// registerVerify registers the call that makes a verdict again.
func (s *Server) registerVerify(api huma.API) {
	operation(api, RoleRead, http.MethodGet, "/v1/verdicts/verify", "verifyVerdict", "Make the current verdict of a policy on a resource again from what it pins", func(ctx context.Context, in *struct {
		Finding string `query:"finding" doc:"The id of the finding whose verdict it is."`
		Policy  string `query:"policy" doc:"Where no finding is named: the policy's id, and the resource below."`
		Type    string `query:"type" doc:"The resource type."`
		ID      string `query:"id" doc:"The resource's id, name or ARN."`
		Account string `query:"account"`
		Region  string `query:"region"`
	},
	) (*rerun.Result, error) {
		return view(ctx, s.b.Store, func(tx *store.Tx) (*rerun.Result, error) {
			policy, resource, name := verdict.PolicyID(in.Policy), int64(0), in.ID
			switch {
			case in.Finding != "":
				f, err := tx.FindingByID(in.Finding)
				if err != nil {
					return nil, err
				}
				if f == nil {
					return nil, fmt.Errorf("finding %s: %w", in.Finding, errUnknown)
				}
				policy, resource, name = f.Policy, f.Resource, f.Subject.ResourceID
			case in.Policy == "" || in.ID == "":
				return nil, refusedf("name a finding, or a policy and a resource")
			default:
				c, err := find(tx, in.Type, in.ID, in.Account, in.Region)
				if err != nil {
					return nil, err
				}
				resource = c.Resource
			}
			all, err := tx.Verdicts(resource)
			if err != nil {
				return nil, err
			}
			for _, v := range all {
				if v.Policy == policy {
					return rerun.Verdict(ctx, tx, resource, v)
				}
			}
			return nil, fmt.Errorf("verdict of %s on %s: %w", policy, name, errUnknown)
		})
	})
}
