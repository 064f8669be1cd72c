package sshd

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files is a Source; a file whose text is "!" may not be read.
type files map[string]string

func (f files) ReadFile(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if text == "!" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return []byte(text), nil
}

func (f files) Glob(pattern string) ([]string, error) {
	var out []string
	for name := range f {
		if ok, err := path.Match(pattern, name); err != nil {
			return nil, err
		} else if ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

const main = "/etc/ssh/sshd_config"

// TestEffectiveIsWhatTheServerPrints compares the reading of files with what a real OpenSSH 9.2 of
// Debian 12 printed for them.
func TestEffectiveIsWhatTheServerPrints(t *testing.T) {
	t.Parallel()
	// These are compiled in by the distribution, or belong to patches that not every sshd has.
	compiled := []string{
		"pidfile", "modulifile", "xauthlocation", "gssapikexalgorithms", "gssapikeyexchange", "gssapistorecredentialsonrekey",
	}
	for _, name := range []string{"plain", "hardened", "lax"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf, err := os.ReadFile(filepath.Join("testdata", name+".conf"))
			if err != nil {
				t.Fatal(err)
			}
			printed, err := os.ReadFile(filepath.Join("testdata", name+".effective"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := Load(main, files{main: string(conf)})
			if err != nil || len(c.Problems) > 0 {
				t.Fatalf("Load: %v, problems %v", err, c.Problems)
			}
			got, want := c.Effective(), ParseEffective(printed)
			for _, k := range compiled {
				delete(want, k)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("printed by sshd (-), read from the file (+):\n%s", diff)
			}
		})
	}
}

func TestMatchAndIncludeHoldWhereTheyStand(t *testing.T) {
	t.Parallel()
	c, err := Load(main, files{
		main: "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nMatch Group ops\n  Include inner.conf\n  Banner none\n" +
			"Match all\nPort 2022\nUsePAM\nx \"y\nInclude gone.conf\n",
		"/etc/ssh/sshd_config.d/10.conf": "PermitRootLogin no\nMatch User a\nMaxAuthTries 1\n",
		"/etc/ssh/sshd_config.d/20.conf": "PasswordAuthentication no\n",
		"/etc/ssh/sshd_config.d/30.conf": "!",
		"/etc/ssh/inner.conf":            "X11Forwarding yes\nMatch Address 10.*\nPermitTTY no\n",
	})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v does not say that a file may not be read", err)
	}
	e := c.Effective()
	for k, want := range map[string]string{
		"permitrootlogin": "no", "passwordauthentication": "no", "maxauthtries": "6", "x11forwarding": "no", "port": "2022",
	} {
		if got := e.Text(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	want := []Match{
		{Criteria: "User a", Settings: []Setting{{"maxauthtries", []string{"1"}}}},
		{Criteria: "Group ops", Settings: []Setting{{"x11forwarding", []string{"yes"}}, {"banner", []string{"none"}}}},
		{Criteria: "Group ops Address 10.*", Settings: []Setting{{"permittty", []string{"no"}}}},
	}
	if diff := cmp.Diff(want, c.Matches); diff != "" {
		t.Error(diff)
	}
	wantProblems := []string{main + ":8: UsePAM has no value", main + ":9: a quote is not closed"}
	if diff := cmp.Diff(wantProblems, c.Problems); diff != "" {
		t.Error(diff)
	}
}

func TestIncludesThatNeverEnd(t *testing.T) {
	t.Parallel()
	c, err := Load(main, files{main: "Include /etc/ssh/sshd_config\nInclude /etc/ssh/sshd_config\n"})
	if err != nil || len(c.Problems) == 0 || len(c.Files) > maxFiles {
		t.Errorf("%d files, problems %d, %v", len(c.Files), len(c.Problems), err)
	}
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	e := ParseEffective([]byte("port 22\nUsePAM yes\nciphers a,b\nallowusers x\nallowusers y\nbanner none\nmaxstartups 10:30:100\n" +
		"authorizedkeysfile a b\nlogingracetime 2m\nodd\n"))
	if b := e.Bool("usepam"); b == nil || !*b {
		t.Error("usepam")
	}
	if e.Bool("banner") != nil || e.Int("maxstartups") != nil || *e.Int("port") != 22 || e.Text("logingracetime") != "120" {
		t.Error("Bool or Int takes what is neither")
	}
	if diff := cmp.Diff([]string{"a", "b"}, e.List("ciphers")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x", "y"}, e.List("allowusers")); diff != "" {
		t.Error(diff)
	}
	if e.List("banner") != nil || len(e.Words("authorizedkeysfile")) != 2 {
		t.Error("List of none, or Words")
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"0": 0, "90": 90, "1m30s": 90, "1h": 3600, "2d": 172800, "1W": 604800, "1h5": 3605} {
		if got, ok := seconds(in); !ok || got != want {
			t.Errorf("seconds(%q) = %d, %v, want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "m", "1x", "-1", "99999999999999999999", strings.Repeat("9w", 100000) + "x"} {
		if got, ok := seconds(in); ok {
			t.Errorf("seconds(%.20q) = %d", in, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("Port 22\nMatch User a\nInclude x*\nCiphers -a*,[\nListenAddress [::1]:9\n")
	f.Add("\"a\" = 'b' # c\nMatch all\nMatch\nListenAddress ::")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(main, files{main: text})
		if err != nil && text != "!" && !strings.Contains(err.Error(), "list ") {
			t.Fatal(err)
		}
		for k, v := range c.Effective() {
			if k == "" || len(v) == 0 && k != "listenaddress" {
				t.Errorf("%q has %q", k, v)
			}
		}
	})
}

func FuzzParseEffective(f *testing.F) {
	f.Add([]byte("port 22\npermitrootlogin without-password\nlogingracetime 2m\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for k, v := range ParseEffective(b) {
			if k == "" || len(v) == 0 {
				t.Errorf("%q has %q", k, v)
			}
		}
	})
}
