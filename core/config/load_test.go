package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func noEnv(string) (string, bool) { return "", false }

// errors drops what depends on where the plugins of the machine are.
func relevant(ps diag.Problems) (out diag.Problems) {
	for _, p := range ps {
		if p.Summary != "Unknown plugin" && p.Summary != "Policies not found" {
			out = append(out, p)
		}
	}
	return out
}

// readmeExample returns the path of a file of testdata that the README must show as it is, from a text on,
// "" for all of it.
func readmeExample(t *testing.T, name, from string) string {
	t.Helper()
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "testdata", "config", "good", name)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(file), from)
	if at < 0 || !strings.Contains(string(readme), "```hcl\n"+strings.TrimLeft(string(file[at:]), "\n")+"```") {
		t.Errorf("the README does not show %s as it is", path)
	}
	return path
}

// TestReadmeExample loads the configuration that the README shows, and that file it must be.
func TestReadmeExample(t *testing.T) {
	t.Parallel()
	c, problems, _ := Load(readmeExample(t, "first.hcl", ""), Options{Environ: noEnv})
	if err := relevant(problems).Err(); err != nil {
		t.Fatal(err)
	}
	r := c.Routes[0]
	r.Where = diag.Range{}
	want := &Route{
		Name: "urgent", On: []verdict.Class{"compliance", "alarm", "health"}, Match: Match{Severity: []string{"critical", "high"}},
		GroupBy: []string{"policy"}, SendResolved: true, Notify: []record.Instance{"notifier.webhook.ops"},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if w := c.Waivers[0]; !w.Expires.Equal(time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the waiver ends %s, want the end of its day", w.Expires)
	}
	problems = c.Bind(c.Notifiers[0], &pluginv1.ConfigSchema{Attributes: []*pluginv1.Attribute{{Name: "url", Type: "string", Required: true}}})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if got := string(c.Notifiers[0].Config); got != `{"url":"https://ops.example.com/regent"}` {
		t.Errorf("config %s", got)
	}
}

// TestBad holds what is said of each file in testdata/config/bad against its .want.
func TestBad(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "testdata", "config", "bad")
	files, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad configurations: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			_, problems, sources := Load(f, Options{Environ: noEnv})
			problems = relevant(problems)
			if len(problems) == 0 {
				t.Fatal("nothing is wrong with it")
			}
			var out strings.Builder
			if err := diag.WriteText(&out, problems, sources, false); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(out.String(), dir+string(filepath.Separator), "")
			want := strings.TrimSuffix(f, ".hcl") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.hcl")
	text := `data_dir = "d"
variable "token" {
  type      = string
  sensitive = true
  default   = "s3cr3t"
}
waiver "x" {
  policy  = var.token
  owner   = "a${var.token}"
  reason  = "b"
  expires = "${var.token}"
}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems, _ := Load(path, Options{Environ: noEnv})
	if !problems.HasErrors() {
		t.Fatal("a sensitive value outside a config block is accepted")
	}
	for _, p := range problems {
		if strings.Contains(p.Error(), "s3cr3t") {
			t.Errorf("the secret is printed: %s", p.Error())
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, "30d": 720 * time.Hour, "1w": 168 * time.Hour, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "soon", "0s", "-1h", "5", "1y"} {
		if d, err := ParseDuration(in); err == nil {
			t.Errorf("%q is taken for %s", in, d)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`data_dir = "d"`))
	f.Add([]byte("route \"x\" {\n on = [\"alarm\"]\n notify = [notifier.a.b]\n}"))
	f.Add([]byte("variable \"x\" {\n type = list(string)\n}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, problems, sources := Load("x.hcl", Options{Environ: noEnv, Files: Sources{"x.hcl": text}})
		if err := diag.WriteText(&strings.Builder{}, problems, sources, false); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCause reads what the README shows of causes, and the defaults.
func TestCause(t *testing.T) {
	t.Parallel()
	c, problems, _ := Load(filepath.Join("..", "..", "testdata", "config", "good", "cause.hcl"), Options{Environ: noEnv})
	if err := relevant(problems).Err(); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "config", "good", "cause.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(text), "\n\n")
	if !strings.Contains(string(readme), "```hcl\n"+shown+"```") {
		t.Error("README.md does not show testdata/config/good/cause.hcl as it is")
	}
	if r := c.Routes[0]; r.WaitForActor != 10*time.Minute || !r.FollowUp || c.Cause != (Cause{Before: 15 * time.Minute, After: 5 * time.Minute}) {
		t.Errorf("%+v, %+v", c.Cause, r)
	}
	c, problems, _ = Load(filepath.Join("..", "..", "testdata", "config", "good", "first.hcl"), Options{Environ: noEnv})
	if err := relevant(problems).Err(); err != nil {
		t.Fatal(err)
	}
	if r := c.Routes[0]; r.WaitForActor != 0 || r.FollowUp || c.Cause != (Cause{Before: 15 * time.Minute, After: 5 * time.Minute}) {
		t.Errorf("%+v, %+v", c.Cause, r)
	}
}
