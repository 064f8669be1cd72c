package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regent-dev/regent/sdk"
)

// programs answers in place of the machine's programs, by "name first-argument".
type programs map[string]string

func (p programs) run(_ context.Context, name string, args ...string) ([]byte, error) {
	out, ok := p[name+" "+args[0]]
	if !ok {
		return nil, errors.New("run " + name + ": not here")
	}
	return []byte(out), nil
}

// list lists one family of a fixture whose programs answer.
func list(t *testing.T, root string, p programs, f family) (map[string]resource, *scan, error) {
	t.Helper()
	c := opened(t, func(c *config) { c.Root = root })
	if p != nil {
		c.run = p.run
	}
	s := &scan{host: c.host}
	out := map[string]resource{}
	err := f.list(context.Background(), s, func(r resource) error { out[r.id] = r; return nil })
	return out, s, err
}

func TestWhatSSHDSaysGoesBeforeItsFile(t *testing.T) {
	t.Parallel()
	root := fixture(t)
	got, _, err := list(t, root, programs{"sshd -T": "port 2022\npermitrootlogin without-password\npasswordauthentication no\n"}, sshFamily())
	must(t, err)
	c := got["sshd"].configuration.(sshConfiguration)
	if c.Source != "sshd -T" || c.PermitRootLogin != "prohibit-password" || c.PasswordAuthentication == nil || *c.PasswordAuthentication || len(c.Matches) != 1 {
		t.Errorf("%+v", c)
	}
	// A server that refuses to answer leaves the file.
	got, _, err = list(t, root, programs{}, sshFamily())
	must(t, err)
	if c := got["sshd"].configuration.(sshConfiguration); c.Source != "sshd_config" || c.PermitRootLogin != "no" {
		t.Errorf("%+v", c)
	}
	must(t, os.Remove(filepath.Join(root, "etc/ssh/sshd_config")))
	if got, _, err = list(t, root, nil, sshFamily()); len(got) != 0 || err != nil {
		t.Errorf("a machine without a server has %v, %v", got, err)
	}
}

func TestStatesOfUnitsComeFromSystemd(t *testing.T) {
	t.Parallel()
	root := fixture(t)
	must(t, os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755))
	got, _, err := list(t, root, programs{"systemctl show": `Id=nginx.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=disabled
FragmentPath=/usr/lib/systemd/system/nginx.service
Result=exit-code

Id=getty@tty1.service
ActiveState=active
LoadState=loaded

Id=clean.service
Type=oneshot
ActiveState=activating
LoadState=loaded
FragmentPath=

Id=lost.service
ActiveState=failed
LoadState=not-found
Result=success
FragmentPath=

Id=dev-sda.device
ActiveState=active
`}, unitFamily())
	must(t, err)
	nginx := got["nginx.service"].configuration.(unitConfiguration)
	if !nginx.Failed || nginx.Result != "exit-code" || nginx.UnitFileState != "disabled" || nginx.Enabled || nginx.LoadState != "loaded" {
		t.Errorf("%+v", nginx)
	}
	if c := got["getty@tty1.service"].configuration.(unitConfiguration); c.File != "/usr/lib/systemd/system/getty@.service" || c.ActiveState != "active" {
		t.Errorf("%+v", c)
	}
	if c := got["lost.service"].configuration.(unitConfiguration); !c.Failed || c.Result != "" || c.File != "" {
		t.Errorf("%+v", c)
	}
	if _, ok := got["dev-sda.device"]; ok || len(got["clean.service"].id) != 0 {
		t.Error("units that come and go are recorded")
	}
	_, s, err := list(t, root, programs{}, unitFamily())
	if err != nil || len(s.notes) != 1 || !strings.Contains(s.notes[0].detail, "not here") {
		t.Errorf("a systemd that does not answer: %v, %v", s.notes, err)
	}
}

func TestRPMIsAskedOnlyWhenItsDatabaseChanges(t *testing.T) {
	t.Parallel()
	root := fixture(t)
	db := filepath.Join(root, "var/lib/rpm/rpmdb.sqlite")
	must(t, os.MkdirAll(filepath.Dir(db), 0o755))
	must(t, os.WriteFile(db, []byte("1"), 0o644))
	c := opened(t, func(c *config) { c.Root = root })
	asked := 0
	answer := programs{"rpm -qa": "bash\t5.1-6\tx86_64\tbash-5.1-6.src.rpm\tV\tGPL\tG\t1024\t1690000000\tshell\n"}
	c.run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		asked++
		return answer.run(ctx, name, args...)
	}
	look := func() []string {
		var ids []string
		must(t, listPackages(context.Background(), &scan{host: c.host}, func(r resource) error { ids = append(ids, r.id); return nil }))
		return ids
	}
	for range 2 {
		if ids := look(); !slices.Contains(ids, "bash:x86_64") || asked != 1 {
			t.Errorf("packages %v after asking %d times", ids, asked)
		}
	}
	must(t, os.WriteFile(db, []byte("12"), 0o644))
	if look(); asked != 2 {
		t.Errorf("asked %d times after a change", asked)
	}
	// Without the program the listing is not complete.
	c.run, c.rpm.stamp = nil, ""
	if err := listPackages(context.Background(), &scan{host: c.host}, func(resource) error { return nil }); err == nil {
		t.Error("packages that cannot be listed are passed over")
	}
}

func TestProgramsAreRunWithBounds(t *testing.T) {
	t.Parallel()
	out, err := runProgram(context.Background(), "sh", "-c", "echo $LC_ALL; echo ${HOME:-none}")
	if string(out) != "C\nnone\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := runProgram(context.Background(), "sh", "-c", "echo why >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("error %v does not hold what the program said", err)
	}
	if _, err := runProgram(context.Background(), "no-such-program"); err == nil {
		t.Error("a missing program runs")
	}
	b := bounded{max: 3}
	if n, err := b.Write([]byte("12345")); n != 5 || err != nil || b.b.String() != "123" || !b.cut {
		t.Errorf("%d, %v, %q", n, err, b.b.String())
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.Watch = []string{"etc"} }, `watch: "etc" is not an absolute path`},
		{func(c *config) { c.Root = "x" }, "root"},
		{func(c *config) { c.Include = []string{"files"} }, `there is no family "files"; did you mean "file"?`},
		{func(c *config) { c.Exclude = []string{"zebra"} }, `there is no family "zebra"; there are machine, user, group`},
		{func(c *config) { c.Include, c.Exclude = []string{"user"}, []string{"user"} }, "no family is left"},
		{func(c *config) { c.Ignore = []string{"[a"} }, "ignore"},
		{func(c *config) { c.MaxFiles = 0 }, "max_files"},
		{func(c *config) { c.MaxFileSize = -1 }, "max_file_size"},
		{func(c *config) { c.Poll = 1 }, "poll"},
		{func(c *config) { c.MachineID = "a/b" }, "machine_id"},
	} {
		cfg := config{Root: "/", MaxFiles: 1, Poll: 1e9}
		c.change(&cfg)
		_, err := open(context.Background(), cfg, sdk.Env{StateDir: t.TempDir()})
		if err == nil || !strings.Contains(strings.NewReplacer("[", "", "]", "").Replace(err.Error()), strings.NewReplacer("[", "", "]", "").Replace(c.want)) {
			t.Errorf("error %v does not say %q", err, c.want)
		}
	}
}

func TestMachineID(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), t.TempDir()
	open := func(configured string) (string, bool) {
		c := opened(t, func(c *config) { c.Root, c.MachineID = root, configured })
		id, invented, err := machineID(c.tree, configured, state)
		must(t, err)
		return id, invented
	}
	first, invented := open("")
	if second, _ := open(""); !invented || first != second || !validMachineID(first) {
		t.Errorf("a made-up id is %q, then %q", first, second)
	}
	must(t, os.MkdirAll(filepath.Join(root, "sys/class/dmi/id"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "sys/class/dmi/id/product_uuid"), []byte("00000000-0000-0000-0000-000000000000\n"), 0o600))
	if id, _ := open(""); id != first {
		t.Errorf("firmware without a number gives %q", id)
	}
	must(t, os.WriteFile(filepath.Join(root, "sys/class/dmi/id/product_uuid"), []byte("4C4C4544-0042-3510-8051-B4C04F4A4D32\n"), 0o600))
	if id, invented := open(""); id != "4c4c4544004235108051b4c04f4a4d32" || invented {
		t.Errorf("the hardware's id is %q", id)
	}
	must(t, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/machine-id"), []byte("uninitialized\n"), 0o600))
	if id, _ := open(""); !strings.HasPrefix(id, "4c4c") {
		t.Errorf("an id that is not yet set gives %q", id)
	}
	must(t, os.WriteFile(filepath.Join(root, "etc/machine-id"), []byte("0123456789abcdef0123456789abcdef\n"), 0o600))
	if id, _ := open(""); id != "0123456789abcdef0123456789abcdef" {
		t.Errorf("the machine's id is %q", id)
	}
	if id, _ := open("given"); id != "given" {
		t.Errorf("the configured id is %q", id)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"backup --password hunter2 --to /srv":       "backup --password *** --to /srv",
		"x --db-password=hunter2":                   "x --db-password=***",
		"PGPASSWORD='a b' psql":                     "PGPASSWORD=*** psql",
		"curl https://me:pw@example.org/x":          "curl https://me:***@example.org/x",
		`curl -H "Authorization: Bearer abc.def" x`: `curl -H "Authorization: Bearer ***" x`,
		"x --token-file /run/token":                 "x --token-file /run/token",
		"x --token /run/token":                      "x --token /run/token",
		"API_KEY=abc x":                             "API_KEY=*** x",
		"passwd alice":                              "passwd alice",
		"tar czf /srv/b.tgz /etc":                   "tar czf /srv/b.tgz /etc",
		"username=u,password=p,rw":                  "username=u,password=***,rw",
		"aws_secret_access_key:abc":                 "aws_secret_access_key:***",
	} {
		if got := hideSecrets(in); got != want {
			t.Errorf("hideSecrets(%q) = %q, want %q", in, got, want)
		}
	}
	got := hideArguments([]string{"x", "--password", "p", "--token", "--flag", "-api-key", "/run/key", "--secret=s", "y"})
	want := []string{"x", "--password", "***", "--token", "--flag", "-api-key", "/run/key", "--secret=***", "y"}
	if !slices.Equal(got, want) {
		t.Errorf("hideArguments = %q, want %q", got, want)
	}
}

func FuzzHideSecrets(f *testing.F) {
	f.Add("--password hunter2 https://a:b@c token=x")
	f.Fuzz(func(t *testing.T, s string) {
		once := hideSecrets(s)
		if len(once) > 4*len(s)+64 {
			t.Errorf("%q grows to %q", s, once)
		}
	})
}
