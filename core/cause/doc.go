// Package cause links what changed a finding with who did it.
//
// When a commit changes a finding, the pipeline calls Changed in its transaction, which writes the cause
// down as work: the finding, the version, the step. The linker then looks, in the background, for the
// fields that changed and for the events on the resource around the capture, and writes a revision. Events
// often come minutes after the change, so the cause stays open for a day: Recorded looks the targets of
// every committed event up in an index in memory of the resources that are waited for, and makes their
// causes due in the event's own transaction. A revision is written only where the ranking changed.
//
// Nothing is searched on the write path: it costs a look into a map for each target, and nothing at all
// while no cause is open. The index is bounded; what finds no room in it is looked at every quarter of an
// hour instead. It is guarded by the turn of the store's writer and is read again from the store at start.
//
// # Ranking
//
// An event is a candidate where one of its targets is the resource, by ARN, id or name. What it scores is
// in rank.go, with the reason for each part; all of it is general, none knows a policy. A call that failed
// or only reads changed nothing: it is listed, and never named as the cause. Of the others the best is.
//
// A cause is a claim about likelihood, not proof: two people who change one resource within a second
// cannot be told apart, and both are then among the candidates.
package cause
