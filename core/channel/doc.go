// Package channel writes what is recorded to a folder or bucket, in the forms that the tools of AWS read:
// AWS Config's snapshot and history files, and CloudTrail's log files. The daemon runs one Manager.
//
// # What is promised
//
// Every version and every matching event is written once. A run first writes its files to a folder of its
// own, then plans them in the store with their keys and digests, then puts one after the other into the
// bucket, and marks each as delivered in the transaction that makes its notifications. A daemon that was
// killed between any two of these goes on with the plan: at worst it puts the same bytes under the same
// key again. What a bucket does not take is tried again with growing waits, for as long as it takes.
//
// Memory is bounded by buffered, whatever is written.
//
// # Reading back
//
// The collector "files" reads the files back as the same items and events. Items stand in AWS Config's
// spelling, with a member "regentItem" that says which names were changed. A CloudTrail record stands in a
// trail's file as it was; an event of another source stands in a record that looks like CloudTrail's, with
// the event itself under "regentEvent".
//
// # What it does not do
//
// It reads no files and judges nothing. What retention has taken before it was written is counted as lost
// and told; that happens only where a bucket fails for longer than things are kept.
package channel
