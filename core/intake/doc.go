// Package intake turns what a collector sent into records that the rest of the daemon may trust.
//
// The pipeline calls Check for every batch, from several goroutines. Each record is parsed, brought
// into canonical form, redacted, stamped where it lacks a time, and held against the schema that the
// collector declared for its type; types that were not declared are accepted as they are. A record
// that fails goes to quarantine with its reason and the rest of the batch goes on: every record that
// was read comes out of Check exactly once, on one side or the other.
//
// Redaction happens here and nowhere else, before anything is written, quarantine included. A value
// at a sensitive path is replaced by a keyed hash, so that a changed secret still shows as a change.
// The key stays in the data folder; without it the hashes cannot be guessed from short secrets.
//
// Intake knows nothing of earlier records: what is a duplicate or a new version is the pipeline's
// business.
package intake
