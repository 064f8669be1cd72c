// Package store keeps the working state: the journal of accepted batches, every version of every
// resource, verdicts, findings, alarms, changes to be routed, deliveries, and cursors.
//
// Everything is read and written through a Tx. Update runs one writing transaction at a time, and what
// it wrote is on disk when it returns; View runs on a snapshot and never waits for a writer. A Tx is
// used by one goroutine and not after its function returned. Byte slices and structs that come out of
// a Tx belong to the caller.
//
// On one machine the engine is SQLite, through modernc.org/sqlite, in WAL mode with synchronous=FULL;
// what only SQLite knows stands in sqlite.go and checkpoint.go. The SQL elsewhere keeps to what
// PostgreSQL takes as well. Suite in the tests is what any engine must pass.
//
// # Events
//
// Events stay in the journal, compressed by batch. Each batch has a summary: the range of its times, a
// filter over its resources, actors, actions and so on, and a fingerprint of each id. Look-ups and the
// check for duplicates use it to pass over a batch without opening it. There is no index row per event:
// four of them cost more than all the rest together.
//
// # Items
//
// Items are ordered by (capture time, order of receiving) and the greatest is current. An item that
// says nothing new only confirms the version in force at its time. One that comes late enters history
// where it belongs and changes nothing about what is current.
//
// # Failures
//
// A full disk is ErrFull: nothing of the transaction is there, and the store goes on when there is
// room. A data folder that another daemon uses is ErrLocked; a damaged database is ErrCorrupt, with
// the file and the way out. The package decides nothing: what a verdict means for a finding, or what
// is notified, is written in other packages.
package store
