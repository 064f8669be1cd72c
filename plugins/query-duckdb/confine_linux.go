package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rights to files that Landlock knows, by the version that brought them.
const (
	accessV1 = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	accessRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE
	accessWrite = accessRead | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// program returns where this program is. The daemon runs it from a file in memory, which has no other
// place than this.
func program() (string, error) { return "/proc/self/exe", nil }

// landlockVersion returns the version of Landlock that the kernel has, 0 where it has none.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// unconfined says what the kernel cannot do.
func unconfined() []string {
	switch v := landlockVersion(); {
	case v == 0:
		return []string{"the kernel has no Landlock, so only DuckDB's own settings keep a query from other files"}
	case v < 3:
		return []string{fmt.Sprintf("the kernel has version %d of Landlock, which does not forbid to truncate files", v)}
	}
	return nil
}

// confined runs fn on a thread that has given up everything but what c names. The thread ends with it.
func confined(c confinement, cmd *exec.Cmd, fn func() error) error {
	// There is no UnlockOSThread: Go ends a thread whose goroutine ends while it is locked. It must live
	// as long as the process, which is ended with the thread that started it.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if v := landlockVersion(); v > 0 {
		if err := landlock(v, c, cmd.Path); err != nil {
			return fmt.Errorf("confine the query's process: %w", err)
		}
	}
	return fn()
}

// landlock takes from the calling thread all rights to files, the network and other processes that c
// does not name.
func landlock(version int, c confinement, exe string) error {
	handled := uint64(accessV1)
	attr := struct{ fs, net, scoped uint64 }{}
	if version >= 2 {
		handled |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		handled |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		attr.net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 5 {
		handled |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		attr.scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	attr.fs = handled
	r, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("make a Landlock rule set: %w", errno)
	}
	rules := int(r)
	defer unix.Close(rules)
	libraries, err := mapped()
	if err != nil {
		return err
	}
	allow := func(path string, access uint64, optional bool) error {
		err := allowPath(rules, path, access&handled)
		if optional && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			return nil
		}
		return err
	}
	for _, path := range append(libraries, exe) {
		if err := allow(path, accessRead|unix.LANDLOCK_ACCESS_FS_EXECUTE, true); err != nil {
			return err
		}
	}
	// DuckDB ends the process where it may not read the bounds of its control group; its own file in /proc has no place before
	// there is a process. What of other processes is secret there, Landlock keeps from it by itself.
	for _, path := range []string{"/etc/ld.so.cache", "/dev/urandom", "/dev/random", "/dev/zero", "/proc", "/sys/devices/system/cpu/online", "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup"} {
		if err := allow(path, accessRead, true); err != nil {
			return err
		}
	}
	if err := allow("/dev/null", accessRead|unix.LANDLOCK_ACCESS_FS_WRITE_FILE, true); err != nil {
		return err
	}
	for _, path := range c.read {
		if err := allow(path, accessRead, false); err != nil {
			return err
		}
	}
	if c.write != "" {
		if err := allow(c.write, accessWrite, false); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); errno != 0 {
		return fmt.Errorf("apply the Landlock rules: %w", errno)
	}
	return nil
}

func allowPath(rules int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	switch errno {
	case 0, unix.EBADFD:
		// The daemon runs us from a file in memory, which has no place in the tree and needs no rule.
		return nil
	}
	return &fs.PathError{Op: "allow", Path: path, Err: errno}
}

// mapped lists the files that this process is made of: its libraries are also those of the process of a
// query, which is the same program.
func mapped() ([]string, error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := map[string]bool{}
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		_, path, ok := strings.Cut(s.Text(), " /")
		if ok && !seen[path] && !strings.HasPrefix(path, "memfd:") {
			seen[path] = true
			out = append(out, "/"+strings.TrimLeft(path, " "))
		}
	}
	return out, nil
}

// slack is what a process needs besides the memory that DuckDB accounts for.
const slack = 512 << 20

// limit bounds what a process may take from the machine. It is called while the
// process waits for its request, and from a thread that is not confined itself.
func limit(pid int, c confinement) error {
	set := func(resource int, to uint64) error {
		return unix.Prlimit(pid, resource, &unix.Rlimit{Cur: to, Max: to}, nil)
	}
	// Address space is taken in advance by the Go runtime and by malloc; what is written to counts.
	err := errors.Join(set(unix.RLIMIT_CORE, 0), set(unix.RLIMIT_DATA, uint64(c.memory)*5/4+slack))
	if c.file > 0 {
		err = errors.Join(err, set(unix.RLIMIT_FSIZE, uint64(c.file)))
	}
	if err != nil {
		return fmt.Errorf("limit the query's process: %w", err)
	}
	// Where the machine runs out of memory all the same, a query goes before the recorder. Refusing this
	// costs nothing else.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("1000"), 0o600)
	return nil
}
