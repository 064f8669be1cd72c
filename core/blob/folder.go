package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The data is as sensitive as what was recorded: the operator's umask may take rights away, and others
// never have any.
const (
	folderMode = 0o750
	fileMode   = 0o640
)

// FolderBucket is a Bucket in a local folder: each object is the file whose path below the folder is its
// key.
type FolderBucket struct {
	dir string
}

// Folder opens a folder, makes it where it is not there, and removes what was being written when a
// process ended; what another process is writing stays.
func Folder(dir string) (*FolderBucket, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	b := &FolderBucket{dir: abs}
	if err := makeFolders(abs); err != nil {
		return nil, b.explain("make folder", err)
	}
	if err := b.clean("", nil); err != nil {
		return nil, b.explainReading("open folder", err)
	}
	return b, nil
}

// String returns the folder's path.
func (b *FolderBucket) String() string { return b.dir }

// Local returns the file of an object, for readers that want a file; ok says whether it is there.
func (b *FolderBucket) Local(key string) (file string, ok bool) {
	if CheckKey(key) != nil {
		return "", false
	}
	file = b.path(key)
	info, err := os.Stat(file)
	return file, err == nil && info.Mode().IsRegular()
}

func (b *FolderBucket) path(key string) string { return filepath.Join(b.dir, filepath.FromSlash(key)) }

// Put implements Bucket.
func (b *FolderBucket) Put(ctx context.Context, key, file string) error {
	src, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.dir, notObject(err))
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.dir, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("put %s into %s: what is to be written: %s is not a regular file", key, b.dir, file)
	}
	return b.write(ctx, key, true, func(w *os.File) error {
		// From file to file the kernel copies, or shares the blocks where it can.
		n, err := io.Copy(w, src)
		if err != nil {
			return ownError{err}
		}
		if n != info.Size() {
			return fmt.Errorf("put %s into %s: %s changed while it was copied: it had %d bytes, then %d", key, b.dir, file, info.Size(), n)
		}
		return nil
	})
}

// notObject keeps a local file that is missing from being taken for an object that is.
func notObject(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

// ownError is a fault of the folder, among those of what is written to it.
type ownError struct{ error }

// Unwrap implements errors' interface.
func (e ownError) Unwrap() error { return e.error }

// write makes an object of what fill writes, whose errors are returned as they are but for an ownError.
// Where durable is not set, a crash of the machine may leave anything in its place.
func (b *FolderBucket) write(ctx context.Context, key string, durable bool, fill func(*os.File) error) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("put into %s: %w", b.dir, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s into %s: %w", key, b.dir, err)
	}
	final := b.path(key)
	temp, err := b.temp(filepath.Dir(final))
	if err != nil {
		return b.explain("put "+key+" into", err)
	}
	// Closing gives the lock up, so it comes after the file has its name or is gone.
	defer temp.Close()
	err = fill(temp)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && durable {
		err = own(temp.Sync())
	}
	if err == nil {
		err = own(os.Rename(temp.Name(), final))
	}
	if err != nil {
		err = errors.Join(err, own(os.Remove(temp.Name())))
	} else if durable {
		err = own(syncFolder(filepath.Dir(final)))
	}
	if errors.As(err, new(ownError)) {
		return b.explain("put "+key+" into", err)
	}
	return err
}

func own(err error) error {
	if err == nil {
		return nil
	}
	return ownError{err}
}

// temp makes and locks a file in dir. The lock tells files that are being written from those that were
// left behind: whoever opens the folder removes only what nobody holds.
func (b *FolderBucket) temp(dir string) (*os.File, error) {
	var last error
	for range 10 {
		f, err := os.OpenFile(filepath.Join(dir, tempPrefix+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
		if errors.Is(err, fs.ErrNotExist) {
			// The folder is new, or a Delete just removed it with the last file.
			last = err
			if err := makeFolders(dir); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		var info unix.Stat_t
		last = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if last == nil {
			last = unix.Fstat(int(f.Fd()), &info)
		}
		if last == nil && info.Nlink > 0 {
			return f, nil
		}
		// Somebody who opened the folder came between and took it for one that was left behind.
		last = errors.Join(last, f.Close())
		if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no file can be made in %s that stays: %w", dir, last)
}

// makeFolders makes a folder with those above it, durably.
func makeFolders(dir string) error {
	err := os.Mkdir(dir, folderMode)
	switch {
	case err == nil:
		return syncFolder(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: dir, Err: unix.ENOTDIR}
		}
		return err
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		if err := makeFolders(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return syncFolder(filepath.Dir(dir))
	case isReadOnly(err):
		// Somewhere above it may not be written; that matters only if it is not there.
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open implements Bucket.
func (b *FolderBucket) Open(_ context.Context, key string) (Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("open in %s: %w", b.dir, err)
	}
	f, err := os.Open(b.path(key))
	if err != nil {
		return nil, b.explainReading("open "+key+" in", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is not a regular file", ErrNotFound)
	}
	if err != nil {
		return nil, b.explainReading("open "+key+" in", errors.Join(err, f.Close()))
	}
	return &file{File: f, size: info.Size()}, nil
}

type file struct {
	*os.File
	size int64
}

// Size implements Object.
func (f *file) Size() int64 { return f.size }

// Delete implements Bucket. Folders that become empty go as well.
func (b *FolderBucket) Delete(_ context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("delete in %s: %w", b.dir, err)
	}
	err := os.Remove(b.path(key))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return b.explain("delete "+key+" in", err)
	}
	dir := path.Dir(key)
	for ; dir != "."; dir = path.Dir(dir) {
		if err := os.Remove(b.path(dir)); err != nil {
			// It has other files, or was somebody's to remove before us: both end here.
			break
		}
	}
	if err := syncFolder(b.path(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b.explain("delete "+key+" in", err)
	}
	return nil
}

// List implements Bucket. Symbolic links are followed.
func (b *FolderBucket) List(ctx context.Context, prefix string, fn func(Info) error) error {
	// Only folders on the way of the prefix are read.
	start, _ := path.Split(prefix)
	start = strings.TrimSuffix(start, "/")
	if start != "" && CheckKey(start) != nil {
		return nil
	}
	if _, err := os.Stat(b.dir); err != nil {
		return b.explainReading("list", err)
	}
	return b.list(ctx, start, prefix, nil, fn)
}

func (b *FolderBucket) list(ctx context.Context, dir, prefix string, above []fs.FileInfo, fn func(Info) error) error {
	entries, above, err := b.entries(dir, above)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return b.explainReading("list", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s: %w", b.dir, err)
		}
		key := path.Join(dir, e.name)
		if e.mode.IsDir() {
			if strings.HasPrefix(key+"/", prefix) || strings.HasPrefix(prefix, key+"/") {
				if err := b.list(ctx, key, prefix, above, fn); err != nil {
					return err
				}
			}
			continue
		}
		if !e.mode.IsRegular() || !strings.HasPrefix(key, prefix) || CheckKey(key) != nil {
			continue
		}
		info, err := os.Stat(b.path(key))
		if errors.Is(err, fs.ErrNotExist) {
			// It went meanwhile.
			continue
		}
		if err != nil {
			return b.explainReading("list", err)
		}
		if err := fn(Info{Key: key, Bytes: info.Size(), Modified: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// folderEntry is a file or folder; its mode is that of what a symbolic link leads to.
type folderEntry struct {
	name string
	mode fs.FileMode
}

// entries reads a folder in the order of keys: "a.txt" comes before "a/b", because the slash counts. above
// are the folders on the way to it; it returns them with this one. A folder that is on the way already, by
// a symbolic link, is empty, and so is one that is too deep for keys.
func (b *FolderBucket) entries(dir string, above []fs.FileInfo) ([]folderEntry, []fs.FileInfo, error) {
	info, err := os.Stat(b.path(dir))
	if err != nil {
		return nil, nil, err
	}
	if len(above) > maxDepth || slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }) {
		return nil, nil, nil
	}
	names, err := os.ReadDir(b.path(dir))
	if err != nil {
		if dir == "lost+found" && isReadOnly(err) {
			// It comes with a file system of its own, and is root's.
			return nil, nil, nil
		}
		return nil, nil, err
	}
	out := make([]folderEntry, 0, len(names))
	for _, n := range names {
		mode := n.Type()
		if mode&fs.ModeSymlink != 0 {
			info, err := os.Stat(b.path(path.Join(dir, n.Name())))
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) {
				// It leads nowhere.
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			mode = info.Mode()
		}
		out = append(out, folderEntry{n.Name(), mode})
	}
	order := func(e folderEntry) string {
		if e.mode.IsDir() {
			return e.name + "/"
		}
		return e.name
	}
	slices.SortFunc(out, func(x, y folderEntry) int { return cmp.Compare(order(x), order(y)) })
	return out, append(slices.Clone(above), info), nil
}

// clean removes what was being written when a process ended.
func (b *FolderBucket) clean(dir string, above []fs.FileInfo) error {
	entries, above, err := b.entries(dir, above)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		key := path.Join(dir, e.name)
		switch {
		case e.mode.IsDir():
			err = b.clean(key, above)
		case strings.HasPrefix(e.name, tempPrefix) && e.mode.IsRegular():
			err = removeUnlocked(b.path(key))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeUnlocked removes a file that no process holds the lock of.
func removeUnlocked(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return fmt.Errorf("lock %s: %w", name, err)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !isReadOnly(err) {
		return err
	}
	// Where the folder may only be read, what was left behind may stay: nobody takes it for an object.
	return nil
}

func isReadOnly(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// explain says what is wrong with writing to the folder, and the way out.
func (b *FolderBucket) explain(doing string, err error) error {
	switch {
	case isFull(err):
		return fmt.Errorf("%s %s: %w: %w; make room on its file system, raise the quota, or use a folder elsewhere", doing, b.dir, ErrFull, err)
	case isReadOnly(err):
		return fmt.Errorf("%s %s: %w: %w; give the user that runs this the right to write there, or mount it writable", doing, b.dir, ErrReadOnly, err)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("%s %s: %w; a folder lies where a file should, or a file where a folder should: move it away, or use another folder", doing, b.dir, err)
	}
	return b.explainReading(doing, err)
}

// explainReading says what is wrong with reading the folder, and the way out.
func (b *FolderBucket) explainReading(doing string, err error) error {
	switch {
	case isReadOnly(err):
		return fmt.Errorf("%s %s: %w: %w; give the user that runs this the right to read there", doing, b.dir, ErrDenied, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, ErrNotFound):
		if _, statErr := os.Stat(b.dir); errors.Is(statErr, fs.ErrNotExist) {
			return fmt.Errorf("%s %s: %w: %w; make the folder, or mount what holds it", doing, b.dir, ErrNoBucket, err)
		}
		return fmt.Errorf("%s %s: %w: %w; if it should be there, restore it from a copy", doing, b.dir, ErrNotFound, err)
	}
	return fmt.Errorf("%s %s: %w", doing, b.dir, err)
}
