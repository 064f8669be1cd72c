package channel

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/store"
)

// File is a file that was delivered.
type File struct {
	Kind    Kind      `json:"kind"`
	Channel string    `json:"channel"`
	Bucket  string    `json:"bucket"`
	Key     string    `json:"key"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	Count   int       `json:"count"`
	Account string    `json:"accountId"`
	Region  string    `json:"region"`
	Type    string    `json:"resourceType,omitempty"`
	ID      string    `json:"configurationSnapshotId,omitempty"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	At      time.Time `json:"deliveredAt,omitzero"`
}

// planned is a file of a plan.
type planned struct {
	File
	// Name is the file's name in the run's folder.
	Name string `json:"name"`
}

// run is what a run writes. It is never changed once planned.
type run struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	// After and To are the numbers of versions or events: what is written are those above After, up to
	// To. A snapshot is the state when To was the newest version.
	After int64 `json:"after"`
	To    int64 `json:"to"`
	// Lost counts the events between that were past their retention.
	Lost int64 `json:"lost,omitempty"`
	// More says that the run ended at its bounds, so that the next one follows at once.
	More bool `json:"more,omitempty"`
	// Asked says that somebody asked for it, so that it does not move the schedule.
	Asked bool `json:"asked,omitempty"`
}

// state is how far a channel has come.
type state struct {
	Run     *run   `json:"run,omitempty"`
	Last    *File  `json:"last,omitempty"`
	Files   int64  `json:"files"`
	Records int64  `json:"records"`
	Lost    int64  `json:"lost,omitempty"`
	Failure string `json:"failure,omitempty"`
	// Failing is since when the bucket fails; Told says that this was told.
	Failing time.Time `json:"failing,omitzero"`
	Told    bool      `json:"told,omitempty"`

	position int64
	due      time.Time
	fresh    bool
}

// readState reads what the store has of a channel. One that never ran begins before the first record.
func readState(s *Spec, c *store.Channel) (*state, error) {
	st := &state{}
	if c == nil {
		st.fresh = true
		return st, nil
	}
	if err := json.Unmarshal(c.Body, st); err != nil {
		return nil, fmt.Errorf("read channel %s: %w", s.id(), err)
	}
	st.position, st.due = c.Position, c.Due
	return st, nil
}

// write writes the state in a transaction.
func (st *state) write(tx *store.Tx, s *Spec) error {
	b, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("write channel %s: %w", s.id(), err)
	}
	return tx.PutChannel(store.Channel{Name: s.id(), Position: st.position, Due: st.due, Body: b})
}
