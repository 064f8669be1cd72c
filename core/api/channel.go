package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// ChannelFile is a file that a snapshot or a trail delivered.
type ChannelFile struct {
	Bucket  string    `json:"bucket"`
	Key     string    `json:"key"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	Count   int       `json:"count"`
	Account string    `json:"accountId"`
	Region  string    `json:"region"`
	Type    string    `json:"resourceType,omitempty"`
	ID      string    `json:"configurationSnapshotId,omitempty"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	At      time.Time `json:"deliveredAt,omitzero"`
}

// Channel is a snapshot, the history files of one, or a trail.
type Channel struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// To is where its files go.
	To string `json:"to"`
	// Due is when it runs next.
	Due     time.Time `json:"due,omitzero"`
	Files   int64     `json:"files"`
	Records int64     `json:"records"`
	// Lost counts events that were past their retention before they were delivered.
	Lost int64 `json:"lost,omitempty"`
	// Waiting is how many files are planned and not delivered yet.
	Waiting      int          `json:"waiting"`
	FailingSince time.Time    `json:"failingSince,omitzero"`
	Failure      string       `json:"failure,omitempty"`
	Last         *ChannelFile `json:"last,omitempty"`
}

func (s *Server) registerChannels(api huma.API) {
	operation(api, RoleOperate, http.MethodPost, "/v1/snapshots/{name}", "takeSnapshot", "Take a snapshot now", func(ctx context.Context, in *struct {
		Name string `path:"name" doc:"The label of the snapshot block."`
	},
	) (out []ChannelFile, err error) {
		err = s.audited(ctx, "regent:TakeSnapshot", in.Name, func() error {
			out, err = s.b.Snapshot(ctx, in.Name)
			return err
		})
		return out, err
	})
}
