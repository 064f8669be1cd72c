package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/sdk"
)

// fixture unpacks testdata/machine.txtar with the links and modes that an archive cannot hold.
func fixture(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	a, err := txtar.ParseFile(filepath.Join("testdata", "machine.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{
		"proc/100/cmdline": "nginx: master process /usr/sbin/nginx\x00",
		"proc/101/cmdline": "nginx: worker process\x00",
		"proc/200/cmdline": "python3\x00-u\x00/srv/app.py\x00--token\x00hunter2\x00",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"etc/os-release":    "../usr/lib/os-release",
		"etc/localtime":     "/usr/share/zoneinfo/Europe/Berlin",
		"sbin":              "usr/sbin",
		"bin":               "usr/bin",
		"proc/100/exe":      "/usr/sbin/nginx",
		"proc/100/fd/6":     "socket:[501]",
		"proc/100/fd/7":     "socket:[504]",
		"proc/100/fd/8":     "/dev/null",
		"proc/101/exe":      "/usr/sbin/nginx",
		"proc/101/fd/6":     "socket:[501]",
		"proc/200/exe":      "/usr/bin/python3.11 (deleted)",
		"proc/200/fd/3":     "socket:[502]",
		"etc/absolute-link": "/etc/plain",
		"etc/systemd/system/multi-user.target.wants/nginx.service": "/usr/lib/systemd/system/nginx.service",
		"etc/systemd/system/web.service":                           "/usr/lib/systemd/system/nginx.service",
		"etc/systemd/system/debug.service":                         "/dev/null",
		"lib/systemd":                                              "../usr/lib/systemd",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "etc/pipe"), 0o622); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]uint32{
		"etc/shadow": 0o640, "etc/cron.daily/logrotate": 0o755, "etc/plain": 0o4777, "etc/pipe": 0o666, "etc/sudoers": 0o440,
	} {
		if err := unix.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func collectFixture(t *testing.T, root string) *recorder {
	t.Helper()
	return collect(t, opened(t, func(c *config) {
		c.Root, c.MachineID, c.Watch = root, "", []string{"/etc"}
		c.Ignore, c.MetadataOnly = []string{"**/nginx/**"}, []string{"/etc/anacron*"}
	}))
}

func TestFixture(t *testing.T) {
	t.Parallel()
	r := collectFixture(t, fixture(t))
	for typ, complete := range r.sweeps {
		if !complete {
			t.Errorf("the sweep of %s is not complete: %v", typ, r.problems)
		}
	}
	const nginx = "/usr/sbin/nginx@root in nginx.service"
	const app = "/usr/bin/python3.11 /srv/app.py@alice"
	yes, no := any(true), any(false)
	for _, c := range []struct {
		typ, id string
		want    map[string]any
		related []string // "type id name"
	}{
		{typeMachine, "0123456789abcdef0123456789abcdef", map[string]any{
			"hostName": "web1.example.org", "os.id": "example", "os.idLike.1": "other", "os.name": "Example Linux 7 (quiet)",
			"kernel.release": "6.1.0-18-amd64", "kernel.architecture": "x86_64", "cpu.count": 2.0, "cpu.model": "Imagined CPU",
			"memoryBytes": float64(3933 << 20), "swapBytes": 0.0, "timeZone": "Europe/Berlin", "systemd": no, "bootedAt": "2023-11-14T22:13:20Z",
		}, nil},

		{typeUser, "root", map[string]any{
			"uid": 0.0, "interactive": yes, "system": yes, "password.state": "locked", "password.algorithm": "yescrypt", "password.lastChanged": "2023-12-09",
		}, []string{typeGroup + " root Has primary group"}},
		{typeUser, "daemon", map[string]any{"interactive": no, "password.state": "none", "password.algorithm": nil}, nil},
		{typeUser, "alice", map[string]any{
			"uid": 1000.0, "groups": []any{"alice", "sudo", "users"}, "system": no, "password.state": "set", "password.algorithm": "sha512",
			"password.maxDays": 90.0, "password.inactiveDays": 30.0, "password.accountExpires": "2026-02-16", "duplicates": 1.0,
		}, []string{typeGroup + " alice Has primary group", typeGroup + " sudo Is member of"}},
		{typeUser, "toor", map[string]any{"uid": 0.0, "password.state": "empty"}, nil},
		{typeUser, "guest", map[string]any{"password.state": "empty", "shell": nil, "interactive": yes}, nil},
		{typeUser, "stale", map[string]any{"primaryGroup": nil, "groups": []any{}, "password.state": "none"}, nil},
		{
			typeGroup, "users",
			map[string]any{"gid": 100.0, "system": yes, "members": []any{"alice", "guest"}, "primaryMembers": []any{"alice", "guest"}},
			[]string{typeUser + " guest Has member"},
		},

		{typeSudoers, "/etc/sudoers", map[string]any{
			"files": []any{"/etc/sudoers", "/etc/sudoers.d/everyone"}, "defaults.1.name": "authenticate", "defaults.1.negated": yes,
			"problems.0": `/etc/sudoers:8: expected = at "is broken"`,
		}, []string{typeFile + " /etc/sudoers.d/everyone Is defined in"}},
		{typeSudoRule, "/etc/sudoers:ADMINS", map[string]any{
			"users.0.name": "alice", "users.1.kind": "group", "users.1.name": "wheel", "noPassword": yes, "allCommands": yes, "everyone": no,
			"commands.0.command": "/usr/bin/systemctl", "commands.0.arguments": "restart nginx", "commands.0.noPassword": yes,
			"commands.1.noPassword": no, "commands.1.runAsUsers.0.name": "root",
		}, []string{typeUser + " alice Applies to", typeGroup + " wheel Applies to"}},
		{typeSudoRule, "/etc/sudoers:ci", map[string]any{"noPassword": yes, "allCommands": no, "commands.0.tags": nil}, nil},
		{typeSudoRule, "/etc/sudoers:root", map[string]any{"noPassword": no, "allCommands": yes}, nil},
		{typeSudoRule, "/etc/sudoers.d/everyone:ALL", map[string]any{
			"everyone": yes, "commands.0.runAsUsers.0.kind": "self", "commands.0.runAsGroups.0.name": "adm",
		}, []string{typeFile + " /etc/sudoers.d/everyone Is defined in"}},

		{typeSSHServer, "sshd", map[string]any{
			"source": "sshd_config", "permitRootLogin": "no", "maxAuthTries": 3.0, "x11Forwarding": yes, "passwordAuthentication": yes,
			"ports": []any{"22"}, "ciphers": []any{"chacha20-poly1305@openssh.com", "aes192-ctr", "aes256-ctr", "aes256-gcm@openssh.com"},
			"matches.0.criteria": "User backup", "matches.0.settings.0.keyword": "passwordauthentication",
		}, []string{typeFile + " /etc/ssh/sshd_config.d/10-local.conf Is defined in"}},

		{typeParameter, "net.ipv4.ip_forward", map[string]any{
			"value": "1", "number": 1.0, "configured": "0", "configuredIn": "/etc/sysctl.d/50-local.conf",
		}, []string{typeFile + " /etc/sysctl.d/50-local.conf Is configured in"}},
		{typeParameter, "net.ipv4.conf.eth0/100.rp_filter", map[string]any{"configured": "2"}, nil},
		{typeParameter, "net.ipv4.conf.all.accept_redirects", map[string]any{"number": 0.0, "configured": "0"}, nil},
		{typeParameter, "net.ipv4.tcp_rmem", map[string]any{"value": "4096 131072 6291456", "number": nil, "configured": nil}, nil},
		{typeModule, "vendor", map[string]any{"outOfTree": yes, "unsigned": yes, "taint": "OE", "usedBy": []any{}}, nil},
		{typeModule, "nf_tables", map[string]any{"outOfTree": no}, []string{typeModule + " nft_compat Is used by"}},

		{typeMount, "/", map[string]any{"type": "ext4", "inFstab": yes, "fstabOptions": []any{"errors=remount-ro"}, "propagation": "shared"}, nil},
		{typeMount, "/tmp", map[string]any{"nodev": yes, "nosuid": yes, "noexec": yes, "inFstab": no}, []string{typeMount + " / Is mounted below"}},
		{typeMount, "/mnt/share", map[string]any{"source": "over", "noexec": yes, "fstabOptions": []any{"password=***", "username=u"}}, nil},

		{typePackage, "nginx:amd64", map[string]any{
			"version": "1.22.1-9", "manager": "dpkg", "installed": yes, "automatic": yes, "installedKiB": 1234.0,
		}, []string{typeFile + " /etc/nginx/nginx.conf Owns file"}},
		{typePackage, "oldthing:all", map[string]any{"installed": no, "status": "config-files"}, nil},
		{typePackage, "musl:x86_64", map[string]any{"manager": "apk", "installed": yes, "installedKiB": 608.0}, nil},

		{typeListener, "tcp/0.0.0.0/80", map[string]any{
			"allAddresses": yes, "loopback": no, "userName": "root", "processes": []any{nginx}, "executables": []any{"/usr/sbin/nginx"}, "packages": []any{"nginx:amd64"},
		}, []string{typeProcess + " " + nginx + " Is opened by", typePackage + " nginx:amd64 Is opened by program of"}},
		{typeListener, "tcp/::/80", map[string]any{"family": "ipv6", "allAddresses": yes}, nil},
		{typeListener, "tcp/127.0.0.1/8080", map[string]any{"loopback": yes, "userName": "alice"}, nil},
		{typeListener, "tcp/127.0.0.1/2049", map[string]any{"processes": nil}, nil},
		{typeListener, "udp/0.0.0.0/68", map[string]any{"protocol": "udp"}, nil},
		{typeProcess, nginx, map[string]any{
			"pids": []any{100.0, 101.0}, "arguments": []any{"nginx: master process /usr/sbin/nginx"}, "unit": "nginx.service", "package": "nginx:amd64",
			"listeners": []any{"tcp/0.0.0.0/80", "tcp/::/80"}, "startedAt": "2023-11-14T22:15:20Z", "effectiveCapabilities": "000001ffffffffff",
		}, []string{typeFile + " /usr/sbin/nginx Runs", typeUnit + " nginx.service Is part of", typeUser + " root Runs as"}},
		{typeProcess, app, map[string]any{
			"replaced": yes, "script": "/srv/app.py", "package": "musl:x86_64",
			"arguments": []any{"python3", "-u", "/srv/app.py", "--token", "***"},
		}, []string{typeListener + " tcp/127.0.0.1/8080 Listens at"}},

		{typeFile, "/usr/sbin/nginx", map[string]any{"watched": no, "package": "nginx:amd64"}, []string{typePackage + " nginx:amd64 Belongs to package"}},
		{typeFile, "/etc/plain", map[string]any{
			"type": "file", "mode": "4777", "setuid": yes, "worldWritable": yes, "groupWritable": yes, "sizeBytes": 6.0, "watched": yes,
			"sha256": "dacf36547c7774a0a170806363b5d412991fbc0d6260b2c00b1d3a80a816c23f",
		}, nil},
		{
			typeFile, "/etc/absolute-link",
			map[string]any{"type": "symlink", "linkTarget": "/etc/plain", "worldWritable": no, "sha256": nil},
			[]string{typeFile + " /etc/plain Leads to"},
		},
		{typeFile, "/etc/os-release", map[string]any{"type": "symlink"}, []string{typeFile + " /usr/lib/os-release Leads to"}},
		{typeFile, "/etc/pipe", map[string]any{"type": "pipe", "worldWritable": yes, "sha256": nil}, nil},
		{typeFile, "/etc/cron.d", map[string]any{"type": "directory", "sizeBytes": nil}, nil},
		{typeFile, "/etc/anacrontab", map[string]any{"notRead": "metadata only", "sizeBytes": nil}, nil},
		{typeFile, "/var/spool/cron/crontabs/alice", map[string]any{"watched": no}, nil},

		{typeCron, "/etc/crontab:cd / && run-parts /etc/cron.hourly", map[string]any{
			"schedule": "17 * * * *", "userName": "root", "environment.PATH": "/usr/bin:/bin", "kind": "system",
		}, []string{typeUser + " root Runs as", typeFile + " /etc/crontab Is defined in"}},
		{typeCron, "/etc/cron.d/backup:/usr/local/bin/backup --password *** --to /srv", map[string]any{"schedule": "0 3 * * *", "environment": nil}, nil},
		{typeCron, "/etc/cron.d/backup:/usr/local/bin/backup --password *** --to /srv#2", map[string]any{"schedule": "0 4 * * *"}, nil},
		{typeCron, "/etc/cron.d/ignored.sh:true", map[string]any{"ignored": yes}, nil},
		{typeCron, "/etc/cron.daily/logrotate", map[string]any{"kind": "script", "schedule": "@daily", "ignored": no}, nil},
		{typeCron, "/etc/cron.daily/notexec", map[string]any{"ignored": yes}, nil},
		{typeCron, "/var/spool/cron/crontabs/alice:/home/alice/start", map[string]any{"kind": "user", "userName": "alice", "schedule": "@reboot"}, nil},
		{typeCron, "/etc/anacrontab:run-parts /etc/cron.weekly", map[string]any{"kind": "anacron", "schedule": "every 7 days"}, nil},

		{typeUnit, "nginx.service", map[string]any{
			"unitFileState": "enabled", "enabled": yes, "noNewPrivileges": yes, "protectSystem": "strict", "type": "forking",
			"execStart": []any{"/usr/sbin/nginx --api-key=***"}, "dropIns": []any{"/etc/systemd/system/nginx.service.d/hardening.conf"},
			"activeState": nil, "failed": no, "wantedBy": []any{"multi-user.target"},
		}, []string{typeFile + " /usr/lib/systemd/system/nginx.service Is defined in"}},
		{typeUnit, "web.service", map[string]any{"unitFileState": "alias", "aliasOf": "nginx.service"}, []string{typeUnit + " nginx.service Is another name of"}},
		{typeUnit, "debug.service", map[string]any{"unitFileState": "masked", "masked": yes}, nil},
		{typeUnit, "getty@.service", map[string]any{"unitFileState": "disabled"}, nil},
		{typeUnit, "clean.timer", map[string]any{"unitFileState": "static", "schedule": []any{"OnCalendar=daily"}, "triggers": "clean.service"}, nil},
		{typeUnit, "web.socket", map[string]any{"listen": []any{"80", "[::]:80"}, "triggers": "nginx.service"}, nil},
	} {
		it := r.one(c.typ, c.id)
		for path, want := range c.want {
			if got := it.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s: %s is %#v, want %#v", c.typ, c.id, path, got, want)
			}
		}
		for _, rel := range c.related {
			if !slices.ContainsFunc(it.Relationships, func(r sdk.Relationship) bool { return r.ResourceType+" "+r.ResourceID+" "+r.Name == rel }) {
				t.Errorf("%s %s has no relationship %q, only %v", c.typ, c.id, rel, it.Relationships)
			}
		}
	}
	r.refuses(typeParameter, "net.ipv4.tcp_fastopen_key", "kernel.random.uuid", "net.ipv4.conf.veth12ab.rp_filter", "dev.table", "kernel.sysrq")
	r.refuses(typeMount, "/run/user/1000")
	r.refuses(typeListener, "udp/0.0.0.0/49153")
	r.refuses(typeFile, "/etc/nginx/nginx.conf", "/usr/bin/python3.11")
	r.refuses(typeCron, "/etc/cron.d/old.dpkg-old:false")
	for _, it := range r.got {
		for _, secret := range []string{"hunter2", "topsecret99", "secret1", "bm90IGEg"} {
			if bytes.Contains(it.raw, []byte(secret)) {
				t.Errorf("%s %s holds the secret %q", it.Type, it.ID, secret)
			}
		}
	}
	if len(r.events) > 0 {
		t.Errorf("the first pass makes events: %s", r.actions())
	}
}

// refuses checks that resources were not sent.
func (r *recorder) refuses(typ string, ids ...string) {
	r.t.Helper()
	for _, it := range r.ofType(typ) {
		if slices.Contains(ids, it.ID) {
			r.t.Errorf("%s %s was sent", typ, it.ID)
		}
	}
}

// TestAnotherPassSaysTheSame guards against identities and values that differ from pass to pass.
func TestAnotherPassSaysTheSame(t *testing.T) {
	t.Parallel()
	root := fixture(t)
	a, b := collectFixture(t, root), collectFixture(t, root)
	content := func(r *recorder) map[string]string {
		out := map[string]string{}
		for _, it := range r.got {
			out[it.Type+" "+it.ID] = fmt.Sprint(it.Configuration, it.Relationships)
		}
		return out
	}
	x, y := content(a), content(b)
	for k, v := range x {
		if y[k] != v {
			t.Errorf("%s differs:\n%s\n%s", k, v, y[k])
		}
	}
	if len(x) != len(y) {
		t.Errorf("%d resources, then %d", len(x), len(y))
	}
}

// TestUDPSocketsThatStayAreListeners follows a socket with a port of the kernel's choosing through
// passes and a restart.
func TestUDPSocketsThatStayAreListeners(t *testing.T) {
	t.Parallel()
	const service = "udp/0.0.0.0/49153"
	root := fixture(t)
	instance := func() *collector {
		c := opened(t, func(c *config) { c.Root, c.Include = root, []string{"listener"} })
		c.every = 10 * time.Millisecond
		return c
	}
	r := collect(t, instance())
	r.until("the cursor that knows it", func() bool { return strings.Contains(string(r.cursor), service) })
	if n := len(r.ofType(typeListener)); n == 0 || r.got[0].ID == service {
		t.Error("the first pass takes it for a service")
	}

	again := newRecorder(t)
	again.cursor = r.cursor
	collectInto(t, instance(), again)
	again.one(typeListener, service)

	garbled := newRecorder(t)
	garbled.cursor = []byte("{")
	collectInto(t, instance(), garbled)
}
