package sshd

import (
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Effective maps a keyword in lower case to its values, one for each line that sshd -T prints for it.
type Effective map[string][]string

// ParseEffective reads the output of sshd -T.
func ParseEffective(b []byte) Effective {
	e := Effective{}
	for line := range strings.Lines(string(b)) {
		keyword, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if keyword = strings.ToLower(keyword); keyword == "" || !ok {
			continue
		}
		e[keyword] = append(e[keyword], value)
	}
	e.normalize()
	return e
}

// repeated are the keywords of which every line counts, not only the first.
var repeated = map[string]bool{
	"port": true, "listenaddress": true, "hostkey": true, "hostcertificate": true, "acceptenv": true,
	"allowusers": true, "allowgroups": true, "denyusers": true, "denygroups": true, "subsystem": true,
}

// each are the keywords of which sshd prints every argument as a line of its own.
var each = map[string]bool{
	"acceptenv": true, "allowusers": true, "allowgroups": true, "denyusers": true, "denygroups": true,
}

// Effective works out what holds for connections that no Match selects.
func (c *Config) Effective() Effective {
	e := Effective{}
	for _, s := range slices.Concat(c.All, c.Settings) {
		k := s.Keyword
		if len(e[k]) > 0 && !repeated[k] {
			continue
		}
		if each[k] {
			e[k] = append(e[k], s.Args...)
			continue
		}
		e[k] = append(e[k], strings.Join(s.Args, " "))
	}
	for k, v := range lists {
		set := ""
		if len(e[k]) > 0 {
			set = e[k][0]
		}
		e[k] = []string{algorithms(v, set)}
	}
	for k, v := range defaults {
		if len(e[k]) == 0 {
			e[k] = []string{v}
		}
	}
	for i, v := range e["maxstartups"] {
		if !strings.Contains(v, ":") {
			e["maxstartups"][i] = v + ":30:" + v
		}
	}
	e.listen()
	e.normalize()
	return e
}

// algorithms applies what the file says of a list to the default list.
func algorithms(standard, set string) string {
	have := strings.Split(standard, ",")
	if set == "" {
		return standard
	}
	names := strings.Split(set[1:], ",")
	switch set[0] {
	case '+':
		for _, n := range names {
			if !slices.Contains(have, n) {
				have = append(have, n)
			}
		}
	case '-':
		have = slices.DeleteFunc(have, func(h string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				ok, err := path.Match(strings.ReplaceAll(n, "[", `\[`), h)
				return ok && err == nil
			})
		})
	case '^':
		have = slices.DeleteFunc(have, func(h string) bool { return slices.Contains(names, h) })
		have = append(names, have...)
	default:
		return set
	}
	return strings.Join(have, ",")
}

// listen writes listenaddress as sshd does: an address and a port on each line.
func (e Effective) listen() {
	addresses := e["listenaddress"]
	if len(addresses) == 0 {
		switch e.Text("addressfamily") {
		case "inet":
			addresses = []string{"0.0.0.0"}
		case "inet6":
			addresses = []string{"[::]"}
		default:
			addresses = []string{"[::]", "0.0.0.0"}
		}
	}
	var out []string
	for _, a := range addresses {
		a, _, _ = strings.Cut(a, " ") // "rdomain x" may follow
		if host, port, err := net.SplitHostPort(a); err == nil {
			out = append(out, net.JoinHostPort(host, port))
			continue
		}
		for _, p := range e["port"] {
			out = append(out, net.JoinHostPort(strings.Trim(a, "[]"), p))
		}
	}
	e["listenaddress"] = out
}

// normalize writes times in seconds, and values that have two names by the newer one.
func (e Effective) normalize() {
	for _, k := range []string{"logingracetime", "clientaliveinterval"} {
		for i, v := range e[k] {
			if n, ok := seconds(v); ok {
				e[k][i] = strconv.Itoa(n)
			}
		}
	}
	for _, v := range e {
		for i, s := range v {
			switch strings.ToLower(s) {
			case "yes", "true":
				v[i] = "yes"
			case "no", "false":
				v[i] = "no"
			}
		}
	}
	for i, v := range e["permitrootlogin"] {
		if v = strings.ToLower(v); v == "without-password" {
			v = "prohibit-password"
		}
		e["permitrootlogin"][i] = v
	}
	slices.Sort(e["listenaddress"])
}

// Text returns the first value, "" where there is none.
func (e Effective) Text(keyword string) string {
	if v := e[keyword]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// List returns the values, each split at commas.
func (e Effective) List(keyword string) []string {
	var out []string
	for _, v := range e[keyword] {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" && s != "none" {
				out = append(out, s)
			}
		}
	}
	return out
}

// Words returns the first value split at spaces.
func (e Effective) Words(keyword string) []string { return strings.Fields(e.Text(keyword)) }

// Bool returns the value of a yes-or-no setting, nil where it is neither.
func (e Effective) Bool(keyword string) *bool {
	switch v := e.Text(keyword); v {
	case "yes", "no":
		b := v == "yes"
		return &b
	}
	return nil
}

// Int returns the value of a number, nil where it is none.
func (e Effective) Int(keyword string) *int {
	n, err := strconv.Atoi(e.Text(keyword))
	if err != nil {
		return nil
	}
	return &n
}

// seconds reads a time in sshd's form: "600", "10m", "1h30m".
func seconds(s string) (int, bool) {
	total, n, digits := 0, 0, false
	for _, c := range strings.ToLower(s) {
		unit := 0
		switch c {
		case 's':
			unit = 1
		case 'm':
			unit = 60
		case 'h':
			unit = 60 * 60
		case 'd':
			unit = 24 * 60 * 60
		case 'w':
			unit = 7 * 24 * 60 * 60
		default:
			if c < '0' || c > '9' || n > 1<<31 {
				return 0, false
			}
			n, digits = 10*n+int(c-'0'), true
			continue
		}
		if !digits {
			return 0, false
		}
		if total, n, digits = total+n*unit, 0, false; total > 1<<31 {
			return 0, false
		}
	}
	total += n
	return total, s != "" && total < 1<<31
}
