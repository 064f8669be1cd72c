package rootfs

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func build(t *testing.T) (*Tree, string) {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"etc/cron.d", "usr/lib"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"usr/lib/os-release": "ID=test\n", "etc/cron.d/b": "b", "etc/cron.d/a": "a", "etc/cron.d/.hidden": "h",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"etc/os-release": "/usr/lib/os-release", // absolute: must stay inside the root
		"etc/rel":        "../usr/lib/os-release",
		"lib":            "usr/lib",
		"up":             "../../../../../../../../etc/cron.d",
		"loop":           "loop",
		"dangling":       "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return New(root), root
}

func TestLinksAreResolvedInsideTheRoot(t *testing.T) {
	t.Parallel()
	tree, _ := build(t)
	for name, want := range map[string]string{
		"/etc/os-release": "ID=test\n", "/etc/rel": "ID=test\n", "/lib/os-release": "ID=test\n", "/up/a": "a",
		"/../../../etc/cron.d/b": "b",
	} {
		b, err := tree.ReadFile(name, 100)
		if err != nil || string(b) != want {
			t.Errorf("ReadFile(%q) = %q, %v, want %q", name, b, err, want)
		}
	}
	if _, err := tree.ReadFile("/loop", 100); !errors.Is(err, errLinks) {
		t.Errorf("a loop of links gives %v, want %v", err, errLinks)
	}
	if _, err := tree.ReadFile("/dangling", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dangling link gives %v, want %v", err, fs.ErrNotExist)
	}
	if target, err := tree.Readlink("/etc/os-release"); target != "/usr/lib/os-release" || err != nil {
		t.Errorf("Readlink = %q, %v", target, err)
	}
	info, err := tree.Lstat("/etc/os-release")
	if err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Lstat follows the link: %v, %v", info, err)
	}
	if tree.Exists("/dangling") || !tree.Exists("/lib/os-release") || tree.Live() {
		t.Error("Exists or Live is wrong")
	}
}

func TestReadingNeverBlocksAndIsBounded(t *testing.T) {
	t.Parallel()
	tree, root := build(t)
	if err := unix.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/pipe", "/etc"} {
		if _, err := tree.ReadFile(name, 100); !errors.Is(err, ErrNotRegular) {
			t.Errorf("ReadFile(%q) gives %v, want %v", name, err, ErrNotRegular)
		}
	}
	if _, err := tree.ReadFile("/etc/os-release", 7); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file above the limit gives %v, want %v", err, ErrTooLarge)
	}
	if _, _, err := tree.Sum("/etc/os-release", 100); !errors.Is(err, ErrNotRegular) {
		t.Errorf("Sum follows a link: %v", err)
	}
	if _, _, err := tree.Sum("/usr/lib/os-release", 7); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Sum of a large file gives %v, want %v", err, ErrTooLarge)
	}
	sum, info, err := tree.Sum("/usr/lib/os-release", 8)
	if err != nil || sum != sha256.Sum256([]byte("ID=test\n")) || info.Size() != 8 {
		t.Errorf("Sum = %x, %v, %v", sum, info, err)
	}
}

func TestGlobMatchesInTheLastElement(t *testing.T) {
	t.Parallel()
	tree, _ := build(t)
	got, err := tree.Glob("/up/*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/up/a", "/up/b"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := tree.Glob("/no/such/*.conf"); got != nil || err != nil {
		t.Errorf("Glob of a missing folder = %v, %v", got, err)
	}
	if _, err := tree.Glob("/etc/["); err == nil {
		t.Error("a malformed pattern is taken")
	}
}

func FuzzResolveStaysInside(f *testing.F) {
	for _, s := range []string{"/etc", "../..", "/a/../../b", "//", "lib/./x", "/up/../up"} {
		f.Add(s)
	}
	tree := New("/nonexistent-root")
	f.Fuzz(func(t *testing.T, name string) {
		got, err := tree.Resolve(name)
		if err == nil && (got == "" || got[0] != '/' || got != filepath.Clean(got)) {
			t.Errorf("Resolve(%q) = %q", name, got)
		}
	})
}
