// Command collector-exec runs a program and takes what it prints, one JSON object a line, as records.
//
// A line is an item or an event in Regent's form; kind says which where the line itself does not ("kind":
// "item" or "event" with the record under that name is understood too). Two further lines steer:
//
//	{"kind": "checkpoint", "cursor": "…"}   comes back as REGENT_CURSOR when the program runs again
//	{"kind": "problem", "summary": "…"}     shows in the daemon's log
//
// With every in the collector's block the program runs on that schedule; with sweep its items are a
// complete listing, and what it does not print any more is recorded as deleted, provided that it ended
// with exit code 0. Without every the program is a stream: it is started again when it ends.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tidwall/gjson"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	Command []string          `config:"command,required" doc:"Program and arguments; no shell is involved."`
	Env     map[string]string `config:"env" doc:"Environment of the program, besides PATH, HOME, LANG and TZ." sensitive:"true"`
	Kind    string            `config:"kind" doc:"What a line is that does not say." choices:"item,event" default:"item"`
	Sweep   []string          `config:"sweep" doc:"Resource types of which each run is a complete listing; needs every."`
	Timeout time.Duration     `config:"timeout" doc:"How long a scheduled run may take." default:"5m"`
}

// maxLine is the longest line; a longer one is reported and passed over.
const maxLine = 1 << 20

type collector struct {
	cfg   config
	every time.Duration
	log   *slog.Logger
}

func open(_ context.Context, cfg config, env sdk.Env) (sdk.Collector, error) {
	var errs []error
	if len(cfg.Command) == 0 {
		errs = append(errs, sdk.Invalid("command", errors.New("name a program")))
	} else if !filepath.IsAbs(cfg.Command[0]) {
		errs = append(errs, sdk.Invalid("command", fmt.Errorf("%q is not an absolute path", cfg.Command[0])))
	} else if info, err := os.Stat(cfg.Command[0]); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		errs = append(errs, sdk.Invalid("command", fmt.Errorf("%s is not a program that can be run", cfg.Command[0])))
	}
	if len(cfg.Sweep) > 0 && env.Every == 0 {
		errs = append(errs, sdk.Invalid("sweep", errors.New("a stream is no complete listing; set every in the collector block")))
	}
	if cfg.Timeout <= 0 {
		errs = append(errs, sdk.Invalid("timeout", errors.New("must be greater than zero")))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &collector{cfg, env.Every, env.Log}, nil
}

// Collect runs the program once, or, as a stream, again and again.
func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	cursor := string(out.Cursor())
	if c.every > 0 {
		return c.scheduled(ctx, out, &cursor)
	}
	for wait := time.Second; ; {
		start := time.Now()
		err := c.run(ctx, out, &cursor)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errStream) {
			return err
		}
		if time.Since(start) > time.Minute {
			wait = time.Second
		}
		pause := wait/2 + rand.N(wait/2)
		c.log.Warn("the program ended and is started again", "in", pause.String(), "err", fmt.Sprint(err))
		if err := out.Gap(ctx, time.Now(), time.Now().Add(pause), "the program ended and is started again"); err != nil {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(2*wait, time.Minute)
	}
}

func (c *collector) scheduled(ctx context.Context, out sdk.Emitter, cursor *string) error {
	var sweep sdk.Sweep
	if len(c.cfg.Sweep) > 0 {
		var err error
		if sweep, err = out.SweepBegin(ctx, "exec", c.cfg.Sweep...); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err := c.run(limited, out, cursor)
	if sweep != nil {
		// Only a program that ended well has printed everything.
		if endErr := sweep.End(ctx, err == nil); endErr != nil {
			return endErr
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case limited.Err() != nil:
		return fmt.Errorf("the program ran longer than %s and was killed", c.cfg.Timeout)
	}
	return err
}

// errStream marks errors of the connection to the daemon.
var errStream = errors.New("the daemon has closed the stream")

// run runs the program until it ends, and takes its lines.
func (c *collector) run(ctx context.Context, out sdk.Emitter, cursor *string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.cfg.Command[0], c.cfg.Command[1:]...)
	// The program gets a group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"REGENT_CURSOR=" + *cursor}
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	for k, v := range c.cfg.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start program: %w", err)
	}
	cmd.Stderr = &lines{log: c.log}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start program: %w", err)
	}
	readErr := c.read(ctx, stdout, out, cursor)
	if readErr != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	if readErr != nil {
		return readErr
	}
	if waitErr != nil {
		return fmt.Errorf("the program failed: %w", waitErr)
	}
	return nil
}

func (c *collector) read(ctx context.Context, in io.Reader, out sdk.Emitter, cursor *string) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		line, tooLong, err := readLine(r)
		if len(bytes.TrimSpace(line)) > 0 {
			if err := c.line(ctx, out, n, line, tooLong, cursor); err != nil {
				return fmt.Errorf("%w: %w", errStream, err)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine returns the next line; of one that is too long the beginning.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		} else {
			tooLong = true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return line, tooLong, err
	}
}

func (c *collector) line(ctx context.Context, out sdk.Emitter, n int, line []byte, tooLong bool, cursor *string) error {
	origin := fmt.Sprintf("%s:%d", filepath.Base(c.cfg.Command[0]), n)
	kind := sdk.KindItem
	if c.cfg.Kind == "event" {
		kind = sdk.KindEvent
	}
	switch {
	case tooLong:
		return out.Damaged(ctx, kind, line[:4096], origin, fmt.Sprintf("line is longer than %d bytes", maxLine))
	case !gjson.ValidBytes(line) || !gjson.ParseBytes(line).IsObject():
		return out.Damaged(ctx, kind, bytes.TrimSpace(line), origin, "line is not a JSON object")
	}
	rec := gjson.ParseBytes(line)
	switch rec.Get("kind").Str {
	case "checkpoint":
		*cursor = rec.Get("cursor").String()
		_, err := out.Checkpoint(ctx, []byte(*cursor))
		return err
	case "problem":
		return out.Problem(ctx, sdk.Problem{Warning: true, Summary: rec.Get("summary").String(), Detail: rec.Get("detail").String()})
	case "item":
		if inner := rec.Get("item"); inner.IsObject() {
			return out.ItemJSON(ctx, []byte(inner.Raw))
		}
		kind = sdk.KindItem
	case "event":
		if inner := rec.Get("event"); inner.IsObject() {
			return out.EventJSON(ctx, []byte(inner.Raw))
		}
		kind = sdk.KindEvent
	}
	if kind == sdk.KindEvent {
		return out.EventJSON(ctx, bytes.TrimSpace(line))
	}
	return out.ItemJSON(ctx, bytes.TrimSpace(line))
}

// lines logs what the program writes to standard error.
type lines struct {
	log  *slog.Logger
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, after, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			if len(l.rest) > 64<<10 {
				l.rest = nil
			}
			return len(p), nil
		}
		if s := strings.TrimSpace(string(line)); s != "" {
			l.log.Warn("the program says", "line", s)
		}
		l.rest = after
	}
}

var info = sdk.Info{Name: "exec", Version: "0.1.0", Summary: "Takes what a program prints, one JSON object a line, as records."}

func main() { sdk.ServeCollector(info, open) }
