// Command forky starts a child that outlives it and holds its outputs open, writes the child's number
// to the file "child" in its state folder, and with FORKY=crash ends.
package main

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	if len(os.Args) > 1 {
		raw.Hang()
	}
	mode, _ := raw.Mode("FORKY")
	p := &raw.Plugin{Name: "forky", Features: []string{"stream"}}
	p.Configure = func(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
		child := exec.Command("sleep", "1000")
		child.Stdout, child.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		if err := child.Start(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(r.GetStateDir()+"/child.new", []byte(strconv.Itoa(child.Process.Pid)), 0o600); err != nil {
			return nil, err
		}
		if err := os.Rename(r.GetStateDir()+"/child.new", r.GetStateDir()+"/child"); err != nil {
			return nil, err
		}
		if mode == "crash" {
			time.AfterFunc(100*time.Millisecond, func() { os.Exit(9) })
		}
		return &pluginv1.ConfigureResponse{}, nil
	}
	p.Serve()
}
