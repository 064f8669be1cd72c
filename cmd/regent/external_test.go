package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

// TestExternalPlugin follows sdk/README.md: a module outside the repository, with a replace line, that
// passes its own tests and builds to a plugin which passes `regent plugin probe`.
func TestExternalPlugin(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "sdk", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"main.go", "main_test.go"} {
		source, err := os.ReadFile(filepath.Join(root, "testdata", "plugins", "external", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(readme, slices.Concat([]byte("```go\n"), source, []byte("```\n"))) {
			t.Errorf("sdk/README.md does not show testdata/plugins/external/%s as it is", name)
		}
		if n := bytes.Count(source, []byte("\n")); n > 60 {
			t.Errorf("%s has %d lines; 60 is what the README can ask for", name, n)
		}
		if err := os.WriteFile(filepath.Join(dir, name), source, 0o644); err != nil {
			t.Fatal(err)
		}
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
		{"test", "."},
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
