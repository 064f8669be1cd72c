package account

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PasswordState says whether an account can be entered with a password.
type PasswordState string

// The states of a password.
const (
	// PasswordSet is a usable password.
	PasswordSet PasswordState = "set"
	// PasswordEmpty lets anybody in who gives no password.
	PasswordEmpty PasswordState = "empty"
	// PasswordLocked is a password made unusable by a leading "!", which unlocking brings back.
	PasswordLocked PasswordState = "locked"
	// PasswordNone is a field that no password matches: "*", "!", "!!".
	PasswordNone PasswordState = "none"
	// PasswordShadowed is a passwd field that refers to shadow.
	PasswordShadowed PasswordState = "shadowed"
)

// Password is what may be known of a password.
type Password struct {
	State PasswordState
	// Algorithm is "yescrypt", "sha512", "bcrypt", "md5", "des", …; "" where there is no hash.
	Algorithm string
}

// User is one line of passwd.
type User struct {
	Name     string
	Password Password
	UID, GID uint32
	Comment  string
	Home     string
	Shell    string
}

// Shadow is one line of shadow. A negative number of days, like a zero time, says that the field is
// empty.
type Shadow struct {
	Name     string
	Password Password
	// Changed is the day of the last change. MustChange is true where the user has to change the
	// password at the next login; Changed is zero then.
	Changed    time.Time
	MustChange bool
	MinDays    int
	MaxDays    int
	WarnDays   int
	Inactive   int
	Expires    time.Time
}

// Group is one line of group.
type Group struct {
	Name     string
	Password Password
	GID      uint32
	Members  []string
}

// ParsePasswd reads passwd(5).
func ParsePasswd(b []byte) ([]User, error) {
	var out []User
	err := lines(b, 7, func(f []string) error {
		uid, err := id("user", f[2])
		if err != nil {
			return err
		}
		gid, err := id("group", f[3])
		if err != nil {
			return err
		}
		pw := password(f[1])
		if f[1] == "x" {
			pw = Password{State: PasswordShadowed}
		}
		out = append(out, User{Name: f[0], Password: pw, UID: uid, GID: gid, Comment: f[4], Home: f[5], Shell: f[6]})
		return nil
	})
	return out, err
}

// ParseShadow reads shadow(5).
func ParseShadow(b []byte) ([]Shadow, error) {
	var out []Shadow
	err := lines(b, 9, func(f []string) error {
		s := Shadow{Name: f[0], Password: password(f[1])}
		var days [6]int
		for i := range days {
			n, err := number(f[2+i])
			if err != nil {
				return err
			}
			days[i] = n
		}
		s.MustChange = days[0] == 0
		if days[0] > 0 {
			s.Changed = day(days[0])
		}
		s.MinDays, s.MaxDays, s.WarnDays, s.Inactive = days[1], days[2], days[3], days[4]
		if days[5] >= 0 {
			s.Expires = day(days[5])
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// ParseGroup reads group(5).
func ParseGroup(b []byte) ([]Group, error) {
	var out []Group
	err := lines(b, 4, func(f []string) error {
		gid, err := id("group", f[2])
		if err != nil {
			return err
		}
		g := Group{Name: f[0], Password: password(f[1]), GID: gid}
		if f[1] == "x" {
			g.Password = Password{State: PasswordShadowed}
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m = strings.TrimSpace(m); m != "" {
				g.Members = append(g.Members, m)
			}
		}
		out = append(out, g)
		return nil
	})
	return out, err
}

// Defaults is what login.defs says of account numbers.
type Defaults struct {
	// UIDMin and GIDMin are the first numbers of people's accounts; those below are the system's.
	UIDMin, GIDMin uint32
}

// ParseDefaults reads login.defs(5). What it does not set is 1000, as in shadow's own sources.
func ParseDefaults(b []byte) Defaults {
	d := Defaults{UIDMin: 1000, GIDMin: 1000}
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseUint(f[1], 0, 32)
		if err != nil {
			continue
		}
		switch f[0] {
		case "UID_MIN":
			d.UIDMin = uint32(n)
		case "GID_MIN":
			d.GIDMin = uint32(n)
		}
	}
	return d
}

// Interactive reports whether a login shell lets somebody work: it is neither one of the programs
// that refuse nor one of the historic accounts' own. An empty shell means /bin/sh.
func Interactive(shell string) bool {
	switch shell[strings.LastIndexByte(shell, '/')+1:] {
	case "nologin", "false", "true", "sync", "halt", "shutdown", "git-shell":
		return false
	}
	return true
}

// maxBadLines is how many bad lines an error names.
const maxBadLines = 5

// lines calls read with the fields of each line, and joins what it refuses into one error. Lines
// that begin with + or - include NIS accounts, which are not the machine's own.
func lines(b []byte, fields int, read func([]string) error) error {
	var errs []error
	bad, n := 0, 0
	for raw := range bytes.Lines(b) {
		n++
		line := strings.TrimRight(string(raw), "\r\n")
		if strings.TrimSpace(line) == "" || line[0] == '#' || line[0] == '+' || line[0] == '-' {
			continue
		}
		f := strings.Split(line, ":")
		var err error
		switch {
		case len(f) != fields:
			// The line's text is not shown: it may hold a hash.
			err = fmt.Errorf("%d fields, want %d", len(f), fields)
		case f[0] == "":
			err = errors.New("no name")
		default:
			err = read(f)
		}
		if err != nil {
			if bad++; bad <= maxBadLines {
				errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			}
		}
	}
	if bad > maxBadLines {
		errs = append(errs, fmt.Errorf("and %d more lines", bad-maxBadLines))
	}
	return errors.Join(errs...)
}

func id(what, s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s id is not a number", what)
	}
	return uint32(n), nil
}

func number(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, errors.New("a number of days is not a number")
	}
	return int(n), nil
}

func day(n int) time.Time { return time.Unix(int64(n)*24*60*60, 0).UTC() }

func password(field string) Password {
	if field == "" {
		return Password{State: PasswordEmpty}
	}
	hash := strings.TrimLeft(field, "!")
	locked := len(hash) < len(field)
	alg := algorithm(hash)
	switch {
	case alg == "":
		return Password{State: PasswordNone}
	case locked:
		return Password{State: PasswordLocked, Algorithm: alg}
	}
	return Password{State: PasswordSet, Algorithm: alg}
}

// algorithm names what made a hash of crypt(5), "" where the field is no hash and matches nothing.
func algorithm(hash string) string {
	if id, _, ok := strings.Cut(strings.TrimPrefix(hash, "$"), "$"); ok && hash[0] == '$' {
		switch id {
		case "1":
			return "md5"
		case "2", "2a", "2b", "2x", "2y":
			return "bcrypt"
		case "3":
			return "nt"
		case "5":
			return "sha256"
		case "6":
			return "sha512"
		case "7":
			return "scrypt"
		case "y":
			return "yescrypt"
		case "gy":
			return "gost-yescrypt"
		case "sha1", "md5":
			return id
		}
		return "unknown"
	}
	switch {
	case len(hash) == 13 && salted(hash):
		return "des"
	case len(hash) == 20 && hash[0] == '_' && salted(hash[1:]):
		return "bsdi"
	}
	return ""
}

// salted reports whether s is of the alphabet that the old hashes are written in.
func salted(s string) bool {
	for _, c := range []byte(s) {
		if c < '.' || c > 'z' || c > '9' && c < 'A' || c > 'Z' && c < 'a' {
			return false
		}
	}
	return true
}
