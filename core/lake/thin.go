package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/manifest"
)

// input is a file whose rows are merged with those of others.
type input struct {
	manifest.File
	// local is where a file lies that was made for the merge and is not in the lake.
	local string
	// check has what is read of it held against the manifest.
	check bool
}

// mostHeld bounds the rows that are held of files that are merged: the row groups of some, or pages of many.
const mostHeld = 4 * groupRows

// holds is about how many rows of a file are held while it is read.
func (in *input) holds() int64 {
	if in.local != "" {
		return 2 * pageRows
	}
	return 2*pageRows + min(in.Rows, groupRows)
}

// thin prepares files to be merged. Files of many days whose numbers run side by side, as those of an import
// have that went through one account after the other, cannot all be open at once: as many as can be are
// merged into a file of their own, in order, until the rest can. done removes what was made.
func thin[T any](ctx context.Context, l *Lake, k *kind[T], files []manifest.File, check bool) (out []input, done func(), err error) {
	for _, f := range files {
		out = append(out, input{File: f, check: check})
	}
	done = func() {
		for _, in := range out {
			if in.local != "" {
				_ = os.Remove(in.local)
			}
		}
	}
	for {
		slices.SortFunc(out, func(a, b input) int { return cmp.Compare(a.MinNumber, b.MinNumber) })
		together := crowd(out, l.mostHeld)
		if together == nil {
			return out, done, nil
		}
		made, err := mergeAside(ctx, l, k, together)
		if err != nil {
			done()
			return nil, nil, err
		}
		rest := []input{made}
		for _, in := range out {
			switch {
			case !slices.ContainsFunc(together, func(t input) bool { return t.Path == in.Path }):
				rest = append(rest, in)
			case in.local != "":
				_ = os.Remove(in.local)
			}
		}
		out = rest
	}
}

// crowd returns some of the first files that would hold more than most together, such as can be merged by
// themselves; nil where all can be merged.
func crowd(sorted []input, most int64) []input {
	var open []input
	held := int64(0)
	for _, in := range sorted {
		open = slices.DeleteFunc(open, func(o input) bool { return o.MaxNumber < in.MinNumber })
		open = append(open, in)
		held = 0
		for i := range open {
			held += open[i].holds()
		}
		if held > most && len(open) > 2 {
			break
		}
	}
	if held <= most || len(open) <= 2 {
		return nil
	}
	// The small ones first, so that no row is written again much oftener than others.
	slices.SortStableFunc(open, func(a, b input) int { return cmp.Compare(a.Rows, b.Rows) })
	held, n := 0, 0
	for n < len(open) && (n < 2 || held+open[n].holds() <= most) {
		held += open[n].holds()
		n++
	}
	return open[:n]
}

// mergeAside merges files into one in the scratch folder.
func mergeAside[T any](ctx context.Context, l *Lake, k *kind[T], inputs []input) (input, error) {
	f, err := os.CreateTemp(l.o.Scratch, "merge-*.parquet")
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return input{}, fmt.Errorf("merge files of the lake: %w", err)
	}
	w, err := k.plain().create(f.Name(), drained)
	if err != nil {
		return input{}, errors.Join(err, os.Remove(f.Name()))
	}
	slices.SortFunc(inputs, func(a, b input) int { return cmp.Compare(a.MinNumber, b.MinNumber) })
	info, err := w.fill(func(put func(*T) error) error { return mergeInputs(ctx, l, k, inputs, put) })
	if err != nil {
		return input{}, fmt.Errorf("merge files of the lake: %w", err)
	}
	info.Path = f.Name()
	return input{File: info, local: f.Name()}, nil
}

// openLocal opens a file that was made for a merge.
func openLocal(path string, size int64) (*parquet.File, func(), error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("merge files of the lake: %w", err)
	}
	p, err := parquet.OpenFile(f, size, parquet.ReadBufferSize(64<<10))
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("merge files of the lake: %w", err)
	}
	return p, func() { _ = f.Close() }, nil
}
