package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// patience is how long a test waits for what a plugin is to do.
const patience = 10 * time.Second

// Problem is something wrong with a configuration.
type Problem struct {
	// Path leads to the attribute, as sdk.Invalid takes it: "tls.ca_file". It is empty for the whole.
	Path    string
	Summary string
	Detail  string
	Warning bool
}

// String returns the problem in one line.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Summary + ": " + p.Detail
	}
	return p.Path + ": " + p.Detail
}

// instance is a plugin in process with what the daemon keeps of it; Collector and Notifier embed it.
type instance struct {
	// Interval is what the operator wrote as every. Like StateDir it is set before Configure.
	Interval time.Duration
	// StateDir is the folder that is kept across restarts.
	StateDir string

	t          testing.TB
	target     target
	name       string
	ctx        context.Context
	session    *session
	config     json.RawMessage
	configured bool
	refused    []Problem
}

func newInstance(t testing.TB, target target, name string) *instance {
	p := &instance{t: t, target: target, name: name, StateDir: t.TempDir()}
	var cancel context.CancelFunc
	// The test's own context ends before its cleanups begin, and ending is a part of the test.
	p.ctx, cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		p.kill()
	})
	return p
}

// kill ends the plugin, and shows its log where the test has failed.
func (p *instance) kill() {
	if p.session == nil {
		return
	}
	p.session.kill()
	if log := p.session.stderr.String(); log != "" && p.t.Failed() {
		p.t.Logf("the log of %s:\n%s", p.name, log)
	}
	p.session = nil
}

// Configure starts the plugin, in place of one that was started before, and gives it a configuration:
// the config block as a map, with blocks as maps, repeated blocks as slices of maps, and durations as
// text. It returns what is wrong with it, nothing where it is taken.
func (p *instance) Configure(config map[string]any) []Problem {
	p.t.Helper()
	if config == nil {
		config = map[string]any{}
	}
	b, err := json.Marshal(config)
	if err != nil {
		p.t.Fatalf("the configuration has no form in JSON: %v", err)
	}
	p.config = b
	return p.start()
}

func (p *instance) start() []Problem {
	p.t.Helper()
	p.kill()
	var err error
	if p.session, err = p.target.start(p.ctx); err != nil {
		p.t.Fatalf("start: %v", err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	problems, err := p.session.configure(ctx, p.name, p.config, p.StateDir, p.Interval)
	if err != nil {
		p.t.Fatalf("configure: %v", err)
	}
	p.configured, p.refused = true, nil
	for _, x := range problems {
		p.refused = append(p.refused, Problem{
			Path: strings.Join(x.GetPath(), "."), Summary: x.GetSummary(), Detail: x.GetDetail(),
			Warning: x.GetSeverity() == pluginv1.Problem_SEVERITY_WARNING,
		})
	}
	return p.refused
}

// Describe returns what the plugin says about itself.
func (p *instance) Describe() *pluginv1.DescribeResponse {
	p.t.Helper()
	p.ready()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	d, err := p.session.plugin().Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		p.t.Fatalf("describe: %v", err)
	}
	return d
}

// Restart ends the plugin and starts it again with the same configuration. For a collector it is the
// daemon's restart: what is not acknowledged is forgotten.
func (p *instance) Restart() {
	p.t.Helper()
	p.ready()
	if problems := p.start(); len(problems) > 0 {
		p.t.Fatalf("after a restart the configuration is refused: %v", problems)
	}
}

// Close tells the plugin that the daemon is gone, and waits for it to end.
func (p *instance) Close() {
	p.t.Helper()
	p.ready()
	if err := p.session.hangUp(); err != nil {
		p.t.Fatalf("close: %v", err)
	}
	if err := await(p.session.gone); err != nil {
		p.t.Fatalf("the plugin does not end: %v", err)
	}
	p.kill()
}

// ready fails the test where there is no plugin that could be called.
func (p *instance) ready() {
	p.t.Helper()
	switch {
	case p.session == nil && p.configured:
		p.t.Fatal("the plugin has ended; call Configure")
	case p.session == nil:
		p.t.Fatal("call Configure first")
	case len(p.refused) > 0:
		p.t.Fatalf("the configuration was refused: %v", p.refused)
	}
}

func await(done <-chan struct{}) error {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return errors.New("nothing within " + patience.String())
	}
}
