//go:build unix

package sdk

import (
	"os"
	"strconv"
	"syscall"
)

// closeOnExec keeps the descriptors that the process was started with, but for the standard ones, from
// the programs that it starts. Go opens its own descriptors this way; those that come from outside lie
// open to every child.
func closeOnExec() {
	// Linux has the first folder, others have the second.
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
				syscall.CloseOnExec(fd)
			}
		}
		return
	}
}
