package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrFull says that there is no room for an object.
var ErrFull = errors.New("no space left to write")

// ErrReadOnly says that objects may not be written.
var ErrReadOnly = errors.New("may not be written")

// tempPrefix begins the names of files that are being written. No key has such a part.
const tempPrefix = ".tmp-"

// LocalFolder is a bucket in a local folder.
type LocalFolder struct{ dir string }

// Folder opens a bucket in a local folder, which is made where it is missing. What an earlier process
// left half-written is removed.
func Folder(dir string) (*LocalFolder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", dir, err)
	}
	f := &LocalFolder{abs}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return nil, f.wrap("open", "", err)
	}
	err = filepath.WalkDir(abs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), tempPrefix) {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		return nil, f.wrap("clear", "", err)
	}
	return f, nil
}

// String implements Bucket.
func (f *LocalFolder) String() string { return f.dir }

// Local returns the file that holds an object.
func (f *LocalFolder) Local(key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	return filepath.Join(f.dir, filepath.FromSlash(key)), nil
}

// CheckKey says what is wrong with a key, if anything.
func CheckKey(key string) error {
	if key == "" || len(key) > 1024 || strings.ContainsAny(key, "\x00\\") {
		return fmt.Errorf("%q cannot be the key of an object", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 255 || strings.HasPrefix(part, tempPrefix) {
			return fmt.Errorf("%q cannot be the key of an object", key)
		}
	}
	return nil
}

// Put implements Bucket.
func (f *LocalFolder) Put(ctx context.Context, key, file string) error {
	path, err := f.Local(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.put(path, file); err != nil {
		return f.wrap("write", key, err)
	}
	return nil
}

func (f *LocalFolder) put(path, file string) error {
	dir := filepath.Dir(path)
	made, err := mkdirAll(dir)
	if err != nil {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o640)
	}
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		// What cannot be removed is removed when the folder is opened again.
		_ = os.Remove(out.Name())
		return err
	}
	// The name is durable when the folder is, and each new folder when the one above it is.
	for _, d := range append(made, dir) {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// mkdirAll makes a folder and returns those in which another was made.
func mkdirAll(dir string) ([]string, error) {
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || d == filepath.Dir(d) {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		missing = append(missing, filepath.Dir(d))
	}
	return missing, os.MkdirAll(dir, 0o750)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// file is an object that is a local file.
type file struct {
	*os.File
	size int64
}

// Size implements Object.
func (f *file) Size() int64 { return f.size }

// Open implements Bucket.
func (f *LocalFolder) Open(_ context.Context, key string) (Object, error) {
	path, err := f.Local(key)
	if err != nil {
		return nil, err
	}
	o, err := os.Open(path)
	if err != nil {
		return nil, f.wrap("read", key, err)
	}
	info, err := o.Stat()
	if err != nil {
		return nil, errors.Join(f.wrap("read", key, err), o.Close())
	}
	return &file{o, info.Size()}, nil
}

// Delete implements Bucket.
func (f *LocalFolder) Delete(_ context.Context, key string) error {
	path, err := f.Local(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.wrap("remove", key, err)
	}
	// Folders that hold nothing any more go as well; one that is not empty stays by itself.
	for dir := filepath.Dir(path); dir != f.dir && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
		continue
	}
	return nil
}

// List implements Bucket.
func (f *LocalFolder) List(ctx context.Context, prefix string, fn func(Info) error) error {
	// WalkDir goes folder by folder in the order of their names, in which "a-b" stands before "a/b" and
	// in a list of keys behind it: they are sorted by whole keys.
	var all []Info
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != f.dir {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), tempPrefix) {
			return err
		}
		rel, err := filepath.Rel(f.dir, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if !strings.HasPrefix(key, prefix) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			all = append(all, Info{Key: key, Bytes: info.Size(), Modified: info.ModTime()})
			err = ctx.Err()
		}
		return err
	})
	if err != nil {
		return f.wrap("list", prefix, err)
	}
	sortInfos(all)
	for _, info := range all {
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

// wrap says where something failed, and what can be done.
func (f *LocalFolder) wrap(what, key string, err error) error {
	place := filepath.Join(f.dir, filepath.FromSlash(key))
	switch {
	case errors.Is(err, fs.ErrNotExist) && what == "read":
		return fmt.Errorf("%w: %s", ErrNotFound, place)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%s %s: %w: %w; make room on its file system, and it goes on by itself", what, place, ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: %w: %w; the daemon's user needs to write there", what, place, ErrReadOnly, err)
	}
	return fmt.Errorf("%s %s: %w", what, place, err)
}
