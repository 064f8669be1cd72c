//go:build unix

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFolder takes the lock on a folder; it fails where another process holds it.
func lockFolder(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
