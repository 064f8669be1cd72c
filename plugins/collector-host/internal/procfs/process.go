package procfs

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Module is one loaded kernel module.
type Module struct {
	Name string
	// Size is in bytes.
	Size   int64
	Users  int
	UsedBy []string
	State  string
	// Taint are the letters by which the kernel marks a module: O out of tree, E unsigned, P proprietary…
	Taint string
}

// ParseModules reads /proc/modules.
func ParseModules(b []byte) ([]Module, error) {
	var out []Module
	bad := 0
	for line := range bytes.Lines(b) {
		// nf_tables 303104 2 nft_chain_nat,nft_compat, Live 0x0000000000000000 (OE)
		f := strings.Fields(string(line))
		if len(f) < 5 {
			if len(f) > 0 {
				bad++
			}
			continue
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			bad++
			continue
		}
		m := Module{Name: f[0], Size: size, State: strings.ToLower(f[4])}
		m.Users, _ = strconv.Atoi(f[2])
		for u := range strings.SplitSeq(f[3], ",") {
			if u != "" && u != "-" && u != "[permanent]" {
				m.UsedBy = append(m.UsedBy, u)
			}
		}
		slices.Sort(m.UsedBy)
		if last := f[len(f)-1]; strings.HasPrefix(last, "(") {
			m.Taint = strings.Trim(last, "()+-")
		}
		out = append(out, m)
	}
	return out, unread(bad)
}

// Status is what /proc/PID/status says that matters here. UID and GID are the effective ones.
type Status struct {
	Name       string
	UID, GID   uint32
	Parent     int
	NoNewPrivs bool
	// Seccomp is "disabled", "strict" or "filter", "" where the kernel does not say.
	Seccomp string
	// Capabilities are the effective ones, as the kernel's bit set.
	Capabilities uint64
}

// ParseStatus reads /proc/PID/status.
func ParseStatus(b []byte) (Status, error) {
	var s Status
	uid := false
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(strings.TrimRight(string(line), "\n"), ":")
		f := strings.Fields(value)
		if len(f) == 0 {
			continue
		}
		switch key {
		case "Name":
			s.Name = strings.TrimSpace(value)
		case "PPid":
			s.Parent, _ = strconv.Atoi(f[0])
		case "Uid", "Gid":
			if len(f) < 2 {
				continue
			}
			n, err := strconv.ParseUint(f[1], 10, 32)
			if err != nil {
				continue
			}
			if key == "Uid" {
				s.UID, uid = uint32(n), true
			} else {
				s.GID = uint32(n)
			}
		case "NoNewPrivs":
			s.NoNewPrivs = f[0] == "1"
		case "Seccomp":
			s.Seccomp = map[string]string{"0": "disabled", "1": "strict", "2": "filter"}[f[0]]
		case "CapEff":
			s.Capabilities, _ = strconv.ParseUint(f[0], 16, 64)
		}
	}
	if !uid {
		return s, errors.New("no Uid")
	}
	return s, nil
}

// ParseStart reads from /proc/PID/stat when the process started, in clock ticks since boot.
func ParseStart(b []byte) (uint64, bool) {
	// The name stands in parentheses and may hold any; field 22 counts from the last one.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, false
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(f[19], 10, 64)
	return n, err == nil
}

// Cgroup is what a process's control group says of where it belongs.
type Cgroup struct {
	// Unit is the systemd service or scope, "" where there is none.
	Unit string
	// Container is the id of the container, "" outside of one.
	Container string
}

// ParseCgroup reads /proc/PID/cgroup.
func ParseCgroup(b []byte) Cgroup {
	var c Cgroup
	for line := range bytes.Lines(b) {
		_, rest, ok := strings.Cut(strings.TrimRight(string(line), "\n"), ":")
		controllers, path, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 {
			continue
		}
		for elem := range strings.SplitSeq(path, "/") {
			if id := container(elem); id != "" {
				c.Container = id
			}
			// Unified hierarchy, or the one systemd keeps for itself beside the older ones.
			if (controllers == "" || controllers == "name=systemd") &&
				(strings.HasSuffix(elem, ".service") || strings.HasSuffix(elem, ".scope")) {
				c.Unit = elem
			}
		}
	}
	return c
}

// container finds the id in names like "docker-<id>.scope", "libpod-<id>.scope",
// "cri-containerd-<id>.scope", or the id alone.
func container(elem string) string {
	elem = strings.TrimSuffix(elem, ".scope")
	id := elem[strings.LastIndexByte(elem, '-')+1:]
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// ParseArguments reads /proc/PID/cmdline. Some programs write a title of their own there, which has
// spaces instead of the zero bytes.
func ParseArguments(b []byte) []string {
	s := strings.TrimRight(string(b), "\x00 ")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}
