package sdktest

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/regent-dev/regent/sdk"
	"github.com/regent-dev/regent/sdk/wire"
)

// VerifyCollector runs every check over a collector, in process and as the program that is built from
// the folder of the test, which must be the plugin's main package. It does so once for each of options.
func VerifyCollector[C any](t *testing.T, info sdk.Info, open func(ctx context.Context, cfg C, env sdk.Env) (sdk.Collector, error), options ...Options) {
	t.Helper()
	verify(t, info.Name, func() *wire.Server { return sdk.CollectorServer(info, open) }, options)
}

// VerifyNotifier is VerifyCollector for a notifier.
func VerifyNotifier[C any](t *testing.T, info sdk.Info, open func(ctx context.Context, cfg C, env sdk.Env) (sdk.Notifier, error), options ...Options) {
	t.Helper()
	verify(t, info.Name, func() *wire.Server { return sdk.NotifierServer(info, open) }, options)
}

func verify(t *testing.T, name string, serve server, options []Options) {
	t.Helper()
	if len(options) == 0 {
		options = []Options{{}}
	}
	program := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	for _, way := range []struct {
		name   string
		target target
	}{{"in process", serve}, {"program", binary(program)}} {
		for i, o := range options {
			t.Run(way.name+" "+strconv.Itoa(i+1), func(t *testing.T) {
				for _, r := range check(t.Context(), way.target, o) {
					switch {
					case !r.OK:
						t.Errorf("%s: %s", r.Name, r.Detail)
					case r.Skipped:
						t.Logf("%s: skipped: %s", r.Name, r.Detail)
					default:
						t.Logf("%s: %s", r.Name, r.Detail)
					}
				}
			})
		}
	}
}
