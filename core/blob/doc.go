// Package blob keeps whole files under keys: in a local folder, or in a bucket that speaks S3. The lake,
// snapshots, trails and digests are written through it.
//
// An object is there as a whole or not at all, and durable once Put returned. Keys are slash-separated
// paths, the same for both, so that what is written to one can be copied to the other as it is; no key goes
// on below another, as no file is a folder. A Bucket is safe for concurrent use.
//
// Faults that pass are tried again within bounds; what is then still wrong is returned with the folder or
// bucket, the key and the way out, and can be told apart by the errors of this package. Nothing is logged.
//
// Readers that need a file on this machine get it by a Cache, which holds what comes from afar in a
// bounded folder and checks it by its digest.
package blob
