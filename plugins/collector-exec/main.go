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
// with exit code 0 and every line could be read. Without every the program is a stream: it is started again when it ends.
package main

import (
	"bufio"
	"bytes"
	"cmp"
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

// maxCursor is the longest cursor: a single variable of the environment has 128 KiB at most, and with a
// longer one the program could never be started again.
const maxCursor = 64 << 10

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
	for k, v := range cfg.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(v, "\x00") {
			errs = append(errs, sdk.Invalid("env", fmt.Errorf("%q cannot be a variable of the environment", k)))
		}
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
		_, err := c.run(ctx, out, &cursor)
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
		why := "exit code 0"
		if err != nil {
			why = err.Error()
		}
		c.log.Warn("the program ended and is started again", "in", pause.String(), "err", why)
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
	damaged, err := c.run(limited, out, cursor)
	if sweep != nil {
		// Only a program that ended well has printed everything, and what a damaged line was about is
		// not gone.
		if endErr := sweep.End(ctx, err == nil && damaged == 0); endErr != nil {
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

// run runs the program until it ends, and takes its lines. It counts those that were no records.
func (c *collector) run(ctx context.Context, out sdk.Emitter, cursor *string) (damaged int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.cfg.Command[0], c.cfg.Command[1:]...)
	// The program gets a group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A process that has left the group survives the kill and may hold the output; after the delay it is
	// not waited for.
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
		return 0, fmt.Errorf("start program: %w", err)
	}
	stderr := &lines{log: c.log}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start program: %w", err)
	}
	damaged, readErr := c.read(ctx, stdout, out, cursor)
	if readErr != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	// What the program started and did not wait for ends with it; ESRCH says that there is none.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	stderr.end()
	if errors.Is(waitErr, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		// It ended well, and something that it left held its standard error.
		waitErr = nil
	}
	if readErr != nil {
		return damaged, readErr
	}
	if waitErr != nil {
		return damaged, fmt.Errorf("the program failed: %w", waitErr)
	}
	return damaged, nil
}

func (c *collector) read(ctx context.Context, in io.Reader, out sdk.Emitter, cursor *string) (damaged int, err error) {
	r := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		line, tooLong, err := readLine(r)
		if err != nil && ctx.Err() != nil {
			// We have killed the program, perhaps in the middle of a line.
			return damaged, nil
		}
		if tooLong || len(bytes.TrimSpace(line)) > 0 {
			ok, err := c.line(ctx, out, n, line, tooLong, cursor)
			if err != nil {
				return damaged, fmt.Errorf("%w: %w", errStream, err)
			}
			if !ok {
				damaged++
			}
		}
		if err != nil {
			return damaged, nil
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

// line takes one line, and says whether it could be read. Whether a record is a valid one is for the
// daemon to say.
func (c *collector) line(ctx context.Context, out sdk.Emitter, n int, line []byte, tooLong bool, cursor *string) (ok bool, err error) {
	origin := fmt.Sprintf("%s:%d", filepath.Base(c.cfg.Command[0]), n)
	kind := sdk.KindItem
	if c.cfg.Kind == "event" {
		kind = sdk.KindEvent
	}
	line = bytes.TrimSpace(line)
	switch {
	case tooLong:
		return false, out.Damaged(ctx, kind, line[:min(4096, len(line))], origin, fmt.Sprintf("line is longer than %d bytes", maxLine))
	case !gjson.ValidBytes(line) || !gjson.ParseBytes(line).IsObject():
		return false, out.Damaged(ctx, kind, line, origin, "line is not a JSON object")
	}
	rec := gjson.ParseBytes(line)
	switch rec.Get("kind").Str {
	case "checkpoint":
		next := rec.Get("cursor").String()
		if len(next) > maxCursor || strings.Contains(next, "\x00") {
			// It would become durable, and the program could never be started with it.
			return true, out.Problem(ctx, sdk.Problem{
				Warning: true, Summary: "Unusable cursor",
				Detail: fmt.Sprintf("%s: a cursor has at most %d bytes and no NUL character; the one before stays.", origin, maxCursor),
			})
		}
		*cursor = next
		_, err := out.Checkpoint(ctx, []byte(next))
		return true, err
	case "problem":
		// A message that is not UTF-8 would break the connection.
		text := func(name string) string { return strings.ToValidUTF8(rec.Get(name).String(), "\uFFFD") }
		return true, out.Problem(ctx, sdk.Problem{Warning: true, Summary: cmp.Or(text("summary"), "The program reports a problem"), Detail: text("detail")})
	case "item":
		if inner := rec.Get("item"); inner.IsObject() {
			return true, out.ItemJSON(ctx, []byte(inner.Raw))
		}
		kind = sdk.KindItem
	case "event":
		if inner := rec.Get("event"); inner.IsObject() {
			return true, out.EventJSON(ctx, []byte(inner.Raw))
		}
		kind = sdk.KindEvent
	}
	if kind == sdk.KindEvent {
		return true, out.EventJSON(ctx, line)
	}
	return true, out.ItemJSON(ctx, line)
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
			if len(l.rest) > maxSaid {
				l.end()
			}
			return len(p), nil
		}
		l.say(line)
		l.rest = after
	}
}

// end logs what is left without an end of line, which is often why a program ended.
func (l *lines) end() {
	l.say(l.rest)
	l.rest = nil
}

func (l *lines) say(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) > maxSaid {
		line = line[:maxSaid]
	}
	if len(line) > 0 {
		l.log.Warn("the program says", "line", strings.ToValidUTF8(string(line), "\uFFFD"))
	}
}

// maxSaid is the longest line of standard error that is kept.
const maxSaid = 16 << 10

var info = sdk.Info{Name: "exec", Version: "0.1.0", Summary: "Takes what a program prints, one JSON object a line, as records."}

func main() { sdk.ServeCollector(info, open) }
