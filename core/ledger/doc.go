// Package ledger makes the lake provable: each hour it writes a digest of what changed in the lake's
// manifest, signed and chained to the digest of the hour before, and it verifies a lake by its digests
// alone, without the daemon and its store.
//
// # Digests
//
// A digest lies beside the lake's tables as digests/date=YYYY-MM-DD/HH.json, named by the last hour that
// it covers. It lists the changes of the manifest with the SHA-256 of every file that came or went, what
// is in the lake after them, the collectors with their gaps, and the SHA-256 of the file of the digest
// before. The file is one line of JSON in canonical form, so that there is one way to write a digest and
// any changed byte shows. The signature is Ed25519 over the bytes of the member "digest".
//
// An hour in which nothing changed has a digest too. The hours in which the daemon was down are made up
// for at start by one digest, which covers them all and says how many they are. The first digest is
// written when the daemon first starts. Where the clock was set back by less than a day, the next digest
// comes when the last one's end is reached; after more than that digests go on from the time it is, and
// say that the clock was set back.
//
// # Crashes
//
// A digest's bytes are decided in one transaction of the store, and the file is written after it. What was
// decided is written unchanged by whoever starts next, so a digest never has two forms.
//
// # What verification proves
//
// Verify reads every digest and replays the changes, so it knows which files should be there and reads
// them. Each has a root: SHA-256 over the SHA-256 of each record, in the order of the rows' numbers. The
// rows of a compacted file are divided again among the drained files that it replaces, by the numbers
// that those had, and each must give the root that its file had. So what was drained in the first hour is
// proven to be in the lake today, however often it was compacted since.
//
// What whoever holds the signing key writes cannot be told from what the daemon wrote, and a chain that
// was cut at its end looks like a shorter one. Both show against an anchor: the number and SHA-256 of a
// digest, kept elsewhere. Digests are sent as anchors through notifiers for that.
//
// The package does not decide what is in the lake, and removes nothing.
package ledger
