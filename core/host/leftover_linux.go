package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// groupFile is a file in the socket folder of each plugin process that names its process group.
const groupFile = "group"

// killLeftovers ends what is left of the process groups of plugins whose daemon was killed, and
// returns how many processes that were. The plugins themselves ended with the daemon; what they
// started may not have. A process is taken for one of theirs only where it is in the group that was
// noted and its environment names the socket folder, so a number that was given to another process
// meanwhile does no harm.
func killLeftovers(private string) int {
	noted, err := filepath.Glob(filepath.Join(private, "*", groupFile))
	if err != nil || len(noted) == 0 {
		return 0
	}
	groups := map[int]string{}
	for _, path := range noted {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if pgid, err := strconv.Atoi(string(bytes.TrimSpace(b))); err == nil && pgid > 1 {
			groups[pgid] = filepath.Dir(path)
		}
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	killed := 0
	for _, e := range procs {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		pgid, err := unix.Getpgid(pid)
		if err != nil || groups[pgid] == "" {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !bytes.Contains(env, []byte("PLUGIN_UNIX_SOCKET_DIR="+groups[pgid]+"\x00")) {
			continue
		}
		if unix.Kill(pid, unix.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}
