package core_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/regent-dev/regent/"

// rule forbids imports, directly, by packages whose path below the module begins with one of from.
type rule struct {
	from   []string
	except []string
	// forbids are import paths, or their beginnings where they end in a slash; allows are exceptions.
	forbids, allows []string
	why             string
}

var rules = []rule{
	{
		from: []string{"core/record", "core/verdict", "core/diag"}, forbids: []string{module},
		why: "the vocabulary depends on nobody, so that everybody may depend on it",
	},
	{
		from: []string{"core/", "cmd/", "plugins/", "policies", "sdk"}, except: []string{"core/policy"},
		forbids: []string{"github.com/open-policy-agent/opa/"},
		why:     "OPA moves fast; one package meets its changes",
	},
	{
		from: []string{"core/", "cmd/"}, except: []string{"core/host"}, forbids: []string{"github.com/hashicorp/go-plugin"},
		why: "plugin processes are the host's business alone",
	},
	{
		from: []string{"core/", "cmd/", "sdk"}, forbids: []string{"github.com/duckdb/"},
		why: "the daemon and the SDK build without a C compiler; only plugins/query-duckdb needs one",
	},
	{
		from: []string{"core/query"}, forbids: []string{module}, allows: []string{module + "core/lake/table", module + "core/query", module + "sdk/proto"},
		why: "a question knows tables and a plugin, not where the daemon has them from",
	},
	{
		from: []string{"sdk"}, forbids: []string{module + "core/", "github.com/hashicorp/hcl/", "github.com/open-policy-agent/"},
		why: "authors of plugins must not compile the daemon",
	},
	{
		from: []string{"plugins/"}, forbids: []string{module}, allows: []string{module + "sdk", module + "plugins/"},
		why: "our plugins get what every author gets",
	},
	{
		from:    []string{"core/intake", "core/compliance", "core/alarm", "core/cause", "core/route", "core/deliver", "core/channel"},
		forbids: []string{module + "core/channel", module + "core/intake", module + "core/compliance", module + "core/alarm", module + "core/cause", module + "core/route", module + "core/deliver", module + "core/pipeline", module + "core/host", module + "core/config", module + "core/policy"},
		why:     "stages meet in the pipeline and in the daemon, never in one another",
	},
	{
		from: []string{"core/store"}, forbids: []string{module}, allows: []string{module + "core/record", module + "core/verdict", module + "core/lake/manifest", module + "core/lake/table"},
		why: "the store keeps what others decide",
	},
	{
		from: []string{"core/blob"}, forbids: []string{module}, allows: []string{module + "core/record"},
		why: "what lies in a bucket is others' business",
	},
	{
		from: []string{"core/", "cmd/", "plugins/", "sdk"}, except: []string{"core/blob"}, forbids: []string{"github.com/minio/"},
		why: "everybody else writes to a folder and to a bucket with the same code",
	},
	{
		from: []string{"core/policy"}, forbids: []string{module}, allows: []string{module + "core/record", module + "core/verdict", module + "core/diag", module + "core/policy"},
		why: "policies are judged the same with and without a daemon",
	},
	{
		from: []string{"core/"}, except: []string{"core/daemon"}, forbids: []string{module + "core/daemon", module + "policies"},
		why: "the daemon is the wiring; nothing below it knows how it is wired",
	},
	{
		from: []string{"core/backtest", "core/fixture"}, forbids: []string{module + "core/pipeline", module + "core/host", module + "core/config", module + "core/route", module + "core/deliver", module + "core/api"},
		why: "what is tried out must reach neither plugins nor the daemon",
	},
	{
		from: []string{"core/judge"}, forbids: []string{module + "core/pipeline", module + "core/backtest", module + "core/host", module + "core/config", module + "core/api"},
		why: "judging is the same whoever asks for it",
	},
	{
		from: []string{"core/pipeline"}, forbids: []string{module + "core/host", module + "core/config", module + "core/cause", module + "core/route", module + "core/deliver", module + "core/api"},
		why: "the pipeline ends where changes are committed",
	},
}

// TestLayers holds every package's imports against the rules.
func TestLayers(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	n := 0
	for d.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		n++
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, r := range rules {
			if !begins(name, r.from) || begins(name, r.except) {
				continue
			}
			for _, imp := range p.Imports {
				own := imp == p.ImportPath || strings.HasPrefix(imp, p.ImportPath+"/")
				if own || !begins(imp, r.forbids) || begins(imp, r.allows) {
					continue
				}
				t.Errorf("%s imports %s, but %s", name, imp, r.why)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d packages were looked at", n)
	}
}

func begins(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return s == strings.TrimSuffix(p, "/") || strings.HasPrefix(s, p) && (strings.HasSuffix(p, "/") || strings.HasPrefix(s[len(p):], "/"))
	})
}
