package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSysctl(t *testing.T) {
	t.Parallel()
	got := parseSysctl([]byte("# comment\n; another\nkernel.sysrq=176\n-net.ipv4.conf.*.rp_filter = 2\nnet/ipv4/conf/eth0.100/rp_filter = 1\n"+
		"net.ipv4.tcp_rmem = 4096\t131072  6291456\nnothing\n= 5\n"), "/etc/sysctl.conf")
	want := []sysctlSetting{
		{"kernel.sysrq", "176", "/etc/sysctl.conf"},
		{"net.ipv4.conf.*.rp_filter", "2", "/etc/sysctl.conf"},
		{"net.ipv4.conf.eth0/100.rp_filter", "1", "/etc/sysctl.conf"},
		{"net.ipv4.tcp_rmem", "4096 131072 6291456", "/etc/sysctl.conf"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sysctlSetting{})); diff != "" {
		t.Error(diff)
	}
	for name, value := range map[string]string{
		"net.ipv4.conf.eth0/100.rp_filter": "1", "net.ipv4.conf.lo.rp_filter": "2", "kernel.sysrq": "176", "kernel.panic": "",
	} {
		if set, ok := settingFor(got, name); set.value != value || ok != (value != "") {
			t.Errorf("settingFor(%q) = %+v, %v", name, set, ok)
		}
	}
}

func FuzzParseSysctl(f *testing.F) {
	f.Add([]byte("/=1\n"), "a") // a name of nothing but slashes
	f.Add([]byte("-a.b = c\nx/y.z=1\n[=2\n"), "a.b")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		settings := parseSysctl(b, "f")
		for _, s := range settings {
			if s.pattern == "" {
				t.Errorf("%+v has no name", s)
			}
		}
		settingFor(settings, name)
	})
}

func TestScriptOfAnInterpreter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		executable string
		arguments  []string
		want       string
	}{
		{"/usr/bin/python3.11", []string{"python3", "-u", "/srv/app.py", "x"}, "/srv/app.py"},
		{"/usr/bin/python3", []string{"python3", "-m", "http.server", "80"}, "-m http.server"},
		{"/usr/lib/jvm/bin/java", []string{"java", "-Xmx1g", "-cp", "a.jar:b.jar", "org.example.Main"}, "org.example.Main"},
		{"/usr/bin/java", []string{"java", "-jar", "/srv/x.jar"}, "-jar /srv/x.jar"},
		{"/bin/bash", []string{"bash", "-c", "nc -l 80"}, ""},
		{"/usr/sbin/nginx", []string{"nginx", "conf"}, ""},
		{"/usr/bin/perl", []string{"perl"}, ""},
		{"", nil, ""},
	} {
		if got := script(c.executable, c.arguments); got != c.want {
			t.Errorf("script(%q, %q) = %q, want %q", c.executable, c.arguments, got, c.want)
		}
	}
}

func TestNamesInFilesAreKeptApart(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"/etc/a": "/etc/a", "/etc/ä": "/etc/ä", "/a\xffb": `/a\xffb`, "/\xc3(": `/\xc3(`} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
	d := distinct{}
	var got []string
	for _, id := range []string{"a", "a", "b", "a#2", "a"} {
		got = append(got, d.id(id))
	}
	seen := map[string]bool{}
	for _, id := range got {
		if seen[id] {
			t.Errorf("%q comes twice among %q", id, got)
		}
		seen[id] = true
	}
}
