package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/regent-dev/regent/sdk"
)

// checkpointEvery is how many records there are at most between two checkpoints: what a restart reads
// again.
const checkpointEvery = 5000

type collector struct {
	cfg    config
	log    *slog.Logger
	format format
}

// run is one call of Collect.
type run struct {
	*collector
	out   sdk.Emitter
	parse func(raw []byte) []parsed
	state cursor
	since int
}

// Collect reads what there is, and goes on watching.
func (c *collector) Collect(ctx context.Context, out sdk.Emitter) error {
	r := &run{collector: c, out: out, parse: c.format.parser(), state: readCursor(out.Cursor())}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.log.Warn("file events are not available; changes are found by looking", "every", c.cfg.Poll.String(), "err", err.Error())
		w = &fsnotify.Watcher{}
	} else {
		defer w.Close()
	}
	watched := map[string]bool{}
	poll := time.NewTicker(c.cfg.Poll)
	defer poll.Stop()
	for {
		waiting, err := r.pass(ctx, func(dir string) {
			if w.Events != nil && !watched[dir] {
				if err := w.Add(dir); err != nil {
					c.log.Warn("a folder cannot be watched; its changes are found by looking", "folder", dir, "err", err.Error())
				}
				watched[dir] = true
			}
		})
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return r.checkpoint(context.WithoutCancel(ctx))
		}
		if c.cfg.Once && !waiting {
			return nil
		}
		next := poll.C
		if !c.cfg.Follow && !waiting {
			next = nil
		}
		// A burst of events is one look: files are written in pieces.
		var events chan fsnotify.Event
		if c.cfg.Follow {
			events = w.Events
		}
		select {
		case <-ctx.Done():
			return r.checkpoint(context.WithoutCancel(ctx))
		case <-next:
		case <-w.Errors:
		case ev := <-events:
			if ev.Op == fsnotify.Chmod {
				continue
			}
			drain(ctx, events, 20*time.Millisecond)
		}
	}
}

// drain takes the events of a burst.
func drain(ctx context.Context, events chan fsnotify.Event, quiet time.Duration) {
	t := time.NewTimer(quiet)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		case <-t.C:
			return
		}
	}
}

// pass looks at every file once. It reports whether one waits to become whole.
func (r *run) pass(ctx context.Context, folder func(string)) (waiting bool, err error) {
	files, err := r.list(ctx, folder)
	if ctx.Err() != nil {
		// What was not looked at is not gone.
		return false, nil
	}
	if err != nil {
		return false, err
	}
	present := map[string]bool{}
	for _, f := range files {
		if ctx.Err() != nil {
			return false, nil
		}
		id, half, err := r.file(ctx, f)
		if err != nil {
			if errors.Is(err, errEmit) {
				return false, err
			}
			if !errors.Is(err, fs.ErrNotExist) {
				if err := r.out.Problem(ctx, sdk.Problem{Warning: true, Summary: "File cannot be read", Detail: err.Error()}); err != nil {
					return false, err
				}
			}
			continue
		}
		present[id] = true
		waiting = waiting || half
	}
	if r.state.forget(present, time.Now()) {
		r.since++
	}
	return waiting, r.checkpoint(ctx)
}

// errEmit marks errors of the stream, which end the run.
var errEmit = errors.New("the daemon has closed the stream")

func emitted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errEmit, err)
}

func (r *run) checkpoint(ctx context.Context) error {
	if r.since == 0 {
		return nil
	}
	b, err := json.Marshal(r.state)
	if err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	r.since = 0
	_, err = r.out.Checkpoint(ctx, b)
	return emitted(err)
}

// list returns the files that the paths name, in lexical order, and tells of the folders to watch.
func (r *run) list(ctx context.Context, folder func(string)) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	add := func(path string) {
		if !seen[path] && !strings.HasPrefix(filepath.Base(path), ".") {
			seen[path] = true
			out = append(out, path)
		}
	}
	for _, p := range r.cfg.Paths {
		matches := []string{p}
		if strings.ContainsAny(p, "*?[") {
			// The pattern was checked when the plugin was configured.
			matches, _ = filepath.Glob(p)
			folder(filepath.Dir(p))
		}
		for _, m := range matches {
			info, err := os.Stat(m)
			if err != nil {
				folder(filepath.Dir(m))
				continue
			}
			if !info.IsDir() {
				folder(filepath.Dir(m))
				add(m)
				continue
			}
			err = filepath.WalkDir(m, func(path string, d fs.DirEntry, err error) error {
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case err != nil:
					r.log.Warn("a folder cannot be read", "folder", path, "err", err.Error())
					return nil
				case d.IsDir():
					folder(path)
				case d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0:
					add(path)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// file reads what is new of one file. half says that it ends in the middle of a record and may still be
// written.
func (r *run) file(ctx context.Context, path string) (id string, half bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", false, err
	}
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, fmt.Errorf("read %s: %w", path, err)
	}
	p, id := r.state.find(info, head[:n])
	unchanged := p.Size == info.Size() && p.Modified == info.ModTime().UnixMicro()
	if info.Size() == 0 || p.Done && unchanged {
		return id, false, nil
	}
	zipped := n > 1 && head[0] == 0x1f && head[1] == 0x8b
	// A file may be written anew, or another may have been given the number of one that is gone: then all
	// of it is read, and what is not new is recognised.
	anew := p.Done && !p.Lines
	if zipped {
		anew = anew || info.Size() < p.Size
	} else {
		anew = anew || !p.follows(f)
	}
	if anew {
		p.Records, p.Lines, p.Offset, p.Line, p.Tail = 0, false, 0, 0, nil
	}
	p.Done, p.Size, p.Modified = false, info.Size(), info.ModTime().UnixMicro()
	start := int64(0)
	skip := p.Records
	if p.Lines && !zipped {
		start, skip = p.Offset, 0
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return id, false, fmt.Errorf("read %s: %w", path, err)
	}
	var in io.Reader = f
	if zipped {
		z, err := gzip.NewReader(bufio.NewReaderSize(f, 256<<10))
		if err != nil {
			return id, r.damaged(ctx, path, p, info, 1, nil, err), nil
		}
		in = z
	}
	half, err = r.records(ctx, path, in, p, info, start, skip)
	return id, half, err
}

// records reads the records of one file. skip of them were read before.
func (r *run) records(ctx context.Context, path string, in io.Reader, p *progress, info fs.FileInfo, start, skip int64) (half bool, err error) {
	v := newValues(in, r.format.lists...)
	v.base = start
	v.settled = time.Since(info.ModTime()) >= r.cfg.Settle
	v.line = int(p.Line) + 1
	if start == 0 {
		v.line = 1
	}
	// What stands before the place is looked up when the place is kept, not for every record.
	defer func() { p.Tail = v.tail(p) }()
	for seen := int64(0); ; {
		if ctx.Err() != nil {
			return false, nil
		}
		raw, line, err := v.next()
		if errors.Is(err, io.EOF) {
			p.Done = true
			r.since++
			return false, nil
		}
		if err != nil && !errors.Is(err, errHalf) && !errors.Is(err, errTooLong) && !errors.Is(err, errBroken) {
			// The reader below failed: a gzip file that is cut off, a disk that does not read.
			return r.damaged(ctx, path, p, info, line, raw, err), nil
		}
		if errors.Is(err, errHalf) {
			return r.damaged(ctx, path, p, info, line, raw, err), nil
		}
		if seen++; seen <= skip {
			continue
		}
		if err := r.record(ctx, path, line, raw, err); err != nil {
			return false, err
		}
		p.Records++
		// At the top level a record ends where a line does: from here a growing file is followed.
		// In a compressed file offsets mean nothing; it is read again from its beginning.
		if _, zipped := in.(*gzip.Reader); !zipped {
			p.Lines = !v.inList && !v.outer
			p.Offset, p.Line = v.offset(), int64(v.line)-1
		}
		if r.since++; r.since >= checkpointEvery {
			p.Tail = v.tail(p)
			if err := r.checkpoint(ctx); err != nil {
				return false, err
			}
		}
	}
}

// record emits the records of one value, or reports it.
func (r *run) record(ctx context.Context, path string, line int, raw []byte, bad error) error {
	all := []parsed{{sdk.KindItem, nil, raw, bad}}
	if bad == nil {
		all = r.parse(raw)
	}
	for _, p := range all {
		var err error
		switch {
		case p.err != nil:
			err = r.out.Damaged(ctx, p.kind, slices.Clone(p.raw), fmt.Sprintf("%s:%d", path, line), p.err.Error())
		case p.kind == sdk.KindEvent:
			err = r.out.EventJSON(ctx, p.json)
		default:
			err = r.out.ItemJSON(ctx, p.json)
		}
		if err != nil {
			return emitted(err)
		}
	}
	return nil
}

// damaged handles a file that ends in the middle of a record. While it may still be written it is left
// for later; once it has been still for a while, the rest is reported and the file is through.
func (r *run) damaged(ctx context.Context, path string, p *progress, info fs.FileInfo, line int, rest []byte, cause error) (half bool) {
	if time.Since(info.ModTime()) < r.cfg.Settle {
		return true
	}
	if len(strings.TrimSpace(string(rest))) > 0 || !errors.Is(cause, errHalf) {
		if err := r.record(ctx, path, line, rest, fmt.Errorf("file is damaged: %w", cause)); err != nil {
			return true
		}
	} else if err := r.out.Problem(ctx, sdk.Problem{Warning: true, Summary: "File ends early", Detail: path + ": the list of records is not closed; the records before are taken."}); err != nil {
		return true
	}
	p.Done = true
	if p.Lines {
		// Reading goes on behind what is damaged, wherever that ends by then.
		p.Offset = info.Size()
	}
	r.since++
	return false
}
