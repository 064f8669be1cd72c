package procfs

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20211 1 ffff9 100 0 0 10 0
   1: 0100007F:14EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 18777 1 ffff9 100 0 0 10 0
   2: 0100007F:14EB 0100007F:8000 01 00000000:00000000 00:00000000 00000000   101        0 18778 1 ffff9 100 0 0 10 0
   3: garbage
`

const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20213 1 ffff9 100 0 0 10 0
   1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20214 1 ffff9 100 0 0 10 0
`

const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  345: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1001 2 ffff9 0
  346: 0F02000A:D431 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 1002 2 ffff9 0
  347: 00000000:0045 08080808:0035 07 00000000:00000000 00:00000000 00000000     0        0 1003 2 ffff9 0
`

func TestParseSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		udp        bool
		want       []Socket
		err        string
	}{
		{"tcp", tcp, false, []Socket{
			{netip.MustParseAddrPort("0.0.0.0:22"), 0, 20211},
			{netip.MustParseAddrPort("127.0.0.1:5355"), 101, 18777},
		}, "1 lines could not be read"},
		{"tcp6", tcp6, false, []Socket{
			{netip.MustParseAddrPort("[::]:22"), 0, 20213},
			{netip.MustParseAddrPort("[::1]:631"), 0, 20214},
		}, ""},
		{"udp", udp, true, []Socket{{netip.MustParseAddrPort("0.0.0.0:68"), 0, 1001}}, ""},
		{"empty", "", false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSockets([]byte(c.text), c.udp)
			if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Error(diff)
			}
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
	if n, ok := SocketInode("socket:[18777]"); !ok || n != 18777 {
		t.Error("SocketInode")
	}
	for _, s := range []string{"pipe:[1]", "socket:[x]", "/dev/null", ""} {
		if _, ok := SocketInode(s); ok {
			t.Errorf("SocketInode takes %q", s)
		}
	}
}

func TestParseMounts(t *testing.T) {
	t.Parallel()
	got, err := ParseMounts([]byte(`22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
35 22 0:30 / /tmp rw,nosuid,nodev shared:9 master:1 - tmpfs tmpfs rw,size=10k
36 22 254:1 /srv/a\040b /mnt/a\040b\134c ro,relatime master:1 - ext4 /dev/vda1 rw
nonsense
`))
	want := []Mount{
		{
			ID: "22", Parent: "1", Root: "/", Point: "/", Options: []string{"relatime", "rw"}, SuperOptions: []string{"errors=remount-ro", "rw"},
			Propagation: "shared", Type: "ext4", Source: "/dev/vda1",
		},
		{
			ID: "35", Parent: "22", Root: "/", Point: "/tmp", Options: []string{"nodev", "nosuid", "rw"}, SuperOptions: []string{"rw", "size=10k"},
			Propagation: "shared", Type: "tmpfs", Source: "tmpfs",
		},
		{
			ID: "36", Parent: "22", Root: "/srv/a b", Point: `/mnt/a b\c`, Options: []string{"relatime", "ro"}, SuperOptions: []string{"rw"},
			Propagation: "slave", Type: "ext4", Source: "/dev/vda1",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "1 lines could not be read" {
		t.Errorf("error %v", err)
	}
	tab := ParseFSTab([]byte("# x\nUUID=1 / ext4 errors=remount-ro 0 1\n\ntmpfs /tmp tmpfs\nbad\n"))
	if diff := cmp.Diff([]FSTabEntry{
		{Source: "UUID=1", Point: "/", Type: "ext4", Options: []string{"errors=remount-ro"}}, {Source: "tmpfs", Point: "/tmp", Type: "tmpfs"},
	}, tab); diff != "" {
		t.Error(diff)
	}
}

func TestParseModules(t *testing.T) {
	t.Parallel()
	got, err := ParseModules([]byte("nf_tables 303104 2 nft_compat,nft_chain_nat, Live 0x0000000000000000\n" +
		"vendor 12 0 - Live 0x0 (POE+)\ncramfs 49152 0 - Loading 0x0\nsix 1 1 [permanent], Live 0x0\nbad x 0 - Live\nshort\n"))
	want := []Module{
		{Name: "nf_tables", Size: 303104, Users: 2, UsedBy: []string{"nft_chain_nat", "nft_compat"}, State: "live"},
		{Name: "vendor", Size: 12, State: "live", Taint: "POE"},
		{Name: "cramfs", Size: 49152, State: "loading"},
		{Name: "six", Size: 1, Users: 1, State: "live"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "2 lines could not be read" {
		t.Errorf("error %v", err)
	}
}

func TestProcessFiles(t *testing.T) {
	t.Parallel()
	s, err := ParseStatus([]byte("Name:\tsshd: a b\nPPid:\t1\nUid:\t0\t33\t0\t0\nGid:\t0\t34\t0\t0\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n"))
	want := Status{Name: "sshd: a b", UID: 33, GID: 34, Parent: 1, NoNewPrivs: true, Seccomp: "filter", Capabilities: 0xa80425fb}
	if err != nil || s != want {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	if _, err := ParseStatus([]byte("Name: x\nUid:\n")); err == nil {
		t.Error("a status without Uid is taken")
	}
	if n, ok := ParseStart([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20")); !ok || n != 4711 {
		t.Errorf("ParseStart = %d, %v", n, ok)
	}
	if _, ok := ParseStart([]byte("12 (a) S 1")); ok {
		t.Error("a short stat is taken")
	}
	id := strings.Repeat("0f", 32)
	for text, want := range map[string]Cgroup{
		"0::/system.slice/ssh.service\n":                                           {Unit: "ssh.service"},
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n":     {Unit: "x.scope"},
		"3:cpu:/x.service\n1:name=systemd:/system.slice/cron.service\n":            {Unit: "cron.service"},
		"0::/system.slice/docker-" + id + ".scope\n":                               {Unit: "docker-" + id + ".scope", Container: id},
		"5:memory:/docker/" + id + "\n":                                            {Container: id},
		"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n": {Unit: "cri-containerd-" + id + ".scope", Container: id},
		"0::/\n": {}, "x": {},
	} {
		if got := ParseCgroup([]byte(text)); got != want {
			t.Errorf("ParseCgroup(%q) = %+v, want %+v", text, got, want)
		}
	}
	if diff := cmp.Diff([]string{"nginx", "-g", "daemon off;"}, ParseArguments([]byte("nginx\x00-g\x00daemon off;\x00"))); diff != "" {
		t.Error(diff)
	}
	if ParseArguments([]byte("\x00\x00")) != nil {
		t.Error("an empty command line has arguments")
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add([]byte(tcp), false)
	f.Add([]byte(tcp6), false)
	f.Add([]byte(udp), true)
	f.Fuzz(func(t *testing.T, b []byte, u bool) {
		ss, _ := ParseSockets(b, u)
		for _, s := range ss {
			if !s.Local.IsValid() || s.Local.Port() == 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte("22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n36 1 0:1 /a\\040b /\\134 ro - x y z\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, _ := ParseMounts(b)
		for _, m := range ms {
			if m.Point == "" || m.Type == "" {
				t.Errorf("%+v", m)
			}
		}
		ParseFSTab(b)
	})
}

func FuzzParseModules(f *testing.F) {
	f.Add([]byte("nf_tables 303104 2 a,b, Live 0x0 (OE)\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, _ := ParseModules(b)
		for _, m := range ms {
			if m.Name == "" || m.Size < 0 {
				t.Errorf("%+v", m)
			}
		}
	})
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte("Name:\ta\nUid:\t0\t0\nSeccomp:\t9\n"))
	f.Add([]byte("1 (a) S 1 2 3\n0::/a.service\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseStatus(b)
		ParseStart(b)
		ParseCgroup(b)
		ParseArguments(b)
	})
}
