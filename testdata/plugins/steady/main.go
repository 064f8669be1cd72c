// Command steady is a decent collector, made with the SDK, that the tests of the host watch.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	Records    int    `config:"records" doc:"How many events one run sends."`
	Size       int    `config:"size" doc:"How large an event is, in bytes." default:"1200"`
	Checkpoint int    `config:"checkpoint" doc:"A checkpoint follows so many events; 0 is one at the end."`
	Stay       bool   `config:"stay" doc:"Stay in the run until told to stop."`
	Sweep      string `config:"sweep" doc:"Wrap the run into a sweep of this scope." choices:"all,broken"`
	Fail       string `config:"fail" doc:"End the run with this error."`
	Refuse     string `config:"refuse" doc:"Refuse the configuration at this path."`
	Acks       string `config:"acks" doc:"Write acknowledgements to this file."`
	Same       bool   `config:"same" doc:"Send one event again and again, which costs nothing to make."`
	Last       int    `config:"last" doc:"Send so many more events and a checkpoint when told to stop."`
}

type collector struct {
	cfg config
	env sdk.Env
}

func open(_ context.Context, cfg config, env sdk.Env) (sdk.Collector, error) {
	if cfg.Refuse != "" {
		return nil, errors.Join(sdk.Invalid(cfg.Refuse, errors.New("not this one")), errors.New("nor the rest"))
	}
	env.Log.Info("opened", "every", env.Every.String())
	return &collector{cfg: cfg, env: env}, os.WriteFile(filepath.Join(env.StateDir, "opened"), nil, 0o600)
}

func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	n, _ := strconv.Atoi(string(out.Cursor()))
	var sweep sdk.Sweep
	if c.cfg.Sweep != "" {
		var err error
		if sweep, err = out.SweepBegin(ctx, c.cfg.Sweep, "Test::Steady::Thing"); err != nil {
			return err
		}
	}
	same := event(0, c.cfg.Size)
	send := func(count, every int) error {
		for i := range count {
			n++
			ev := same
			if !c.cfg.Same {
				ev = event(n, c.cfg.Size)
			}
			if err := out.EventJSON(ctx, ev); err != nil {
				return err
			}
			if every > 0 && (i+1)%every == 0 {
				if _, err := out.Checkpoint(ctx, []byte(strconv.Itoa(n))); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := send(c.cfg.Records, c.cfg.Checkpoint); err != nil {
		return err
	}
	if c.cfg.Checkpoint == 0 {
		if _, err := out.Checkpoint(ctx, []byte(strconv.Itoa(n))); err != nil {
			return err
		}
	}
	if c.cfg.Sweep == "all" {
		if err := sweep.End(ctx, true); err != nil {
			return err
		}
	}
	if c.cfg.Fail != "" {
		return errors.New(c.cfg.Fail)
	}
	if c.cfg.Stay {
		<-ctx.Done()
		if err := send(c.cfg.Last, c.cfg.Last); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) Acknowledge(_ context.Context, id uint64) error {
	if c.cfg.Acks == "" {
		return nil
	}
	f, err := os.OpenFile(c.cfg.Acks, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, id)
	return errors.Join(err, f.Close())
}

// event is an event of about the size of a CloudTrail record.
func event(n, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":"e%d","source":"test.steady","time":%q,"action":"test:Do","detail":{"text":"`, n, time.Now().UTC().Format(time.RFC3339Nano))
	for b.Len() < size-3 {
		b.WriteString("some text that stands for the fields of a record ")
	}
	b.WriteString(`"}}`)
	return []byte(b.String())
}

func main() {
	features := []string{sdk.FeatureAcknowledge}
	if os.Getenv("STEADY") == "stream" {
		features = append(features, sdk.FeatureStream)
	}
	sdk.ServeCollector(sdk.Info{Name: "steady", Version: "0.1.0", Summary: "Sends events for tests.", Features: features}, open)
}
