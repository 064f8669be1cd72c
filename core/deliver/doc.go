// Package deliver sends deliveries to their notifiers until each is delivered, rejected, or three days
// old.
//
// Deliveries of one notifier and group leave in their order, one at a time; groups do not wait for one
// another, so that one receiver's stuck thread holds up no other. What an attempt changed is written
// before the next attempt of the group. A delivery whose answer was lost goes again with the same id,
// which is the receiver's means against doing it twice.
//
// A receiver that says when to come again is heard; otherwise attempts are spaced with full jitter from
// a second up to five minutes. What a receiver rejects, and what is not delivered in DeadAfter, becomes
// a dead letter: it is kept with the last answer, counted, and may be retried by hand.
package deliver
