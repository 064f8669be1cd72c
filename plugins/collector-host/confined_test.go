package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// confinement is the environment variable by which this test binary knows that it runs again, confined.
const confinement = "REGENT_TEST_CONFINED"

// again runs one test of this binary in another process with other rights, and skips where the
// machine does not allow that.
func again(t *testing.T, as string, attr *syscall.SysProcAttr) {
	t.Helper()
	exe, err := os.Open("/proc/self/exe")
	must(t, err)
	defer exe.Close()
	// By its descriptor, because the folder it lies in may be closed to others.
	cmd := exec.Command("/proc/self/fd/3", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.ExtraFiles = []*os.File{exe}
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), confinement+"="+as, "TMPDIR=/tmp")
	out, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Skipf("the machine does not let a confined process run: %v", err)
	}
	if text := string(out); strings.Contains(text, "--- SKIP") {
		t.Skip(text)
	} else if err != nil || !strings.Contains(text, "--- PASS") {
		t.Fatalf("confined: %v\n%s", err, text)
	}
}

func inUserNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// TestTheKernelsLimits meets the real limits of inotify, in a user namespace that has few.
func TestTheKernelsLimits(t *testing.T) {
	if os.Getenv(confinement) == "" {
		t.Parallel()
		again(t, "limits", inUserNamespace())
		return
	}
	for _, c := range []struct{ file, value, sysctl string }{
		{"/proc/sys/user/max_inotify_watches", "2", "fs.inotify.max_user_watches"},
		{"/proc/sys/user/max_inotify_instances", "0", "fs.inotify.max_user_instances"},
	} {
		before, err := os.ReadFile(c.file)
		if err != nil {
			t.Skip(err)
		}
		if err := os.WriteFile(c.file, []byte(c.value), 0); err != nil {
			t.Skip(err)
		}
		dir := t.TempDir()
		for _, sub := range []string{"a", "b", "c"} {
			must(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
		}
		r := collect(t, opened(t, func(c *config) { c.Watch, c.Include, c.Poll = []string{dir}, []string{"file"}, time.Second }))
		r.until("the problem", func() bool { return len(r.problems) > 0 })
		if d := r.problems[0].Detail; !strings.Contains(d, "sysctl -w "+c.sysctl+"=") {
			t.Errorf("problem %q does not name %s", d, c.sysctl)
		}
		must(t, os.WriteFile(filepath.Join(dir, "c", "f"), nil, 0o644))
		r.happened(dir, "Create c/f")
		must(t, os.WriteFile(c.file, before, 0))
	}
}

// TestWithoutPrivileges runs as a user who may read little.
func TestWithoutPrivileges(t *testing.T) {
	if os.Getenv(confinement) == "" {
		if os.Getuid() != 0 {
			t.Skip("only root can become another user")
		}
		t.Parallel()
		l, err := net.Listen("tcp4", "127.0.0.1:0") // a listener that the other user cannot look into
		must(t, err)
		defer l.Close()
		again(t, fmt.Sprint(l.Addr().(*net.TCPAddr).Port), &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
		return
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "closed")
	must(t, os.WriteFile(secret, []byte("x"), 0o000))
	must(t, os.Mkdir(filepath.Join(dir, "shut"), 0o000))
	r := collect(t, opened(t, func(c *config) { c.Watch, c.MachineID = []string{dir}, "" }))
	r.until("the problems", func() bool { return len(r.problems) >= 4 })

	// The list of users is complete although their passwords cannot be looked at.
	if !r.sweeps[typeUser] || r.one(typeUser, "root").at("password") != nil {
		t.Error("users")
	}
	// Others are not, and say so: nothing is deleted then.
	for _, typ := range []string{typeProcess, typeFile, typeParameter} {
		if r.sweeps[typ] {
			t.Errorf("the sweep of %s is complete", typ)
		}
	}
	if !r.sweeps[typeListener] {
		t.Error("the sweep of listeners is not complete")
	}
	listener := r.one(typeListener, "tcp/127.0.0.1/"+os.Getenv(confinement))
	if listener.at("processes") != nil {
		t.Errorf("listener %s", listener.raw)
	}
	if it := r.one(typeFile, secret); it.at("notRead") != "not permitted" || it.at("mode") != "0000" {
		t.Errorf("file %s", it.raw)
	}
	for _, p := range r.problems {
		if !p.Warning || !strings.Contains(p.Detail, "root") {
			t.Errorf("problem %q does not say what to do: %s", p.Summary, p.Detail)
		}
	}
	if n := len(r.got); n < 300 {
		t.Errorf("%d resources", n)
	}
}
