package manifest

import (
	"encoding/json"
	"time"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
)

// File is one Parquet file of the lake.
type File struct {
	// ID is never given twice.
	ID    int64      `json:"id"`
	Table table.Name `json:"table"`
	// Path is where the file is below the lake's root, with slashes:
	// "events/date=2026-11-23/000000000001-000000065536.parquet".
	Path   string        `json:"path"`
	Rows   int64         `json:"rows"`
	Bytes  int64         `json:"bytes"`
	SHA256 record.Digest `json:"sha256"`
	// Root is SHA-256 over the SHA-256 of each row's record, in the order of the rows' numbers.
	Root record.Digest `json:"root"`
	// The ranges are inclusive. Files that are drained have numbers of their own; a file that compaction
	// made has all numbers of those it replaces.
	MinNumber   int64     `json:"minNumber"`
	MaxNumber   int64     `json:"maxNumber"`
	MinTime     time.Time `json:"minTime"`
	MaxTime     time.Time `json:"maxTime"`
	MinReceived time.Time `json:"minReceived"`
	MaxReceived time.Time `json:"maxReceived"`
	// Checkpoint is set for a file that holds the state at a time (of configuration_items, verdicts or
	// findings) instead of what was recorded.
	Checkpoint *time.Time `json:"checkpoint,omitempty"`
}

// Kind is what a change does.
type Kind string

// The kinds of change.
const (
	// Add adds files that were drained.
	Add Kind = "add"
	// Replace puts files in the place of others, with the same records.
	Replace Kind = "replace"
	// Expire removes files that are past their retention; where they had rows that still hold, it adds a
	// file with those.
	Expire Kind = "expire"
	// Loss removes a file that is lost or damaged and was given up.
	Loss Kind = "loss"
)

// Change is one change of the manifest, which takes effect as a whole.
type Change struct {
	// Seq numbers the changes from 1 without holes.
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	// Added are the files that came, Removed those that went, as they stood in the manifest.
	Added   []File `json:"added,omitempty"`
	Removed []File `json:"removed,omitempty"`
	// Root is set where files are replaced: SHA-256 over the SHA-256 of each record in the order of the
	// numbers, over all records of Removed, and the same over all of Added.
	Root *record.Digest `json:"root,omitempty"`
	// Setting is the setting that made files expire, `retention.events = "2160h0m0s"`, or who gave a file up
	// and why.
	Setting string `json:"setting,omitempty"`
	// Detail is room for what else is to be pinned.
	Detail json.RawMessage `json:"detail,omitempty"`
}
