// Package pipeline is the order of things: it takes what collectors send through the stages and
// commits it.
//
//	host ── Accept ──▶ queue ──▶ workers: check, judge ──▶ sequencer: verify, commit ──▶ Done
//	                    │ bounded                              │ one transaction
//	                    ▼                                      ▼
//	              pushes back                    journal, versions, verdicts, findings,
//	                                             episodes, changes, cursor
//
// # One transaction, evaluated outside it
//
// A worker checks a batch and judges it on the committed state overlaid with the batch itself. The
// sequencer takes batches in the order they came, and inside the transaction that stores a batch it
// compares what its evaluations rested on (the version before, every other resource they read or
// found absent, the generation of policies) with what is there now. Where something moved, that
// resource is judged again, in the transaction. So a verdict always belongs to the state it is
// stored with, and workers need no locks.
//
// # What else runs here
//
// Run also drains the durable work: resources whose policies read another that changed, scans of all
// resources after a change of policies or on a schedule, episodes that end, waivers that end. Each
// takes resources in chunks of at most chunk in transactions of their own, so that a change with
// many dependents delays nobody.
//
// # Guarantees
//
// Accept returns when the message is queued and Done is called once it is durable; in between it can
// be lost only with its cursor, so that the collector sends it again. Nothing is dropped: a full
// queue blocks Accept, and a store that cannot write is tried again until it can.
package pipeline
