// Package backtest runs policies that are not loaded over what was recorded, and says when each would
// have fired.
//
// It is the daemon's own machinery (packages policy, judge, compliance and alarm) driven by records
// instead of collectors: items become versions and events pass the alarms in the order in which they
// arrived, late ones included; other resources are read as they were at that moment; waivers end when
// the records say that their day is over. Nothing reads the wall clock, so the same records and policies
// give the same bytes, however many processors there are.
//
// # Bounds
//
// The versions of resources and their verdicts are kept in a temporary store on disk, firings in a
// spool beside it; memory holds one chunk of records a processor, the keys of alarms within their own
// bounds, and sixteen bytes a firing.
//
// # What it does not do
//
// It writes nothing that the daemon reads, notifies nobody, and opens no connection but the one that
// Remote reads. A policy that fails on records is counted and sampled and stops no other.
package backtest
