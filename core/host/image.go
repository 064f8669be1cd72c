package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Sum returns the SHA-256 of a plugin's binary in hexadecimal, as `sha256` in a plugin block wants it.
func Sum(path string) (string, error) {
	f, err := openBinary(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read plugin %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// SumError refuses a binary whose content is not the pinned one.
type SumError struct {
	Path string
	// Want stands in the configuration, Got is the file's. Both are in hexadecimal.
	Want, Got string
}

// Error implements error.
func (e *SumError) Error() string {
	return fmt.Sprintf("plugin %s has the sha256 %s, but the configuration pins %s; if the new file is wanted, put its sum into the plugin block, else restore the old file", e.Path, e.Got, e.Want)
}

// PermissionError refuses a binary that others than its owner can replace.
type PermissionError struct {
	// Path is what may be written: the binary or a folder that leads to it.
	Path string
	Mode fs.FileMode
}

// Error implements error.
func (e *PermissionError) Error() string {
	who := "others"
	if e.Mode.Perm()&0o002 == 0 {
		who = "its group"
	}
	what := "plugin"
	if e.Mode.IsDir() {
		what = "folder of the plugin"
	}
	return fmt.Sprintf("%s %s may be written by %s (mode %04o), who could run anything with the daemon's rights; run: chmod go-w %s", what, e.Path, who, e.Mode.Perm(), e.Path)
}

// image is a plugin's binary in a form that cannot change any more. Instances of the same content
// share one.
type image struct {
	// sum is the SHA-256 of the content in hexadecimal.
	sum string
	// exec is the path to execute.
	exec string
	// source is where the binary was read.
	source string
	script bool
	python bool
	// file holds the sealed memory open, nil for a private copy.
	file *os.File

	owner *images
	refs  int
}

// images makes images and keeps those in use. Its methods are safe for concurrent use.
type images struct {
	// dir is a private folder for names and copies.
	dir string
	// memory says whether memory can be executed.
	memory bool

	mu sync.Mutex
	// live holds the images in use by sum and base name, under which they show in ps.
	live map[string]*image
}

func newImages(dir string) *images {
	return &images{dir: dir, memory: canExecMemory(), live: map[string]*image{}}
}

// open reads the binary at path and returns its image. pin is the sum it must have, "" where any will
// do. The caller releases the image when no process will be started from it any more.
func (s *images) open(path, pin string) (*image, error) {
	f, err := openBinary(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read plugin %s: %w", path, err)
	}
	head = head[:n]
	im := &image{source: path, owner: s, refs: 1}
	if rest, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		im.script, im.python = true, bytes.Contains(line, []byte("python"))
	}
	content := io.MultiReader(bytes.NewReader(head), f)

	// The content is hashed while it is copied, and the copy is what runs.
	h := sha256.New()
	sealed := !im.script && s.memory
	var copied *os.File
	if sealed {
		copied, err = createMemory(filepath.Base(path))
		sealed = err == nil
	}
	if !sealed {
		if copied, err = os.CreateTemp(s.dir, "copy"); err != nil {
			return nil, fmt.Errorf("copy plugin %s: %w", path, err)
		}
	}
	discard := func() {
		copied.Close()
		if !sealed {
			os.Remove(copied.Name())
		}
	}
	if _, err := io.CopyBuffer(copied, io.TeeReader(content, h), make([]byte, 256<<10)); err != nil {
		discard()
		return nil, fmt.Errorf("copy plugin %s: %w", path, err)
	}
	im.sum = hex.EncodeToString(h.Sum(nil))
	if pin != "" && !strings.EqualFold(pin, im.sum) {
		discard()
		return nil, &SumError{Path: path, Want: strings.ToLower(pin), Got: im.sum}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.live[im.key()]; same != nil {
		discard()
		same.refs++
		return same, nil
	}
	if err := s.place(im, copied, sealed); err != nil {
		discard()
		return nil, fmt.Errorf("copy plugin %s: %w", path, err)
	}
	s.live[im.key()] = im
	return im, nil
}

// key tells images apart: the same content under another path is another image, because its messages
// and its name in ps are.
func (im *image) key() string { return im.sum + " " + im.source }

// place gives the copy the path that is executed. The base name is kept: it is what ps and top show.
func (s *images) place(im *image, copied *os.File, sealed bool) error {
	dir, err := os.MkdirTemp(s.dir, "x")
	if err != nil {
		return err
	}
	im.exec = filepath.Join(dir, filepath.Base(im.source))
	if sealed {
		if err := seal(copied); err != nil {
			os.RemoveAll(dir)
			return err
		}
		// The child has the copy as its first descriptor after the standard ones (see files).
		if err := os.Symlink("/proc/self/fd/3", im.exec); err != nil {
			os.RemoveAll(dir)
			return err
		}
		im.file = copied
		return nil
	}
	err = copied.Chmod(0o700)
	// A file that is open for writing cannot be executed.
	err = errors.Join(err, copied.Close())
	if err == nil {
		err = os.Rename(copied.Name(), im.exec)
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return err
}

// files are the descriptors that a process which executes the image must be given. It would find the
// copy under its number in the daemon too, were it not that Go moves the descriptors of a child about
// before it executes, over whatever stands there.
func (im *image) files() []*os.File {
	if im.file == nil {
		return nil
	}
	return []*os.File{im.file}
}

// release gives the image up. The processes that run from it go on.
func (im *image) release() {
	s := im.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if im.refs--; im.refs > 0 {
		return
	}
	delete(s.live, im.key())
	if im.file != nil {
		im.file.Close()
	}
	os.RemoveAll(filepath.Dir(im.exec))
}

// openBinary opens a plugin's binary after it has made sure that only its owner can replace it.
func openBinary(path string) (*os.File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open plugin %s: %w", path, err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, fmt.Errorf("open plugin: %w", err)
	}
	// Whoever may write the folder of a link decides where it leads.
	for _, dir := range []string{filepath.Dir(abs), filepath.Dir(resolved)} {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, fmt.Errorf("open plugin %s: %w", path, err)
		}
		if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return nil, &PermissionError{Path: dir, Mode: info.Mode()}
		}
	}
	// Without O_NONBLOCK a named pipe would hold us here.
	f, err := os.OpenFile(resolved, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open plugin: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("plugin %s is no regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		err = &PermissionError{Path: resolved, Mode: info.Mode()}
	case info.Mode().Perm()&0o111 == 0:
		err = fmt.Errorf("plugin %s is not executable; run: chmod +x %s", path, resolved)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
