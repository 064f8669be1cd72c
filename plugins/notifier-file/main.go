// Command notifier-file writes notifications as CloudEvents 1.0, one JSON object a line, and rotates the
// file by size.
//
// A line is on disk before the delivery counts as delivered. A delivery that comes again after a crash
// between the two is found by its id in the files that are there and is not written twice.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/regent-dev/regent/sdk"
	"github.com/regent-dev/regent/sdk/cloudevent"
)

type config struct {
	Path    string `config:"path,required" doc:"The file to append to."`
	MaxSize int64  `config:"max_bytes" doc:"Size at which the file is rotated." default:"67108864"`
	Keep    int    `config:"keep" doc:"How many rotated files are kept." default:"5"`
}

func open(_ context.Context, cfg config, _ sdk.Env) (sdk.Notifier, error) {
	var errs []error
	if !filepath.IsAbs(cfg.Path) {
		errs = append(errs, sdk.Invalid("path", fmt.Errorf("%q is not an absolute path", cfg.Path)))
	}
	if info, err := os.Stat(filepath.Dir(cfg.Path)); err != nil || !info.IsDir() {
		errs = append(errs, sdk.Invalid("path", fmt.Errorf("the folder %s is not there", filepath.Dir(cfg.Path))))
	} else if info, err := os.Stat(cfg.Path); err == nil && !info.Mode().IsRegular() {
		errs = append(errs, sdk.Invalid("path", fmt.Errorf("%s is not a regular file; rotating it and cutting half a line is impossible", cfg.Path)))
	}
	if cfg.MaxSize < 4096 {
		errs = append(errs, sdk.Invalid("max_bytes", errors.New("must be at least 4096")))
	}
	if cfg.Keep < 1 {
		errs = append(errs, sdk.Invalid("keep", errors.New("must be at least 1")))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &notifier{cfg: cfg}, nil
}

type notifier struct {
	cfg config

	mu sync.Mutex
	f  *os.File
	// written holds the ids in the files that are there, read when the first notification comes.
	written map[string]bool
	size    int64
}

// Notify appends one line.
func (n *notifier) Notify(_ context.Context, no sdk.Notification) sdk.Result {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.ready(); err != nil {
		return sdk.Retry(err, 0)
	}
	if n.written[no.ID] {
		return sdk.Delivered("written before")
	}
	line, err := cloudevent.Structured(no)
	if err != nil {
		return sdk.Rejected(err)
	}
	line = append(line, '\n')
	if n.size > 0 && n.size+int64(len(line)) > n.cfg.MaxSize {
		if err := n.rotate(); err != nil {
			return sdk.Retry(err, 0)
		}
	}
	if err := n.write(line); err != nil {
		return sdk.Retry(fmt.Errorf("write notification: %w", err), 0)
	}
	n.size += int64(len(line))
	n.written[no.ID] = true
	return sdk.Delivered("")
}

// write appends a line and waits for the disk. Where that fails the line is taken back, for half a line
// would make the next one unreadable and a whole one would come twice; where even that fails, opening the
// file again cuts or finds it.
func (n *notifier) write(line []byte) error {
	_, err := n.f.Write(line)
	if err == nil {
		err = n.f.Sync()
	}
	if err != nil {
		return errors.Join(err, n.f.Truncate(n.size), n.drop())
	}
	return nil
}

// drop closes the file; the next notification opens it again.
func (n *notifier) drop() error {
	f := n.f
	n.f = nil
	return f.Close()
}

// ready opens the file, cuts half a line that a crash left, and reads the ids that are there.
func (n *notifier) ready() error {
	if n.f != nil {
		// Somebody may have moved, deleted or emptied the file; what went into one that has no name
		// would be lost, and delivered.
		mine, err := n.f.Stat()
		there, statErr := os.Stat(n.cfg.Path)
		if err == nil && statErr == nil && os.SameFile(mine, there) && there.Size() == n.size {
			return nil
		}
		if err := n.drop(); err != nil {
			return fmt.Errorf("close file: %w", err)
		}
	}
	n.written = map[string]bool{}
	for i := n.cfg.Keep; i >= 1; i-- {
		if _, err := n.read(fmt.Sprintf("%s.%d", n.cfg.Path, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	whole, err := n.read(n.cfg.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(n.cfg.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	if err := f.Truncate(whole); err != nil {
		return errors.Join(fmt.Errorf("cut half a line: %w", err), f.Close())
	}
	if err := syncFolder(filepath.Dir(n.cfg.Path)); err != nil {
		return errors.Join(err, f.Close())
	}
	n.f, n.size = f, whole
	return nil
}

// syncFolder makes names durable: a line that is on disk in a file that has no name there is lost.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// read notes the ids of a file and returns where its last whole line ends.
func (n *notifier) read(path string) (whole int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return whole, fmt.Errorf("read %s: %w", path, err)
		}
		whole += int64(len(line))
		if id := gjson.GetBytes(line, "id").Str; id != "" && json.Valid(bytes.TrimSpace(line)) {
			n.written[id] = true
		}
	}
}

func (n *notifier) rotate() error {
	if err := n.drop(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	for i := n.cfg.Keep - 1; i >= 1; i-- {
		err := os.Rename(fmt.Sprintf("%s.%d", n.cfg.Path, i), fmt.Sprintf("%s.%d", n.cfg.Path, i+1))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rotate: %w", err)
		}
	}
	if err := os.Rename(n.cfg.Path, n.cfg.Path+".1"); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return n.ready()
}

// Close closes the file.
func (n *notifier) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.f == nil {
		return nil
	}
	return n.f.Close()
}

var info = sdk.Info{Name: "file", Version: "0.1.0", Summary: "Writes notifications to a file as CloudEvents, one a line."}

func main() { sdk.ServeNotifier(info, open) }
