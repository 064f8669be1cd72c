package account

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParsePasswd(t *testing.T) {
	t.Parallel()
	got, err := ParsePasswd([]byte("root:x:0:0:root:/root:/bin/bash\n" +
		"# comment\n\n+nis::::::\n" +
		"open::1001:100:An Open One,,,:/home/open:\n" +
		"old:ab8.xYz0123Ab:1002:100::/home/old:/bin/sh\r\n" +
		"short:x:1\n" +
		"nan:x:one:1::/:/bin/sh\n" +
		"big:x:4294967296:1::/:/bin/sh\n" +
		":x:5:5::/:/bin/sh\n" +
		"last:*:4294967294:65534::/:/usr/sbin/nologin"))
	want := []User{
		{Name: "root", Password: Password{State: PasswordShadowed}, Comment: "root", Home: "/root", Shell: "/bin/bash"},
		{Name: "open", Password: Password{State: PasswordEmpty}, UID: 1001, GID: 100, Comment: "An Open One,,,", Home: "/home/open"},
		{Name: "old", Password: Password{State: PasswordSet, Algorithm: "des"}, UID: 1002, GID: 100, Home: "/home/old", Shell: "/bin/sh"},
		{Name: "last", Password: Password{State: PasswordNone}, UID: 4294967294, GID: 65534, Home: "/", Shell: "/usr/sbin/nologin"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantErr := "line 7: 3 fields, want 7\nline 8: user id is not a number\nline 9: user id is not a number\nline 10: no name"
	if err == nil || err.Error() != wantErr {
		t.Errorf("error %q, want %q", err, wantErr)
	}
}

func TestParseShadowKeepsNoHash(t *testing.T) {
	t.Parallel()
	const secret = "Zm9vYmFyc2VjcmV0"
	got, err := ParseShadow([]byte("a:$y$j9T$salt$" + secret + ":19700:0:99999:7:::\n" +
		"b:!$6$salt$" + secret + ":19701:1:90:7:30:20000:\n" +
		"c:!:19702::::::\n" +
		"d:*:0:0:99999:7:::\n" +
		"e:::::::0:\n" +
		"f:!!:::::::\n" +
		"g:$1$x$" + secret + ":x::::::\n" +
		"h:$2b$12$" + secret + ":1:::::\n"))
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	want := []Shadow{
		{Name: "a", Password: Password{PasswordSet, "yescrypt"}, Changed: day(2023, 12, 9), MaxDays: 99999, WarnDays: 7, Inactive: -1},
		{
			Name: "b", Password: Password{PasswordLocked, "sha512"}, Changed: day(2023, 12, 10),
			MinDays: 1, MaxDays: 90, WarnDays: 7, Inactive: 30, Expires: day(2024, 10, 4),
		},
		{Name: "c", Password: Password{State: PasswordNone}, Changed: day(2023, 12, 11), MinDays: -1, MaxDays: -1, WarnDays: -1, Inactive: -1},
		{Name: "d", Password: Password{State: PasswordNone}, MustChange: true, MaxDays: 99999, WarnDays: 7, Inactive: -1},
		{Name: "e", Password: Password{State: PasswordEmpty}, MinDays: -1, MaxDays: -1, WarnDays: -1, Inactive: -1, Expires: day(1970, 1, 1)},
		{Name: "f", Password: Password{State: PasswordNone}, MinDays: -1, MaxDays: -1, WarnDays: -1, Inactive: -1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || !strings.Contains(err.Error(), "line 7: a number of days is not a number") ||
		!strings.Contains(err.Error(), "line 8: 8 fields, want 9") {
		t.Errorf("error %q does not name lines 7 and 8", err)
	}
	all, _ := json.Marshal(got)
	if strings.Contains(string(all)+err.Error(), secret) {
		t.Error("a hash left the parser")
	}
}

func TestParseGroup(t *testing.T) {
	t.Parallel()
	got, err := ParseGroup([]byte("root:x:0:\nsudo:x:27:alice, bob,,\nopen::100:\nbad:x:\n"))
	want := []Group{
		{Name: "root", Password: Password{State: PasswordShadowed}},
		{Name: "sudo", Password: Password{State: PasswordShadowed}, GID: 27, Members: []string{"alice", "bob"}},
		{Name: "open", Password: Password{State: PasswordEmpty}, GID: 100},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "line 4: 3 fields, want 4" {
		t.Errorf("error %v", err)
	}
}

func TestManyBadLinesMakeAShortError(t *testing.T) {
	t.Parallel()
	_, err := ParseGroup([]byte(strings.Repeat("nonsense\n", 1000)))
	if err == nil || len(err.Error()) > 300 || !strings.HasSuffix(err.Error(), "and 995 more lines") {
		t.Errorf("error %q", err)
	}
}

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	got := ParseDefaults([]byte("# UID_MIN 5\nUID_MIN\t\t 500\nGID_MIN 0x1F4\nUMASK 022\nUID_MAX many\n"))
	if want := (Defaults{UIDMin: 500, GIDMin: 500}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := ParseDefaults(nil), (Defaults{1000, 1000}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInteractive(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]bool{
		"": true, "/bin/bash": true, "/usr/bin/fish": true, "/usr/sbin/nologin": false, "/sbin/nologin": false, "/bin/false": false, "/bin/sync": false,
	} {
		if Interactive(shell) != want {
			t.Errorf("Interactive(%q) = %v", shell, !want)
		}
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\nx:$6$a$b:1:1:::\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		users, _ := ParsePasswd(b)
		for _, u := range users {
			if u.Name == "" || u.Password.State == "" {
				t.Errorf("%+v", u)
			}
		}
	})
}

func FuzzShadow(f *testing.F) {
	f.Add([]byte("a:$y$j9T$x$y:19700:0:99999:7:::\nb:!:19701:1:90:7:30:20000:\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range first(ParseShadow(b)) {
			if s.Name == "" || (s.Password.Algorithm != "") != (s.Password.State == PasswordSet || s.Password.State == PasswordLocked) {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzGroup(f *testing.F) {
	f.Add([]byte("sudo:x:27:alice,bob\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, g := range first(ParseGroup(b)) {
			for _, m := range g.Members {
				if m == "" {
					t.Errorf("%+v has an empty member", g)
				}
			}
		}
		ParseDefaults(b)
	})
}

func first[T any](v T, _ error) T { return v }
