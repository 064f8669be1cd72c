package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestExternalPlugin follows sdk/README.md: a module outside the repository, with a replace line, that
// builds to a plugin which passes `regent plugin probe`.
func TestExternalPlugin(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "testdata", "plugins", "external", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "sdk", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, append([]byte("```go\n"), source...)) {
		t.Error("sdk/README.md does not show testdata/plugins/external/main.go as it is")
	}
	if n := bytes.Count(source, []byte("\n")); n > 60 {
		t.Errorf("the example has %d lines; 60 is what the README can ask for", n)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	// The sums of the repository are those of the plugin: the test needs nothing that it does not have.
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mod", "init", "example.com/collector-folder"},
		{"mod", "edit", "-replace", "github.com/regent-dev/regent=" + root},
		{"mod", "tidy"},
		{"build", "-o", "collector-folder", "."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	watched := t.TempDir()
	if err := os.WriteFile(filepath.Join(watched, "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "collector-folder")
	for _, r := range sdktest.Check(t.Context(), binary, sdktest.Options{Config: []byte(`{"root":"` + watched + `"}`)}) {
		if !r.OK {
			t.Errorf("%s: %s", r.Name, r.Detail)
		}
		if r.Name == "collect" && !strings.HasPrefix(r.Detail, "1 records") {
			t.Errorf("it delivers %q, want one item", r.Detail)
		}
	}
	var out, errOut bytes.Buffer
	config := filepath.Join(dir, "folder.json")
	if err := os.WriteFile(config, []byte(`{"root":"`+watched+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"plugin", "probe", binary, "--config", config, "--watch", "1s"}, nil, &out, &errOut); code != 0 {
		t.Errorf("regent plugin probe: exit code %d\n%s%s", code, out.String(), errOut.String())
	}
}

// TestOurPlugins holds the plugins that come with Regent to the same contract.
func TestOurPlugins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte(`{"source":"s","id":"1"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{
		"collector-host":   `{}`,
		"collector-files":  `{"paths":["` + dir + `/in"],"format":"regent"}`,
		"collector-exec":   `{"command":["/bin/echo","{\"source\":\"s\"}"],"kind":"event"}`,
		"notifier-file":    `{"path":"` + dir + `/out"}`,
		"notifier-webhook": `{"url":"http://127.0.0.1:1/"}`,
		"notifier-exec":    `{"command":["/bin/cat"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range sdktest.Check(t.Context(), filepath.Join(bin, name), sdktest.Options{Config: []byte(config)}) {
				if !r.OK {
					t.Errorf("%s: %s", r.Name, r.Detail)
				}
			}
		})
	}
}
