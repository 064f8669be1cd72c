// Package core holds the daemon's stages. It has no code of its own; this is the map.
//
// # The data path
//
//	plugin processes            what a system is, what is done to it
//	      │ gRPC
//	      ▼
//	    host        verify, launch, configure, supervise, stop
//	      │ records, checkpoints, sweeps, gaps
//	      ▼
//	  pipeline ───── intake      validate, redact, stamp; refuse to quarantine
//	      │    ───── policy      which policies can apply; run them
//	      │    ───── compliance  the life of findings
//	      │    ───── alarm       windows; the life of episodes
//	      │    ───── cause       what changed a finding; events that may tell who did it
//	      ▼
//	    store       one transaction: journal, versions, verdicts, findings, episodes, changes, cursor
//	      │ changes
//	      ▼
//	    route       match, group, wait, repeat: one delivery a group and notifier
//	      │ deliveries
//	      ▼
//	   deliver      in order, until delivered, rejected or three days old
//	      │
//	      ▼
//	    host ──▶ notifier processes
//
// Beside deliver, channel writes what the store holds to folders and buckets, as snapshot files, history
// files and trails, and makes deliveries that tell of them.
//
// Beside the path: config reads the operator's files, reload notices that they changed, api answers
// questions, backtest runs policies over what was recorded, fixture makes tests of it, report writes
// results without a daemon, and daemon wires everything.
//
// # Layers
//
// Higher packages may import lower ones, never the other way round; layers_test.go holds the rules and
// their reasons.
//
//	daemon                                       wiring
//	pipeline  api  reload  config  host          each may use what is below
//	judge                                        running policies on records
//	intake  compliance  alarm  cause  route  deliver  channel
//	                                             stages: never each other
//	policy  store  lake  blob                    engines
//	record  verdict  diag                        vocabulary: nothing of ours
//
// # Locks
//
// store.Update runs one writing transaction at a time and is the one lock that matters: state that the
// pipeline keeps in memory is touched inside it only. Inside a transaction the short locks of health and
// of the daemon's fields may be taken; nothing is written to the store while one of them is held.
package core
