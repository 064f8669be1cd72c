package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/store"
)

// plan is one piece of work on the lake. It is written down before anything is done, and is carried out
// as it stands.
type plan struct {
	ID   int64         `json:"id"`
	At   time.Time     `json:"at"`
	Kind manifest.Kind `json:"kind"`
	// Drains are set for Add.
	Drains []drainStep `json:"drains,omitempty"`
	// Merge is set for Replace, and for Expire where a checkpoint is made.
	Merge *mergeStep `json:"merge,omitempty"`
}

// drainStep drains the rows of a table after one position up to another.
type drainStep struct {
	Table table.Name    `json:"table"`
	After int64         `json:"after"`
	UpTo  int64         `json:"upTo"`
	Files []plannedFile `json:"files"`
}

// plannedFile is a file to be written.
type plannedFile struct {
	Partition string `json:"partition"`
	Path      string `json:"path"`
	Rows      int64  `json:"rows"`
}

// mergeStep writes one file out of others.
type mergeStep struct {
	Table   table.Name      `json:"table"`
	Inputs  []manifest.File `json:"inputs"`
	Out     plannedFile     `json:"out"`
	Setting string          `json:"setting,omitempty"`
	AsOf    *time.Time      `json:"asOf,omitempty"`
}

func readPlan(tx *store.Tx) (*plan, error) {
	id, body, err := tx.LakePlan()
	if err != nil || id == 0 {
		return nil, err
	}
	p := &plan{}
	if err := json.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("read the lake's plan %d: %w", id, err)
	}
	return p, nil
}

// begin gives a plan its number and writes it down. fill, where set, completes it once it has the number.
func (l *Lake) begin(ctx context.Context, p *plan, fill func()) error {
	return l.o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if p.ID, err = tx.NextLakePlan(); err != nil {
			return err
		}
		if fill != nil {
			fill()
		}
		body, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("write the lake's plan: %w", err)
		}
		return tx.PutLakePlan(p.ID, body)
	})
}

// fileName names a file by its numbers; the plan's number tells it from any other.
func fileName(min, max, plan int64) string {
	return fmt.Sprintf("%012d-%012d-%d.parquet", min, max, plan)
}

func filePath(name table.Name, partition, file string) string {
	return path.Join(string(name), partition, file)
}

// carryOut does what a plan says and makes it take effect. rows are those to be drained where they are at
// hand.
func (l *Lake) carryOut(ctx context.Context, p *plan, rows map[table.Name]rowSet) error {
	switch {
	case p.Kind == manifest.Add:
		return l.carryOutDrain(ctx, p, rows)
	case p.Merge != nil:
		return l.carryOutMerge(ctx, p)
	}
	return fmt.Errorf("plan %d is of an unknown kind %q", p.ID, p.Kind)
}

// put brings a finished file to where it belongs.
func (l *Lake) put(ctx context.Context, key, local string) error {
	if err := l.o.Bucket.Put(ctx, key, local); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := os.Remove(local); err != nil {
		return fmt.Errorf("remove what was written: %w", err)
	}
	return nil
}

// commit makes a plan take effect.
func (l *Lake) commit(ctx context.Context, p *plan, c *manifest.Change, added []store.LakeFile, then func(*store.Tx) error) error {
	err := l.o.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.ApplyLakeChange(c, added); err != nil {
			return err
		}
		if then != nil {
			if err := then(tx); err != nil {
				return err
			}
		}
		return tx.EndLakePlan(p.ID)
	})
	if err != nil {
		return fmt.Errorf("change the manifest: %w", err)
	}
	return l.publish(ctx)
}

// Published is manifest.json beside the files: for whoever reads the lake without Regent. Regent itself
// goes by the store.
type Published struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	// Change is the number of the last change of the manifest.
	Change int64           `json:"change"`
	Files  []manifest.File `json:"files"`
	// Leaving are files that went out of the manifest and lie there until nobody reads them.
	Leaving []string `json:"leaving,omitempty"`
}

// mostLeaving bounds the files that are published as leaving.
const mostLeaving = 100_000

// publish writes the manifest beside the files.
func (l *Lake) publish(ctx context.Context) error {
	out := Published{Version: 1, At: l.now().UTC().Truncate(time.Microsecond), Files: []manifest.File{}}
	err := l.o.Store.View(ctx, func(tx *store.Tx) error {
		files, err := tx.LakeFiles("")
		if err != nil {
			return err
		}
		for _, f := range files {
			out.Files = append(out.Files, f.File)
		}
		if out.Leaving, err = tx.LakeGarbage(out.At.Add(time.Hour), mostLeaving); err != nil {
			return err
		}
		out.Change, err = tx.LastLakeChange()
		return err
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("publish the manifest: %w", err)
	}
	local := l.scratch(&plan{}, 0) + ".json"
	if err := os.WriteFile(local, body, 0o600); err != nil {
		return fmt.Errorf("publish the manifest: %w", err)
	}
	return l.put(ctx, "manifest.json", local)
}

// day is the partition of a time.
func day(micros int64) string { return "date=" + time.UnixMicro(micros).UTC().Format(time.DateOnly) }

func hour(micros int64) string {
	return day(micros) + "/hour=" + time.UnixMicro(micros).UTC().Format("15")
}
