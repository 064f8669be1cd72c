package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// lakeBroken tells that files of the lake are broken, of each once, and that all are whole again, also where the
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

// mostNamed is how many files one message names: where the lake's disk is not mounted all of them are lost.
const mostNamed = 10

// tell compares what is broken with what was told.
func (b *lakeBroken) tell(ctx context.Context, files []lake.Broken) error {
	ch := verdict.Change{Severity: verdict.High, Key: "lake-files", Title: "Files of the lake are broken", Old: "OK", New: "FAILING", Active: true}
	var fresh []string
	for _, f := range files {
		if !has(b.told, f.Path) {
			fresh = append(fresh, f.Err.Error())
		}
	}
	switch {
	case len(fresh) > 0:
		more := ""
		if n := len(fresh) - mostNamed; n > 0 {
			fresh, more = fresh[:mostNamed], fmt.Sprintf(", and %d more", n)
		}
		ch.Message = strings.Join(fresh, "; ") + more + ". What is asked of what they hold cannot be answered; all else is."
		return b.report(ctx, ch, files)
	case len(files) == 0 && len(b.told) > 0:
		ch.Old, ch.New, ch.Active, ch.Message = ch.New, ch.Old, false, "All files of the lake are whole again, or are not missed any more."
		return b.report(ctx, ch, nil)
	case len(files) < len(b.told):
		body, err := encodeBroken(files)
		if err == nil {
			err = b.d.store.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(metaBroken, body) })
		}
		if err == nil {
			b.told = files
		}
		return err
	}
	return nil
}

func (b *lakeBroken) report(ctx context.Context, ch verdict.Change, told []lake.Broken) error {
	body, err := encodeBroken(told)
	if err == nil {
		err = b.d.pipeline.Report(ctx, ch, func(tx *store.Tx) error { return tx.SetMeta(metaBroken, body) })
	}
	if err == nil {
		b.told = told
	}
	return err
}

func encodeBroken(files []lake.Broken) ([]byte, error) {
	out := []brokenFile{}
	for _, f := range files {
		out = append(out, brokenFile{f.Path, f.Since, f.Err.Error()})
	}
	return json.Marshal(out)
}
