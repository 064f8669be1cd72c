package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// The lengths of what go-plugin adds to the folder it is given: "/plugin-dir4294967295/plugin4294967295".
const socketSuffix = len("/plugin-dir4294967295/plugin4294967295")

// maxSocketPath is the longest path of a Unix socket that every system takes: 104 bytes with the
// terminating zero. Linux alone would take 108.
const maxSocketPath = 103

// privatePrefix begins the name of the folders that we make in the run folder.
const privatePrefix = "rg"

// privateFolder is a folder for sockets and copies that belongs to one process. While that process
// lives it holds a lock on the folder; a folder without a lock is a leftover.
type privateFolder struct {
	path string
	lock *os.File
}

// openPrivate makes a private folder in runDir and sweeps what processes that ended badly left there.
func openPrivate(runDir string, log *slog.Logger) (*privateFolder, error) {
	runDir, err := filepath.Abs(runDir)
	if err != nil {
		return nil, fmt.Errorf("open run folder: %w", err)
	}
	name := privatePrefix + strings.ToLower(rand.Text()[:6])
	path := filepath.Join(runDir, name)
	if n := len(path) + socketSuffix; n > maxSocketPath {
		return nil, fmt.Errorf("run folder %s is too long: the sockets of plugins below it would have paths of %d bytes, and systems take at most %d (104 with the terminating zero); choose a run_dir of at most %d bytes",
			runDir, n, maxSocketPath, maxSocketPath-socketSuffix-len(name)-1)
	}
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	info, err := os.Stat(runDir)
	if err != nil {
		return nil, fmt.Errorf("open run folder: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return nil, fmt.Errorf("run folder %s may be written by others than its owner (mode %04o), who could replace the sockets of plugins; run: chmod go-w %s", runDir, info.Mode().Perm(), runDir)
	}
	for _, tmp := range []string{"/tmp", "/var/tmp"} {
		if runDir == tmp || strings.HasPrefix(runDir, tmp+"/") {
			log.Warn("the run folder is in a place that systems clean up by age; plugins become unreachable when their sockets are deleted", "path", runDir)
		}
	}
	sweepLeftovers(runDir, log)
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("make private folder: %w", err)
	}
	lock, err := lockFolder(path)
	if err != nil {
		os.RemoveAll(path)
		return nil, fmt.Errorf("lock private folder %s: %w", path, err)
	}
	return &privateFolder{path: path, lock: lock}, nil
}

func (p *privateFolder) close() error {
	return errors.Join(os.RemoveAll(p.path), p.lock.Close())
}

// sweepLeftovers removes the private folders whose owners have ended, and ends the processes that
// their plugins left behind.
func sweepLeftovers(runDir string, log *slog.Logger) {
	entries, err := os.ReadDir(runDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), privatePrefix) {
			continue
		}
		path := filepath.Join(runDir, e.Name())
		lock, err := lockFolder(path)
		if err != nil {
			continue
		}
		if n := killLeftovers(path); n > 0 {
			log.Warn("ended processes that plugins of an earlier daemon left behind", "count", n)
		}
		if err := os.RemoveAll(path); err != nil {
			log.Warn("a leftover folder cannot be removed", "path", path, "err", err)
		}
		lock.Close()
	}
}
