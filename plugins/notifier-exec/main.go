// Command notifier-exec runs a program for each notification, with the notification as JSON on its
// standard input.
//
// Exit code 0 says delivered, 75 (EX_TEMPFAIL) and being killed by the timeout say try again, every other
// one says rejected; retry_codes adds to those that say try again. What the program prints is kept as
// the answer.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	Command    []string          `config:"command,required" doc:"Program and arguments; no shell is involved."`
	Env        map[string]string `config:"env" doc:"Environment of the program, besides PATH, HOME and LANG." sensitive:"true"`
	Timeout    time.Duration     `config:"timeout" doc:"How long the program may run; then it and all it started are killed." default:"30s"`
	RetryCodes []int             `config:"retry_codes" doc:"Further exit codes that say try again."`
}

// exTempFail is sysexits.h's code for a failure that may pass.
const exTempFail = 75

type notifier struct{ cfg config }

func open(_ context.Context, cfg config, _ sdk.Env) (sdk.Notifier, error) {
	var errs []error
	if len(cfg.Command) == 0 {
		errs = append(errs, sdk.Invalid("command", errors.New("name a program")))
	} else if !filepath.IsAbs(cfg.Command[0]) {
		errs = append(errs, sdk.Invalid("command", fmt.Errorf("%q is not an absolute path", cfg.Command[0])))
	} else if info, err := os.Stat(cfg.Command[0]); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		errs = append(errs, sdk.Invalid("command", fmt.Errorf("%s is not a program that can be run", cfg.Command[0])))
	}
	if cfg.Timeout <= 0 {
		errs = append(errs, sdk.Invalid("timeout", errors.New("must be greater than zero")))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &notifier{cfg}, nil
}

// Notify runs the program once.
func (n *notifier) Notify(ctx context.Context, no sdk.Notification) sdk.Result {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.cfg.Command[0], n.cfg.Command[1:]...)
	// The program gets a group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Stdin = bytes.NewReader(append(no.JSON, '\n'))
	out := &limited{max: 2048}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{"REGENT_DELIVERY=" + no.ID, fmt.Sprintf("REGENT_ATTEMPT=%d", no.Attempt)}
	for _, name := range []string{"PATH", "HOME", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	for k, v := range n.cfg.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	err := cmd.Run()
	answer := strings.TrimSpace(out.String())
	if err == nil {
		return sdk.Delivered(answer)
	}
	detail := func(why string) error {
		if answer != "" {
			why += ": " + answer
		}
		return errors.New(why)
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return sdk.Retry(detail(fmt.Sprintf("the program ran longer than %s and was killed", n.cfg.Timeout)), 0)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		code := exit.ExitCode()
		if code == exTempFail || slices.Contains(n.cfg.RetryCodes, code) {
			return sdk.Retry(detail(fmt.Sprintf("exit code %d", code)), 0)
		}
		return sdk.Rejected(detail(fmt.Sprintf("exit code %d", code)))
	}
	return sdk.Retry(detail(err.Error()), 0)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.max - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

var info = sdk.Info{Name: "exec", Version: "0.1.0", Summary: "Runs a program for each notification."}

func main() { sdk.ServeNotifier(info, open) }
