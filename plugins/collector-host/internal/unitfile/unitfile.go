package unitfile

import (
	"bytes"
	"slices"
	"strings"
)

// File is a unit with the files applied so far.
type File struct {
	values map[key][]string
}

type key struct{ section, name string }

// Apply reads one file over what was read before. Lines outside a section and lines without "=" are
// passed over, as systemd does.
func (f *File) Apply(b []byte) {
	if f.values == nil {
		f.values = map[key][]string{}
	}
	section := ""
	for _, line := range logicalLines(string(b)) {
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || section == "" {
			continue
		}
		k := key{section, name}
		if value == "" {
			// Remembered as empty, so that Has tells a list that was cleared from one never set.
			f.values[k] = []string{}
			continue
		}
		f.values[k] = append(f.values[k], value)
	}
}

// logicalLines joins lines that end in a backslash and drops comments, also between joined lines.
func logicalLines(s string) []string {
	var out []string
	open := false
	for raw := range strings.Lines(s) {
		line := strings.Trim(raw, " \t\r\n")
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if line == "" {
			open = false
			continue
		}
		body, more := strings.CutSuffix(line, `\`)
		body = strings.TrimSpace(body)
		if open {
			out[len(out)-1] = strings.TrimSpace(out[len(out)-1] + " " + body)
		} else {
			out = append(out, body)
		}
		open = more
	}
	return out
}

// All returns every value of a setting.
func (f *File) All(section, name string) []string { return slices.Clone(f.values[key{section, name}]) }

// Last returns the value that counts where only one can, "" where there is none.
func (f *File) Last(section, name string) string {
	if v := f.values[key{section, name}]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Has reports whether the file has a section of that name with a setting.
func (f *File) Has(section string) bool {
	for k := range f.values {
		if k.section == section {
			return true
		}
	}
	return false
}

// Bool reads a yes-or-no setting, nil where it is neither set nor one of systemd's words.
func (f *File) Bool(section, name string) *bool {
	var b bool
	switch strings.ToLower(f.Last(section, name)) {
	case "1", "yes", "y", "true", "t", "on":
		b = true
	case "0", "no", "n", "false", "f", "off":
	default:
		return nil
	}
	return &b
}

// ParseShow reads the output of "systemctl show" for several units: name=value lines, units apart by
// empty lines.
func ParseShow(b []byte) []map[string]string {
	var out []map[string]string
	var cur map[string]string
	for line := range bytes.Lines(b) {
		name, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), "=")
		if !ok {
			if strings.TrimSpace(name) == "" {
				cur = nil
			}
			continue
		}
		if cur == nil {
			cur = map[string]string{}
			out = append(out, cur)
		}
		cur[name] = value
	}
	return out
}
