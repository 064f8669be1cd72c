package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regent-dev/regent/core/api"
	"github.com/regent-dev/regent/core/lake"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// metaBroken holds the lake's broken files that were told of, as JSON.
const metaBroken = "daemon/lake-broken"

// brokenFile is a broken file as it is stored.
type brokenFile struct {
	Path  string    `json:"path"`
	Since time.Time `json:"since"`
	Error string    `json:"error"`
}

// lakeBroken tells that a file of the lake is broken, and that it is whole again, each once, also where the
// daemon was started again between the two.
type lakeBroken struct {
	d    *Daemon
	told []lake.Broken
}

func (d *Daemon) lakeBroken() (*lakeBroken, error) {
	b := &lakeBroken{d: d}
	err := d.store.View(context.Background(), func(tx *store.Tx) error {
		body, err := tx.Meta(metaBroken)
		if err != nil || len(body) == 0 {
			return err
		}
		var files []brokenFile
		if err := json.Unmarshal(body, &files); err != nil {
			return fmt.Errorf("read which files of the lake are broken: %w", err)
		}
		for _, f := range files {
			b.told = append(b.told, lake.Broken{Path: f.Path, Since: f.Since, Err: errors.New(f.Error)})
		}
		return nil
	})
	return b, err
}

// forgetLakeFile takes a broken file out of the lake.
func (d *Daemon) forgetLakeFile(ctx context.Context, path, by string) error {
	err := d.lake.Forget(ctx, path, by)
	if errors.Is(err, lake.ErrNotBroken) {
		return fmt.Errorf("broken file %s of the lake: %w", path, api.ErrUnknown)
	}
	return err
}

func has(files []lake.Broken, path string) bool {
	return slices.ContainsFunc(files, func(f lake.Broken) bool { return f.Path == path })
}

// tell compares what is broken with what was told.
func (b *lakeBroken) tell(ctx context.Context, files []lake.Broken) error {
	for _, f := range files {
		if has(b.told, f.Path) {
			continue
		}
		err := b.report(ctx, verdict.Change{
			Severity: verdict.High, Key: "lake/" + f.Path, Title: "A file of the lake is broken", Old: "OK", New: "FAILING", Active: true,
			Message: fmt.Sprintf("%v. What is asked of what it holds cannot be answered; all else is.", f.Err),
		}, append(slices.Clone(b.told), f))
		if err != nil {
			return err
		}
	}
	for _, was := range slices.Clone(b.told) {
		if has(files, was.Path) {
			continue
		}
		err := b.report(ctx, verdict.Change{
			Severity: verdict.High, Key: "lake/" + was.Path, Title: "A file of the lake is broken", Old: "FAILING", New: "OK",
			Message: was.Path + " of the lake is whole again, or is not missed any more.",
		}, slices.DeleteFunc(slices.Clone(b.told), func(f lake.Broken) bool { return f.Path == was.Path }))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *lakeBroken) report(ctx context.Context, ch verdict.Change, told []lake.Broken) error {
	files := []brokenFile{}
	for _, f := range told {
		files = append(files, brokenFile{f.Path, f.Since, f.Err.Error()})
	}
	body, err := json.Marshal(files)
	if err == nil {
		err = b.d.pipeline.Report(ctx, ch, func(tx *store.Tx) error { return tx.SetMeta(metaBroken, body) })
	}
	if err == nil {
		b.told = told
	}
	return err
}
