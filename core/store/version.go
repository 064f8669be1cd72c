package store

import (
	"time"

	"github.com/regent-dev/regent/core/record"
)

// Version returns one version by its number, nil where there is none.
func (tx *Tx) Version(number int64) (*Current, error) {
	return tx.oneVersion(versionColumns+` WHERE v.number = ?`, number)
}

// VersionAt returns the version of a resource that was in force at a capture time, nil where the
// resource was not known then.
func (tx *Tx) VersionAt(resource int64, at time.Time) (*Current, error) {
	return tx.oneVersion(versionColumns+` WHERE v.resource = ? AND v.captured <= ? ORDER BY v.captured DESC, v.number DESC LIMIT 1`, resource, micros(at))
}

// Previous returns the version before the current one, nil where there is none. It always differs in
// content: a version that late items made the neighbour of an equal one is passed over.
func (tx *Tx) Previous(resource int64) (*Current, error) {
	return tx.oneVersion(versionColumns+` WHERE v.resource = ? AND v.hash <> (SELECT r.hash FROM resources r WHERE r.id = v.resource)
		ORDER BY v.captured DESC, v.number DESC LIMIT 1`, resource)
}

// Before returns the version in force before a given one, nil where it is the first. Like Previous it
// differs in content.
func (tx *Tx) Before(v *Current) (*Current, error) {
	at := micros(v.Item.CaptureTime)
	return tx.oneVersion(versionColumns+` WHERE v.resource = ? AND v.captured <= ? AND (v.captured < ? OR v.number < ?) AND v.hash <> ?
		ORDER BY v.captured DESC, v.number DESC LIMIT 1`, v.Resource, at, at, v.Version, v.Item.Hash[:])
}

// VersionAfter returns the version that followed a given one, nil where it is the current one.
func (tx *Tx) VersionAfter(v *Current) (*Current, error) {
	at := micros(v.Item.CaptureTime)
	return tx.oneVersion(versionColumns+` WHERE v.resource = ? AND v.captured >= ? AND (v.captured > ? OR v.number > ?) ORDER BY v.captured, v.number LIMIT 1`,
		v.Resource, at, at, v.Version)
}

// Versions returns the versions of a resource, newest first.
func (tx *Tx) Versions(resource int64, limit, offset int) ([]*Current, error) {
	return tx.versions(versionColumns+` WHERE v.resource = ? ORDER BY v.captured DESC, v.number DESC LIMIT ? OFFSET ?`, resource, limit, offset)
}

// VersionsBefore returns the versions of a resource that were captured before a time, newest first, about
// limit of them; all of one time come together.
func (tx *Tx) VersionsBefore(resource int64, before time.Time, limit int) ([]*Current, error) {
	return tx.versions(versionColumns+` WHERE v.resource = ? AND v.captured < ? AND v.captured >= coalesce((SELECT w.captured FROM versions w
		WHERE w.resource = ? AND w.captured < ? ORDER BY w.captured DESC LIMIT 1 OFFSET ?), 0) ORDER BY v.captured DESC, v.number DESC`,
		resource, micros(before), resource, micros(before), pageLimit(limit)-1)
}

// VersionsWith returns the versions of a resource with a content, in the order of their capture.
func (tx *Tx) VersionsWith(resource int64, hash record.Digest) ([]*Current, error) {
	return tx.versions(versionColumns+` WHERE v.resource = ? AND v.hash = ? ORDER BY v.captured, v.number`, resource, hash[:])
}
