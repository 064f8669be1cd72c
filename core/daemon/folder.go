package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/regent-dev/regent/core/blob"
)

// folder is a Bucket in a local folder.
type folder string

// String implements blob.Bucket.
func (f folder) String() string { return string(f) }

// path returns where the object of a key lies. Keys that would lead out of the folder are refused.
func (f folder) path(key string) (string, error) {
	if key == "" || path.Clean("/"+key) != "/"+key {
		return "", fmt.Errorf("key %q is not a path below the folder", key)
	}
	return filepath.Join(string(f), filepath.FromSlash(key)), nil
}

// Put implements blob.Bucket.
func (f folder) Put(_ context.Context, key, file string) (err error) {
	to, err := f.path(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".new-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Chmod(0o640), out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	// The names down to the object must be as durable as itself.
	for dir := filepath.Dir(to); len(dir) >= len(filepath.Clean(string(f))); dir = filepath.Dir(dir) {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return nil
}

type object struct {
	*os.File
	size int64
}

// Size implements blob.Object.
func (o object) Size() int64 { return o.size }

// Open implements blob.Bucket.
func (f folder) Open(_ context.Context, key string) (blob.Object, error) {
	p, err := f.path(key)
	if err != nil {
		return nil, err
	}
	in, err := os.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s in %s: %w", key, f, blob.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return object{in, info.Size()}, nil
}

// Delete implements blob.Bucket.
func (f folder) Delete(_ context.Context, key string) error {
	p, err := f.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List implements blob.Bucket.
func (f folder) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	return filepath.WalkDir(string(f), func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".new-"):
			return nil
		}
		key := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(p, string(f)), string(filepath.Separator)))
		if !strings.HasPrefix(key, prefix) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return fn(blob.Info{Key: key, Bytes: info.Size(), Modified: info.ModTime()})
	})
}
