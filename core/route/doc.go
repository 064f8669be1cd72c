// Package route turns changes into deliveries: which change goes where, with which others, and when.
//
// The router reads changes in their order after its own position. For each it finds the routes that
// match, puts it into a group of each, and when a group's time has come makes one delivery for each of
// the route's notifiers. Position, groups and deliveries are written in one transaction, so every
// change reaches every delivery that it belongs to exactly once, whenever the daemon is killed.
//
// A group waits group_wait for others to come along (not at all by default, which is what keeps the way
// from a change to a notifier short), leaves at least group_interval between its deliveries, and
// repeats what is still active after repeat. Changes that are too old, or covered by a waiver, are left
// out. Those of a first judgement go into one summary per route, sent once nothing more has come for a
// while. The health of a notifier is never routed to that notifier.
//
// A finding may be held back until its actor is known, apart from its group, and be followed up by one
// further notification where that comes later. Package cause writes a change when an actor becomes known,
// which goes to whoever was held back or told without one; both are written down beside the groups.
//
// The package sends nothing: package deliver does.
package route
