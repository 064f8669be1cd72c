package rootfs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// ErrTooLarge says that a file is larger than the limit given for reading it.
	ErrTooLarge = errors.New("file is larger than the limit")
	// ErrNotRegular says that a name stands for something other than a regular file.
	ErrNotRegular = errors.New("not a regular file")

	errLinks = errors.New("too many symbolic links")
)

// maxLinks is how many symbolic links one name may lead through, as in Linux.
const maxLinks = 40

// Tree is the file system below a root.
type Tree struct {
	root string
}

// New returns the tree below root, which must be absolute. The folder need not exist.
func New(root string) *Tree {
	return &Tree{root: filepath.Clean(root)}
}

// Live reports whether the tree is the running machine's own, where programs may be asked too.
func (t *Tree) Live() bool { return t.root == "/" }

// Host returns where name, an absolute path inside the tree, lies on the machine. Links in its
// folders are resolved inside the tree; the last element is left as it is, for Lstat and Readlink.
func (t *Tree) Host(name string) (string, error) {
	if t.Live() {
		return name, nil
	}
	dir, err := t.resolve(path.Dir(path.Clean("/" + name)))
	if err != nil {
		return "", err
	}
	return filepath.Join(t.root, dir, path.Base(name)), nil
}

// Resolve returns the path inside the tree that name leads to, all symbolic links followed. The
// target need not exist.
func (t *Tree) Resolve(name string) (string, error) {
	return t.resolve(path.Clean("/" + name))
}

func (t *Tree) resolve(name string) (string, error) {
	rest := strings.Split(strings.Trim(name, "/"), "/")
	done := "/"
	for links := 0; len(rest) > 0; {
		elem := rest[0]
		rest = rest[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, elem)
		target, err := os.Readlink(filepath.Join(t.root, next))
		if err != nil {
			// Not a link, or not there: either way the name stands for itself.
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: errLinks}
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return done, nil
}

// Lstat describes name without following it.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	host, err := t.Host(name)
	if err != nil {
		return nil, err
	}
	return os.Lstat(host)
}

// Stat describes what name leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	host, err := t.target(name)
	if err != nil {
		return nil, err
	}
	return os.Stat(host)
}

// Exists reports whether name leads to something.
func (t *Tree) Exists(name string) bool {
	_, err := t.Stat(name)
	return err == nil
}

// Readlink returns the target of the link name as it is written.
func (t *Tree) Readlink(name string) (string, error) {
	host, err := t.Host(name)
	if err != nil {
		return "", err
	}
	return os.Readlink(host)
}

// ReadDir lists a folder, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	host, err := t.target(name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(host)
}

// Names lists a folder's names without sorting or describing them, for folders as large as /proc.
func (t *Tree) Names(name string) ([]string, error) {
	host, err := t.target(name)
	if err != nil {
		return nil, err
	}
	d, err := os.Open(host)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// ReadFile reads a regular file of at most limit bytes, links followed. A larger one is ErrTooLarge,
// anything that is not a regular file ErrNotRegular.
func (t *Tree) ReadFile(name string, limit int64) ([]byte, error) {
	host, err := t.target(name)
	if err != nil {
		return nil, err
	}
	f, _, err := open(host, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	return b, nil
}

// Sum returns the SHA-256 of the regular file name, not following it where it is a link, with the
// description of exactly the file that was read. A file above limit bytes is ErrTooLarge.
func (t *Tree) Sum(name string, limit int64) ([sha256.Size]byte, fs.FileInfo, error) {
	var sum [sha256.Size]byte
	host, err := t.Host(name)
	if err != nil {
		return sum, nil, err
	}
	f, info, err := open(host, unix.O_NOFOLLOW)
	if err != nil {
		return sum, nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return sum, info, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, limit+1))
	if err != nil {
		return sum, info, fmt.Errorf("read %s: %w", name, err)
	}
	if n > limit {
		return sum, info, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	h.Sum(sum[:0])
	return sum, info, nil
}

// Glob lists the paths inside the tree that match pattern, whose last element alone may hold
// wildcards, sorted. Names that begin with a dot match only a pattern that does, as in a shell.
func (t *Tree) Glob(pattern string) ([]string, error) {
	dir, last := path.Split(pattern)
	names, err := t.Names(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, ".") && !strings.HasPrefix(last, ".") {
			continue
		}
		ok, err := path.Match(last, n)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if ok {
			out = append(out, path.Join(dir, n))
		}
	}
	slices.Sort(out)
	return out, nil
}

// target returns where on the machine the thing lies that name leads to.
func (t *Tree) target(name string) (string, error) {
	if t.Live() {
		return name, nil
	}
	inside, err := t.Resolve(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(t.root, inside), nil
}

// open opens a regular file. O_NONBLOCK keeps a named pipe from holding up the caller; it means
// nothing to a regular file.
func open(host string, flags int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(host, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
	if err != nil {
		if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
			err = &fs.PathError{Op: "open", Path: host, Err: ErrNotRegular}
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: host, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
