// Package manifest is the vocabulary of the lake's manifest: which files are in the lake, and the changes
// that led there. The store holds it, the lake's drain writes it, queries go by it and never by what lies
// in the folder, and the hourly digests list its changes.
package manifest
