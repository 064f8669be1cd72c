// Package blob keeps whole files under keys: in a local folder, or in a bucket that speaks S3. The lake,
// snapshots, trails and digests are written through it.
//
// An object is there as a whole or not at all, and durable once Put returned. Keys are slash-separated
// paths. A Bucket is safe for concurrent use.
package blob
