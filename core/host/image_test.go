package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		file, folder os.FileMode
		want         string
	}{
		{"only the owner writes", 0o755, 0o755, ""},
		{"group may write the file", 0o775, 0o755, "plugin FILE may be written by its group (mode 0775), who could run anything with the daemon's rights; run: chmod go-w FILE"},
		{"others may write the file", 0o757, 0o755, "plugin FILE may be written by others (mode 0757), who could run anything with the daemon's rights; run: chmod go-w FILE"},
		{"group may write the folder", 0o755, 0o775, "folder of the plugin FOLDER may be written by its group (mode 0775), who could run anything with the daemon's rights; run: chmod go-w FOLDER"},
		{"others may write the folder", 0o755, 0o777, "folder of the plugin FOLDER may be written by others (mode 0777), who could run anything with the daemon's rights; run: chmod go-w FOLDER"},
		{"sticky folder", 0o755, 0o777 | os.ModeSticky, ""},
		{"not executable", 0o644, 0o755, "plugin FILE is not executable; run: chmod +x FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "plugins")
			file := filepath.Join(folder, "collector-x")
			link := filepath.Join(t.TempDir(), "link")
			for _, err := range []error{
				os.Mkdir(folder, 0o700), os.WriteFile(file, []byte("\x7fELF"), 0o700), os.Symlink(file, link),
				os.Chmod(file, c.file), os.Chmod(folder, c.folder),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{file, link} {
				_, err := Sum(path)
				got := ""
				if err != nil {
					got = strings.ReplaceAll(strings.ReplaceAll(err.Error(), file, "FILE"), folder, "FOLDER")
					got = strings.ReplaceAll(got, link, "FILE")
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	t.Run("folder of a link", func(t *testing.T) {
		t.Parallel()
		folder := filepath.Join(t.TempDir(), "open")
		link := filepath.Join(folder, "link")
		for _, err := range []error{os.Mkdir(folder, 0o700), os.Symlink(binary("steady"), link), os.Chmod(folder, 0o777)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var pe *PermissionError
		if _, err := Sum(link); !errors.As(err, &pe) || pe.Path != folder {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no regular file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Sum(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("got %v", err)
		}
	})
}

// TestOverwrittenBinary overwrites a binary in place after it was hashed. What was hashed is what
// runs, and a pin does not let the new content in.
func TestOverwrittenBinary(t *testing.T) {
	t.Parallel()
	path := copyBinary(t, "steady", 0o755)
	sum, err := Sum(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newImages(t.TempDir())
	im, err := s.open(path, sum)
	if err != nil {
		t.Fatal(err)
	}
	defer im.release()
	script := []byte("#!/bin/sh\necho overwritten\n")
	if err := os.WriteFile(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := describeImage(im)
	if err != nil || !strings.Contains(out, "steady") {
		t.Errorf("got %q, %v", out, err)
	}
	var se *SumError
	if _, err := s.open(path, sum); !errors.As(err, &se) || se.Want != sum || se.Got == sum {
		t.Errorf("got %v", err)
	}
	if im.file != nil {
		if _, err := im.file.WriteAt([]byte("x"), 0); err == nil {
			t.Error("the sealed copy can be written")
		}
		if err := im.file.Truncate(0); err == nil {
			t.Error("the sealed copy can be cut")
		}
	}
}

// describeImage executes an image by hand.
func describeImage(im *image) (string, error) {
	cmd := exec.Command(im.exec, "describe")
	cmd.ExtraFiles = im.files()
	out, err := cmd.Output()
	return string(out), err
}

// TestPrivateCopy goes the way of systems that do not execute memory.
func TestPrivateCopy(t *testing.T) {
	t.Parallel()
	path := copyBinary(t, "steady", 0o755)
	s := newImages(t.TempDir())
	s.memory = false
	im, err := s.open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho overwritten\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(im.exec)
	if err != nil || info.Mode() != 0o700 || im.file != nil {
		t.Errorf("got %v, %v", info, err)
	}
	out, err := describeImage(im)
	if err != nil || !strings.Contains(out, "steady") {
		t.Errorf("got %q, %v", out, err)
	}
	im.release()
	if _, err := os.Stat(im.exec); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy stays: %v", err)
	}
}

func TestImagesAreShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newImages(dir)
	a, err := s.open(binary("steady"), "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.open(binary("steady"), "")
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("the same binary is held twice")
	}
	a.release()
	if _, err := describeImage(b); err != nil {
		t.Errorf("the image is gone while it is in use: %v", err)
	}
	b.release()
	if left, _ := os.ReadDir(dir); len(left) > 0 || len(s.live) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestScript runs a script, which cannot be executed from memory. It runs from a private copy and is
// told where it stands.
func TestScript(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "collector-script")
	text := "#!/bin/sh\necho \"at $REGENT_PLUGIN_BINARY\" >&2\nexec " + binary("steady") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	sum, err := Sum(path)
	if err != nil {
		t.Fatal(err)
	}
	s := r.steady(`{"records": 3}`)
	s.Path, s.SHA256 = path, sum
	r.start(s)
	r.eventually("it has run", func() bool { return r.only().Runs == 1 })
	if !strings.Contains(r.logs.String(), "at "+path) {
		t.Error("it was not told where it stands")
	}
}

func TestUnusableBinaries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, content, want string }{
		{"other architecture", "\x7fELF\x02\x01\x01 and no more", "built for another architecture"},
		{"missing interpreter", "#!/no/such/interpreter\n", "the interpreter that its first line names does not exist"},
		{"empty", "", "built for another architecture"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			path := filepath.Join(t.TempDir(), "collector-bad")
			if err := os.WriteFile(path, []byte(c.content), 0o755); err != nil {
				t.Fatal(err)
			}
			s := r.steady("{}")
			s.Path = path
			ps := r.Apply(t.Context(), []Spec{s})
			if len(ps) != 1 || !strings.Contains(ps[0].Detail, c.want) {
				t.Errorf("got %v", ps)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	daemon := map[string]string{"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "secret", "REGION": "eu", "PYTHONPATH": "/lib/py", "https_proxy": "http://p"}
	lookup := func(name string) (string, bool) { v, ok := daemon[name]; return v, ok }
	for _, c := range []struct {
		name  string
		im    image
		names []string
		want  []string
	}{
		{"only what is passed", image{source: "/p/x"}, nil, []string{"PATH=/bin", "https_proxy=http://p", "REGENT_PLUGIN_BINARY=/p/x"}},
		{"named and set", image{source: "/p/x"}, []string{"REGION", "MISSING", "A=b=c"}, []string{"PATH=/bin", "https_proxy=http://p", "REGION=eu", "A=b=c", "REGENT_PLUGIN_BINARY=/p/x"}},
		{"Python finds its modules", image{source: "/p/x.py", script: true, python: true}, []string{"PYTHONPATH"}, []string{
			"PATH=/bin", "https_proxy=http://p", "PYTHONPATH=/lib/py", "REGENT_PLUGIN_BINARY=/p/x.py", "PYTHONPATH=/p:/lib/py",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, environment(&c.im, c.names, lookup)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEnvironmentOfAProcess looks at what a process really gets.
func TestEnvironmentOfAProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.steady(`{"records": 1, "stay": true}`)
	s.Env = []string{"GREETING=hello", "REGENT_PLUGIN_COOKIE=forged"}
	r.start(s)
	b, err := os.ReadFile("/proc/" + itoa(r.only().PID) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for kv := range strings.SplitSeq(strings.TrimSuffix(string(b), "\x00"), "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		names = append(names, name)
		if name == "REGENT_PLUGIN_COOKIE" && value == "forged" {
			t.Error("the configuration overrides the handshake")
		}
	}
	allowed := slices.Concat(passed, []string{
		"GREETING", "REGENT_PLUGIN_BINARY", "REGENT_PLUGIN_COOKIE", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT",
		"PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_CLIENT_CERT", "PLUGIN_UNIX_SOCKET_DIR",
	})
	for _, name := range names {
		if !slices.Contains(allowed, name) && name != "" && !strings.HasPrefix(name, "-----") {
			t.Errorf("the plugin gets %s", name)
		}
	}
	comm, err := os.ReadFile("/proc/" + itoa(r.only().PID) + "/comm")
	if err != nil || strings.TrimSpace(string(comm)) != "steady" {
		t.Errorf("the process is called %q, %v", comm, err)
	}
}

func TestRunFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	t.Run("too long", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), strings.Repeat("x", 80))
		_, err := New(Options{RunDir: dir, Log: r.o.Log})
		if err == nil || !strings.Contains(err.Error(), "104 with the terminating zero") || !strings.Contains(err.Error(), "choose a run_dir of at most 56 bytes") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("longest", func(t *testing.T) {
		t.Parallel()
		dir := runFolder(t)
		dir += "/" + strings.Repeat("x", 56-len(dir)-1)
		r := newRig(t, func(o *Options) { o.RunDir = dir })
		r.start(r.steady(`{"records": 1}`))
	})
	t.Run("others may write", func(t *testing.T) {
		t.Parallel()
		dir := runFolder(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{RunDir: dir, Log: r.o.Log}); err == nil || !strings.Contains(err.Error(), "chmod go-w "+dir) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("leftovers go and what is in use stays", func(t *testing.T) {
		t.Parallel()
		dir := runFolder(t)
		a := newRig(t, func(o *Options) { o.RunDir = dir })
		a.start(a.steady(`{"records": 1, "stay": true}`))
		left := filepath.Join(dir, privatePrefix+"gone")
		other := filepath.Join(dir, "somebody's")
		if err := errors.Join(os.MkdirAll(filepath.Join(left, "plugin-dir1"), 0o700), os.Mkdir(other, 0o700)); err != nil {
			t.Fatal(err)
		}
		b, err := New(Options{RunDir: dir, Log: a.o.Log})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the leftover stays: %v", err)
		}
		if _, err := os.Stat(other); err != nil {
			t.Errorf("what is not ours is gone: %v", err)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
		if !alive(a.only().PID) {
			t.Error("another daemon's plugin was ended")
		}
		info, err := os.Stat(a.base.private.path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the private folder is gone or open: %v, %v", info, err)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	low, high := time.Second, 2*time.Minute
	for _, c := range []struct {
		n        int
		random   float64
		min, max time.Duration
	}{
		{1, 0, 100 * time.Millisecond, 100 * time.Millisecond},
		{1, 1, time.Second, time.Second},
		{2, 1, 2 * time.Second, 2 * time.Second},
		{4, 1, 8 * time.Second, 8 * time.Second},
		{4, 0, 100 * time.Millisecond, 100 * time.Millisecond},
		{5, 0, time.Minute, time.Minute},
		{5, 1, high, high},
		{1000, 1, high, high},
	} {
		if got := backoff(c.n, 5, low, high, func() float64 { return c.random }); got < c.min || got > c.max {
			t.Errorf("failure %d: got %s, want %s to %s", c.n, got, c.min, c.max)
		}
	}
	for n := 1; n < 40; n++ {
		if got := backoff(n, 100, low, high, func() float64 { return 1 }); got > high {
			t.Errorf("failure %d: got %s", n, got)
		}
	}
}
