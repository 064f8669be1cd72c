// Command notifier-exec runs a program for each notification, with the notification as JSON on its
// standard input. What the program starts and leaves in its process group is killed when it ends.
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
	return &notifier{cfg}, nil
}

// Notify runs the program once.
func (n *notifier) Notify(ctx context.Context, no sdk.Notification) sdk.Result {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.cfg.Command[0], n.cfg.Command[1:]...)
	// The program gets a group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Stdin = bytes.NewReader(slices.Concat(no.JSON, []byte{'\n'}))
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
	if cmd.Process != nil {
		// What the program started and did not wait for ends with it; ESRCH says that there is none.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		// It ended well and something that it left held its output: the exit code is the answer.
		err = nil
	}
	// Programs print what they like; an answer that is not UTF-8 could not be sent, and the
	// notification would be delivered again and again.
	answer := strings.TrimSpace(strings.ToValidUTF8(string(out.kept), "\uFFFD"))
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
	case parent.Err() != nil:
		return sdk.Retry(detail("the program was killed because the daemon gave the delivery up"), 0)
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

// limited keeps the beginning of what is written to it. It has no other methods of a buffer: io.Copy
// would find ReadFrom and go round Write.
type limited struct {
	kept []byte
	max  int
}

func (l *limited) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[:min(len(p), l.max-len(l.kept))]...)
	return len(p), nil
}

var info = sdk.Info{Name: "exec", Version: "0.1.0", Summary: "Runs a program for each notification."}

func main() { sdk.ServeNotifier(info, open) }
