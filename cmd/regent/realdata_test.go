package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/verdict"
)

// realDataPath returns a path in the real data, which is too large for the repository: that of REGENT_TESTDATA,
// or what lies beside the repository where it is worked on.
func realDataPath(t testing.TB, name ...string) string {
	t.Helper()
	data := os.Getenv("REGENT_TESTDATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{data}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// realData is realDataPath for a test that is nothing without it.
func realData(t testing.TB, name ...string) string {
	t.Helper()
	path := realDataPath(t, name...)
	if _, err := os.Stat(path); err != nil {
		t.Skip("the real data is not in the repository; REGENT_TESTDATA says where it is")
	}
	return path
}

// TestRealData records real CloudTrail logs and AWS Config items, where they lie beside the repository: what
// was read is stored, a duplicate or in quarantine, and the logs of attack techniques raise alarms that name
// technique and actor.
func TestRealData(t *testing.T) {
	t.Parallel()
	realData(t, "cloudtrail", "files")
	data := realDataPath(t)
	// Which of the logs each event stands in.
	logs := map[string]string{}
	id := regexp.MustCompile(`"eventID"\s*:\s*"([^"]+)"`)
	techniques := 0
	err := filepath.WalkDir(filepath.Join(data, "cloudtrail", "files"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "detonation-logs") {
			return err
		}
		techniques++
		text, err := os.ReadFile(path)
		for _, m := range id.FindAllSubmatch(text, -1) {
			logs[string(m[1])] = filepath.Base(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	dir, err := os.MkdirTemp("", "rd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := runDaemon(t, dir, fmt.Sprintf(`
notify_max_age = "10000d"
policies {
  builtin = ["compliance.aws.*", "alarms.aws.*"]
}
collector "files" "trail" {
  config {
    paths  = [%q]
    format = "cloudtrail"
    settle = "1s"
  }
}
collector "files" "config" {
  config {
    paths  = [%q]
    format = "aws-config"
    settle = "1s"
  }
}
`, filepath.Join(data, "cloudtrail", "files"), filepath.Join(data, "awsconfig", "rdk-example-ci")))
	s, _ := d.until("all records", time.Minute, func(s api.Status) bool {
		return s.Records["collector.files.trail"].Read >= 523 && s.Records["collector.files.config"].Read >= 78
	})
	for inst, n := range s.Records {
		if n.Read != n.Stored+n.Duplicate+n.Quarantined {
			t.Errorf("%s: read %d = stored %d + duplicate %d + quarantined %d is not so", inst, n.Read, n.Stored, n.Duplicate, n.Quarantined)
		}
	}
	if n := s.Records["collector.files.trail"]; n.Read != 523 || n.Quarantined != 0 {
		t.Errorf("CloudTrail: %+v, want 523 read and none in quarantine", n)
	}
	episodes, err := list[verdict.Episode](t.Context(), d.client, "/v1/alarms", url.Values{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	technique := regexp.MustCompile(`\(T\d{4}(\.\d{3})?\)`)
	found := map[string]bool{}
	for _, e := range episodes {
		var actor struct{ ID string }
		if err := json.Unmarshal(e.Actor, &actor); err != nil || actor.ID == "" || !strings.Contains(e.Message, actor.ID) || !technique.MatchString(e.Message) {
			t.Errorf("%s names no technique or not its actor %s: %s", e.Policy, e.Actor, e.Message)
		}
		for _, ev := range e.Events {
			if log := logs[ev.ID]; log != "" {
				found[log] = true
			}
		}
	}
	if len(found) < 20 {
		t.Errorf("%d of %d logs of techniques raise an alarm, want at least 20", len(found), techniques)
	}
	t.Logf("%+v; %d of %d logs of techniques raise an alarm", s.Sum, len(found), techniques)
}
