// Package alarm decides when an alarm policy over events is in ALARM.
//
// A policy's matches are followed per key. Book.Add takes the matches one by one, in commit order,
// and says which episodes begin, grow, merge and end; the pipeline calls it inside the transaction
// that stores the events, so that state and events can never disagree.
//
// # What an episode is
//
// The reference is a run over all matches of one key sorted by (time, event id). A match completes
// the window when, with it, the last `within` of event time holds `count` matches (or matches with
// `count` different values). The first completing match starts an episode; every further match of
// the key, completing or not, prolongs it; it ends clear_after after its last match. Without a window
// every match completes.
//
// Events arrive out of order. A match that is at most `lateness` older than the newest of its key is
// put where it belongs and the part after it is run again, so that the result is that of the sorted
// run; episodes that turn out to be one are merged. A match older than that changes no state: it is
// counted as late.
//
// # Bounds
//
// Matches are kept for the window plus the lateness behind the newest of their key, and at most
// maxPoints of them: a key that matches more often than that settles earlier. A policy has at most
// maxKeys live keys; beyond that one overflow episode says so and the matches of further keys are
// counted, because dropping a key that is being watched would be a silent miss.
//
// The package evaluates no Rego and knows no notifiers.
package alarm
