package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regent-dev/regent/sdk/sdktest"
)

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	c := sdktest.NewCollector(t, info, open)
	if problems := c.Configure(map[string]any{"root": filepath.Join(dir, "absent")}); len(problems) != 1 || problems[0].Path != "root" {
		t.Errorf("a folder that is not there: %v", problems)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Configure(map[string]any{"root": dir})
	run := c.Collect()
	run.Wait(1)
	if err := run.WaitEnd(); err != nil {
		t.Fatal(err)
	}
	if items := run.Items(); len(items) != 1 || items[0].ResourceID != filepath.Join(dir, "a") {
		t.Errorf("items: %+v", items)
	}
	if sweeps := run.Sweeps(); len(sweeps) != 1 || !sweeps[0].Complete {
		t.Errorf("sweeps: %+v", sweeps)
	}
}

func TestConformance(t *testing.T) {
	sdktest.VerifyCollector(t, info, open, sdktest.Options{Config: []byte(`{"root":"/etc"}`)})
}
