// Command slow hangs where SLOW says: before its "handshake", in "describe", "configure", "notify", or
// in everything from the time it was configured ("frozen": it stops itself).
package main

import (
	"context"
	"os"
	"syscall"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	mode, _ := raw.Mode("SLOW")
	if mode == "handshake" {
		raw.Hang()
	}
	p := &raw.Plugin{Name: "slow", Features: []string{"stream"}}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		if mode == "describe" {
			raw.Hang()
		}
		if mode == "notify" {
			d.Roles = []pluginv1.Role{pluginv1.Role_ROLE_NOTIFIER}
		}
		return nil
	}
	p.Configure = func(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
		if mode == "configure" {
			raw.Hang()
		}
		if mode == "frozen" {
			time.AfterFunc(100*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) })
		}
		return &pluginv1.ConfigureResponse{}, nil
	}
	p.Notify = func(context.Context, *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
		raw.Hang()
		return nil, nil
	}
	p.Serve()
}
