package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) registerLake(api huma.API) {
	operation(api, RoleAdmin, http.MethodPost, "/v1/lake/forget", "forgetLakeFile", "Give up a file of the lake that is lost or damaged", func(ctx context.Context, in *struct {
		Path string `query:"path" required:"true" doc:"The file, as lakeBroken of the status names it."`
	},
	) (done, error) {
		err := s.audited(ctx, "regent:ForgetLakeFile", in.Path, func() error {
			return s.b.ForgetLakeFile(ctx, in.Path, "given up by "+callerOf(ctx).name)
		})
		return done{"given up"}, err
	})
}
