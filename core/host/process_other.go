//go:build unix && !linux

package host

import "syscall"

// processAttributes puts a plugin into a process group of its own, which signals of the terminal do
// not reach. That it ends with the daemon rests on its standard input alone.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit leaves the waiting to the reaping.
func awaitExit(int) bool { return false }
