// Command slow hangs where SLOW says: before its "handshake", in "describe", "configure", "notify", or
// in everything from the time it was configured ("frozen": it stops itself). As a notifier it can also
// "answer" after so many milliseconds, with the number of its process.
package main

import (
	"context"
	"os"
	"strconv"
	"syscall"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/testdata/plugins/internal/raw"
)

func main() {
	mode, arg := raw.Mode("SLOW")
	if mode == "handshake" {
		raw.Hang()
	}
	p := &raw.Plugin{Name: "slow", Features: []string{"stream"}}
	p.Describe = func(d *pluginv1.DescribeResponse) error {
		if mode == "describe" {
			raw.Hang()
		}
		if mode == "notify" || mode == "answer" {
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
	p.Notify = func(_ context.Context, r *pluginv1.NotifyRequest) (*pluginv1.NotifyResponse, error) {
		if mode == "notify" {
			raw.Hang()
		}
		ms, _ := strconv.Atoi(arg)
		time.Sleep(time.Duration(ms) * time.Millisecond)
		out := &pluginv1.NotifyResponse{}
		for _, n := range r.GetNotifications() {
			out.Results = append(out.Results, &pluginv1.NotifyResult{
				Outcome: pluginv1.NotifyResult_OUTCOME_DELIVERED, Detail: n.GetId() + " by " + strconv.Itoa(os.Getpid()),
			})
		}
		return out, nil
	}
	p.Serve()
}
