package pkgdb

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const dpkgStatus = `Package: bash
Essential: yes
Status: install ok installed
Priority: required
Section: shells
Installed-Size: 7164
Maintainer: Somebody <x@example.org>
Architecture: amd64
Multi-Arch: foreign
Source: bash-src (5.2)
Version: 5.2.15-2+b7
Conffiles:
 /etc/skel/.bashrc ee35a240758f374832e809ae0ea4883a
 /etc/bash.bashrc 89269e1298235f1b12b4c16e4065ad0d obsolete
 /etc/gone newconffile remove-on-upgrade
Description: a shell
 It reads commands.
 .
 Status: not a field

Package: held
Status: hold ok half-configured
Architecture: all
Version: 1

Package: purged
Status: purge ok not-installed
Architecture: amd64

Package: left
Status: deinstall ok config-files
Architecture: amd64
Version: 2

Package: nostatus
Version: 3


Status: install ok installed
`

func TestParseDpkg(t *testing.T) {
	t.Parallel()
	got, err := ParseDpkg([]byte(strings.ReplaceAll(dpkgStatus, "\n\n\n", "\n \n\n")))
	want := []Package{
		{
			Manager: "dpkg", Name: "bash", Version: "5.2.15-2+b7", Architecture: "amd64", Status: "installed", Essential: true,
			Source: "bash-src (5.2)", Maintainer: "Somebody <x@example.org>", Section: "shells", Priority: "required",
			Summary: "a shell", Size: 7164, Conffiles: []string{"/etc/bash.bashrc", "/etc/skel/.bashrc"},
		},
		{Manager: "dpkg", Name: "held", Version: "1", Architecture: "all", Status: "half-configured", Hold: true, Size: -1},
		{Manager: "dpkg", Name: "left", Version: "2", Architecture: "amd64", Status: "config-files", Size: -1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || strings.Count(err.Error(), "stanza") != 2 || !strings.Contains(err.Error(), "stanza 5") {
		t.Errorf("error %v does not name the two damaged stanzas", err)
	}
}

func TestParseAutomatic(t *testing.T) {
	t.Parallel()
	got := ParseAutomatic([]byte("Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: b\nArchitecture: amd64\nAuto-Installed: 0\n"))
	if diff := cmp.Diff(map[string]bool{"a:amd64": true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseAPK(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	got, err := ParseAPK([]byte("C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nS:383152\nI:622593\nT:the C library\nL:MIT\no:musl\nm:M <m@example.org>\n"+
		"F:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\nZ:Q1x=\nF:\nR:top\n\nP:busybox-binsh\nV:1\nA:x86_64\no:busybox\nI:x\n\nV:2\n"),
		func(f string, p *Package) { files[f] = p.ID() })
	want := []Package{
		{
			Manager: "apk", Name: "musl", Version: "1.2.4-r2", Architecture: "x86_64", Status: "installed",
			Maintainer: "M <m@example.org>", License: "MIT", Summary: "the C library", Size: 609,
		},
		{Manager: "apk", Name: "busybox-binsh", Version: "1", Architecture: "x86_64", Status: "installed", Source: "busybox", Size: -1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"/lib/ld-musl-x86_64.so.1": "musl:x86_64", "/top": "musl:x86_64"}, files); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "stanza 3: no name or no version" {
		t.Errorf("error %v", err)
	}
}

func TestParseRPM(t *testing.T) {
	t.Parallel()
	got, err := ParseRPM([]byte("bash\t5.1.8-6.el9\tx86_64\tbash-5.1.8-6.el9.src.rpm\tAlma\tGPLv3+\tUnspecified\t7738634\t1690000000\tA shell\n" +
		"gpg-pubkey\t8483c65d-5ccc5b19\t(none)\t(none)\t(none)\tpubkey\tPublic Keys\t0\t1690000001\tkey\n" +
		"libs\t1:2-3\tx86_64\ttool-set-2-3.src.rpm\tV\tMIT\tG\t(none)\t-5\t\n" +
		"short\t1\n"))
	want := []Package{
		{
			Manager: "rpm", Name: "bash", Version: "5.1.8-6.el9", Architecture: "x86_64", Status: "installed", Maintainer: "Alma",
			License: "GPLv3+", Section: "Unspecified", Size: 7558, Installed: time.Unix(1690000000, 0).UTC(), Summary: "A shell",
		},
		{
			Manager: "rpm", Name: "gpg-pubkey", Version: "8483c65d-5ccc5b19", Status: "installed", License: "pubkey",
			Section: "Public Keys", Installed: time.Unix(1690000001, 0).UTC(), Summary: "key",
		},
		{
			Manager: "rpm", Name: "libs", Version: "1:2-3", Architecture: "x86_64", Status: "installed", Source: "tool-set",
			Maintainer: "V", License: "MIT", Section: "G", Size: -1,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "line 4: 2 fields, want 10" {
		t.Errorf("error %v", err)
	}
	files := map[string]string{}
	ScanRPMFiles([]byte("bash:x86_64\t/usr/bin/bash\nkey:(none)\t/x y\nnoise\n"), func(f, id string) { files[f] = id })
	if diff := cmp.Diff(map[string]string{"/usr/bin/bash": "bash:x86_64", "/x y": "key"}, files); diff != "" {
		t.Error(diff)
	}
}

func TestPackagesInstalledSeveralTimesHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	got := Distinguish([]Package{
		{Name: "kernel", Version: "5-1", Architecture: "x86_64"},
		{Name: "kernel", Version: "5-2", Architecture: "x86_64"},
		{Name: "bash", Version: "5", Architecture: "x86_64"},
		{Name: "key", Version: "1"},
	})
	if diff := cmp.Diff([]string{"kernel:x86_64=5-1", "kernel:x86_64=5-2", "bash:x86_64", "key"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseDpkg(f *testing.F) {
	f.Add([]byte(dpkgStatus))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, _ := ParseDpkg(b)
		for _, p := range ps {
			if p.Name == "" || p.Status == "" || p.Size < -1 {
				t.Errorf("%+v", p)
			}
		}
		ParseAutomatic(b)
	})
}

func FuzzParseAPK(f *testing.F) {
	f.Add([]byte("P:a\nV:1\nF:x\nR:y\n\nP:b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, _ := ParseAPK(b, func(file string, p *Package) {
			if !strings.HasPrefix(file, "/") || p.Name == "" {
				t.Errorf("file %q of %q", file, p.Name)
			}
		})
		for _, p := range ps {
			if p.Name == "" || p.Version == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}

func FuzzParseRPM(f *testing.F) {
	f.Add([]byte("a\t1\tx\ta-1-2.src.rpm\tV\tL\tG\t1\t2\tS\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, _ := ParseRPM(b)
		for _, p := range ps {
			if p.Name == "" || p.Size < -1 {
				t.Errorf("%+v", p)
			}
		}
		ScanRPMFiles(b, func(string, string) {})
	})
}
