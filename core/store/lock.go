package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lingering is how long a lock may outlive the process that took it: a child that was being started when
// the process was killed has the file open until it is itself ended.
const lingering = 5 * time.Second

// take locks the data folder. The lock ends with the process, however it ends.
func take(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	for deadline := time.Now().Add(lingering); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		pid, _ := os.ReadFile(path)
		holder := strings.TrimSpace(string(pid))
		if alive(holder) || time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("%w: %s is locked by process %s; stop it, or use another data_dir", ErrLocked, dir, holder)
		}
	}
	if err := f.Truncate(0); err == nil {
		// The process id is for the message above, and to tell whether to wait.
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}

// alive reports whether a process is there. What is no number is taken for one that is.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err != nil || !errors.Is(unix.Kill(n, 0), unix.ESRCH)
}
