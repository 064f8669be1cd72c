package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfined runs programs that know nothing of DuckDB's settings under what a query's process is given.
func TestConfined(t *testing.T) {
	t.Parallel()
	if landlockVersion() == 0 {
		t.Skip("the kernel has no Landlock")
	}
	if !linked {
		t.Skip("without cgo this program maps no C library, which the shell needs")
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lake, secret, spill := filepath.Join(dir, "lake"), filepath.Join(dir, "secret"), filepath.Join(dir, "spill")
	for _, f := range []string{lake, secret} {
		if err := os.WriteFile(f, []byte("content\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(spill, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(script string) (string, error) {
		var out bytes.Buffer
		cmd := &exec.Cmd{Path: shell, Args: []string{"sh", "-c", script}, Stdout: &out, Stderr: &out, Dir: spill}
		p := launch(cmd, confinement{read: []string{lake, shell}, write: spill, memory: 64 << 20})
		err := errors.Join(<-p.started, <-p.ended)
		return strings.TrimSpace(out.String()), err
	}
	for _, script := range []string{
		`read x < ` + lake + ` && test "$x" = content`,
		`echo x > ` + spill + `/file && read x < ` + spill + `/file`,
	} {
		if out, err := run(script); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
	}
	for _, script := range []string{
		`echo x > ` + lake, `echo x >> ` + lake, `echo x > ` + dir + `/new`, `read x < ` + secret, `read x < /etc/passwd`, `/bin/ls`,
	} {
		if out, err := run(script); err == nil {
			t.Errorf("%s: was possible: %s", script, out)
		}
	}
	if b, err := os.ReadFile(lake); err != nil || string(b) != "content\n" {
		t.Errorf("the file was changed to %q, %v", b, err)
	}
}
