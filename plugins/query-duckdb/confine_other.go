//go:build !linux

package main

import (
	"os"
	"os/exec"
)

// program returns where this program is.
func program() (string, error) { return os.Executable() }

// unconfined says what this system cannot do.
func unconfined() []string {
	return []string{"this system has no Landlock, so only DuckDB's own settings keep a query from other files and bound its memory"}
}

func confined(_ confinement, _ *exec.Cmd, fn func() error) error { return fn() }

func limit(int, confinement) error { return nil }
