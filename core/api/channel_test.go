package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestSnapshot takes snapshots: who may, what is answered, and that it is recorded.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.Snapshot = func(_ context.Context, name string) ([]ChannelFile, error) {
		switch name {
		case "daily":
			return []ChannelFile{{Key: "AWSLogs/1/x.json.gz", Count: 2}}, nil
		case "full":
			return nil, errors.New("put x into /srv: no space left on device")
		}
		return nil, fmt.Errorf("snapshot %s: %w", name, ErrUnknown)
	}
	base := "http://" + insecure(t, d)
	for _, c := range []struct {
		name, token string
		code        int
		says        string
	}{
		{"daily", "reader", 403, "role does not allow"},
		{"daily", "operator", 200, ""},
		{"full", "operator", 500, "no space left"},
		{"no%2Fne", "admin", 404, "snapshot no/ne: not found"},
	} {
		a := ask(t, "POST", base+"/v1/snapshots/"+c.name, "", header("Authorization", "Bearer "+c.token+"-secret"))
		audits := d.audited()
		switch c.code {
		case 200:
			var files []ChannelFile
			if err := json.Unmarshal([]byte(a.body), &files); err != nil || a.code != 200 || len(files) != 1 || files[0].Key != "AWSLogs/1/x.json.gz" {
				t.Errorf("%d %s, %v", a.code, a.body, err)
			}
		default:
			if says := problem(t, c.name, a, c.code); !strings.Contains(says, c.says) {
				t.Errorf("%s: it says %q", c.name, says)
			}
		}
		if c.code == 403 {
			if len(audits) > 0 {
				t.Errorf("a call that was not made is recorded: %+v", audits)
			}
			continue
		}
		want := []Audit{{Action: "regent:TakeSnapshot", Actor: c.token, Address: "127.0.0.1", Target: strings.ReplaceAll(c.name, "%2F", "/")}}
		if diff := cmp.Diff(want, audits, cmpopts.IgnoreFields(Audit{}, "Err")); diff != "" {
			t.Error(diff)
		}
	}
}
