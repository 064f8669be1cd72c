package reload

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/regent-dev/regent/core/record"
)

// The bounds on a tree of policies; beyond them somebody named the wrong folder.
const (
	maxFiles     = 20_000
	maxFileBytes = 4 << 20
)

// File is one file as it was read.
type File struct {
	// Path is the path to show: that of the root as the operator wrote it, joined with the name.
	Path  string
	Bytes []byte
}

// Tree is a folder as it was read.
type Tree struct {
	Files []File
	// Folders are the folders to watch, resolved and as written.
	Folders []string
}

// ReadTree reads the files below root whose names end in one of the suffixes, in lexical order.
// Symbolic links are followed, which is how ConfigMaps come; entries whose names begin with a dot are
// not read, or a ConfigMap would be read twice. A root that is a file is read alone.
//
// A folder or file that any user may write is refused, since whoever writes a policy decides what is
// seen. A read-only mount is not writable, whatever its mode says.
func ReadTree(root string, suffixes ...string) (Tree, error) {
	r := reader{suffixes: suffixes, seen: map[string]bool{}}
	info, err := os.Stat(root)
	if err != nil {
		return Tree{}, fmt.Errorf("read policies: %w", err)
	}
	if !info.IsDir() {
		if err := r.file(root); err != nil {
			return Tree{}, err
		}
		r.tree.Folders = append(r.tree.Folders, filepath.Dir(root))
		return r.tree, nil
	}
	if err := r.folder(root); err != nil {
		return Tree{}, err
	}
	return r.tree, nil
}

type reader struct {
	tree     Tree
	suffixes []string
	// seen holds the resolved folders, against links that lead back.
	seen map[string]bool
}

func (r *reader) folder(path string) error {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	if r.seen[resolved] {
		return nil
	}
	r.seen[resolved] = true
	if err := guarded(resolved); err != nil {
		return err
	}
	r.tree.Folders = append(r.tree.Folders, path)
	if resolved != path {
		r.tree.Folders = append(r.tree.Folders, resolved)
	}
	entries, err := os.ReadDir(resolved)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		full := filepath.Join(path, name)
		info, err := os.Stat(full)
		if errors.Is(err, fs.ErrNotExist) {
			// It went between listing and reading, or the link leads nowhere: if it mattered, the
			// next reading tells.
			continue
		}
		if err != nil {
			return fmt.Errorf("read policies: %w", err)
		}
		switch {
		case info.IsDir():
			if err := r.folder(full); err != nil {
				return err
			}
		case info.Mode().IsRegular() && r.wanted(name):
			if err := r.file(full); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) wanted(name string) bool {
	return slices.ContainsFunc(r.suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

func (r *reader) file(path string) error {
	if len(r.tree.Files) >= maxFiles {
		return fmt.Errorf("read policies: more than %d files below one folder; is %s the right one?", maxFiles, filepath.Dir(path))
	}
	if err := guarded(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	if info.Size() > maxFileBytes {
		return fmt.Errorf("read policies: %s has %d bytes, more than the %d allowed", path, info.Size(), maxFileBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	r.tree.Files = append(r.tree.Files, File{Path: path, Bytes: b})
	return nil
}

// guarded refuses what any user may write.
func guarded(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	if info.Mode().Perm()&0o002 == 0 {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err == nil && st.Flags&unix.ST_RDONLY != 0 {
		return nil
	}
	return fmt.Errorf("%s may be written by any user of this machine, so its policies are not trusted; run: chmod o-w %s", path, path)
}

// Digest is over the names and bytes of files, in order.
func Digest(files []File) record.Digest {
	h := sha256.New()
	var n [8]byte
	for _, f := range files {
		for _, part := range [][]byte{[]byte(f.Path), f.Bytes} {
			binary.BigEndian.PutUint64(n[:], uint64(len(part)))
			h.Write(n[:])
			h.Write(part)
		}
	}
	var d record.Digest
	h.Sum(d[:0])
	return d
}
