package procfs

import (
	"bytes"
	"slices"
	"strings"
)

// Mount is one line of mountinfo.
type Mount struct {
	ID, Parent string
	// Root is the part of the file system that is mounted; "/" but for bind mounts.
	Root string
	// Point is where it is mounted.
	Point string
	// Options are those of this mount, SuperOptions those of the file system, both sorted.
	Options, SuperOptions []string
	Propagation           string
	Type, Source          string
}

// ParseMounts reads /proc/PID/mountinfo.
func ParseMounts(b []byte) ([]Mount, error) {
	var out []Mount
	bad := 0
	for line := range bytes.Lines(b) {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		f := strings.Fields(string(line))
		dash := slices.Index(f, "-")
		if dash < 6 || len(f) < dash+4 {
			if len(f) > 0 {
				bad++
			}
			continue
		}
		m := Mount{
			ID: f[0], Parent: f[1], Root: Unescape(f[3]), Point: Unescape(f[4]), Options: options(f[5]),
			Type: f[dash+1], Source: Unescape(f[dash+2]), SuperOptions: options(f[dash+3]), Propagation: "private",
		}
		for _, o := range f[6:dash] {
			switch name, _, _ := strings.Cut(o, ":"); name {
			case "shared":
				m.Propagation = "shared"
			case "master":
				if m.Propagation == "private" {
					m.Propagation = "slave"
				}
			case "unbindable":
				m.Propagation = "unbindable"
			}
		}
		out = append(out, m)
	}
	return out, unread(bad)
}

// FSTabEntry is one line of fstab.
type FSTabEntry struct {
	Source, Point, Type string
	Options             []string
}

// ParseFSTab reads fstab(5).
func ParseFSTab(b []byte) []FSTabEntry {
	var out []FSTabEntry
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 3 || f[0][0] == '#' {
			continue
		}
		e := FSTabEntry{Source: Unescape(f[0]), Point: Unescape(f[1]), Type: f[2]}
		if len(f) > 3 {
			e.Options = options(f[3])
		}
		out = append(out, e)
	}
	return out
}

func options(s string) []string {
	out := strings.Split(Unescape(s), ",")
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(o string) bool { return o == "" })
}

// Unescape resolves the \040 that stands for a space in mount tables, and its like.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			out.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
