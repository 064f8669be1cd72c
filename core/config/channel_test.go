package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
)

// TestChannels loads the snapshots and trails that the README shows.
func TestChannels(t *testing.T) {
	t.Parallel()
	path := readmeExample(t, "channels.hcl", "\nsnapshot ")
	c, problems, _ := Load(path, Options{Environ: noEnv})
	if err := relevant(problems).Err(); err != nil {
		t.Fatal(err)
	}
	s, tr := c.Snapshots[0], c.Trails[0]
	s.Where, tr.Where = diag.Range{}, diag.Range{}
	if diff := cmp.Diff(&Snapshot{
		Name: "daily", Every: 24 * time.Hour, HistoryEvery: 6 * time.Hour, Destination: Destination{To: "/srv/regent/archive"},
		Types: []string{"AWS::*", "Linux::*"}, Notify: []record.Instance{"notifier.file.archive"},
	}, s); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Trail{
		Name: "management", Every: 5 * time.Minute, Match: TrailMatch{Source: []string{"aws.cloudtrail", "regent.api"}},
		Destination: Destination{Prefix: "trails", S3: &S3{Endpoint: "https://objects.example.com", Bucket: "archive", AccessKey: "regent", SecretKey: "not-a-real-key", PathStyle: true}},
	}, tr); diff != "" {
		t.Error(diff)
	}
}
