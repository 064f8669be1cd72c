package lake

import (
	"context"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
)

// checkpointEvery is how often what falls out of the retention of a table is gathered into a checkpoint.
const checkpointEvery = 24 * time.Hour

// state says of the rows of a table, each of which holds until another takes its place, what they hold for.
// Those that still hold when they are past the retention of the table are kept in a checkpoint, so that the
// state stays answerable.
type state[T any] struct {
	// of returns what a row is the state of, which can be compared.
	of func(*T) any
	// over reports whether a row says that nothing holds any more.
	over func(*T) bool
	// asOf is the column that marks the rows of a checkpoint.
	asOf func(*T) *int64
}

// checkpoint removes files of a table and keeps, in one file, the rows of them that held last.
func (l *Lake) checkpoint(ctx context.Context, name table.Name, gone []manifest.File, last *manifest.File, asOf time.Time, keep Keep, now time.Time) error {
	if last != nil {
		if age := asOf.Sub(*last.Checkpoint); age >= 0 && age < checkpointEvery {
			return nil
		}
		gone = append(gone, *last)
	}
	p := &plan{Kind: manifest.Expire, At: now, Merge: &mergeStep{Table: name, Inputs: gone, Setting: keep.Setting, AsOf: &asOf}}
	p.Merge.Out.Partition = "checkpoint=" + asOf.Format(time.DateOnly)
	err := l.begin(ctx, p, func() {
		p.Merge.Out.Path = filePath(name, p.Merge.Out.Partition, fmt.Sprintf("%d.parquet", p.ID))
	})
	if err != nil {
		return err
	}
	return l.carryOut(ctx, p, nil)
}

// holding are the rows that are the state of something: the one of the latest time, as the past is asked
// for, and the one that was recorded last, as the present is. They are mostly the same.
type holding struct {
	time, number int64
	over         bool
	last         int64
	lastOver     bool
}

// writeCheckpoint writes the rows of files that hold at their end.
func writeCheckpoint[T any](ctx context.Context, l *Lake, k *kind[T], files []manifest.File, local string, asOf time.Time) (manifest.File, error) {
	held := map[any]holding{}
	err := merge(ctx, l, k, files, true, func(row *T) error {
		h, over, of := k.head(row), k.state.over(row), k.state.of(row)
		was, known := held[of]
		now := holding{h.time, h.number, over, h.number, over}
		if known && h.time < was.time {
			now.time, now.number, now.over = was.time, was.number, was.over
		}
		held[of] = now
		return nil
	})
	if err != nil {
		return manifest.File{}, err
	}
	kept := map[int64]bool{}
	for _, h := range held {
		if !h.over || !h.lastOver {
			kept[h.number], kept[h.last] = true, true
		}
	}
	info, _, err := mergeFiles(ctx, l, k, files, local, func(row *T) bool {
		*k.state.asOf(row) = asOf.UnixMicro()
		return kept[k.head(row).number]
	})
	return info, err
}
