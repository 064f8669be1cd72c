package store

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// Current is the version of a resource that is in force, or another version where the method says so.
type Current struct {
	// Resource is the resource's number in the store.
	Resource int64
	// Version numbers versions in the order in which they were received.
	Version  int64
	Received time.Time
	Instance record.Instance
	// Item is the version. Where a version was known to be in force again after a late item, its
	// CaptureTime is that of the confirmation, and Body that of the first time.
	Item record.Item
	// Confirmed is the latest capture time for which the version is known to have been in force.
	Confirmed time.Time
}

// currentColumns and versionColumns read what scanVersion scans.
const (
	currentColumns = `SELECT v.resource, v.number, v.received, v.instance, v.captured, c.captured, v.hash, v.body
		FROM resources r JOIN versions v ON v.number = r.version JOIN confirmed c ON c.resource = r.id`
	versionColumns = `SELECT v.resource, v.number, v.received, v.instance, v.captured,
		coalesce((SELECT CASE WHEN n.prior > v.captured THEN n.prior ELSE v.captured END FROM versions n
			WHERE n.resource = v.resource AND n.captured >= v.captured AND (n.captured > v.captured OR n.number > v.number)
			ORDER BY n.captured, n.number LIMIT 1),
			(SELECT c.captured FROM confirmed c WHERE c.resource = v.resource)), v.hash, v.body
		FROM versions v`
)

// versionRow is a version as it stands in the table.
type versionRow struct {
	resource, number, received, captured, confirmed int64
	instance                                        string
	hash, body                                      []byte
}

// versions reads the versions that a query returns.
func (tx *Tx) versions(query string, args ...any) ([]*Current, error) {
	return tx.readVersions(tx.each, query, args)
}

func (tx *Tx) readVersions(read func(string, []any, func(*sql.Rows) error) error, query string, args []any) ([]*Current, error) {
	var rows []versionRow
	err := read(query, args, func(r *sql.Rows) error {
		var v versionRow
		if err := r.Scan(&v.resource, &v.number, &v.received, &v.instance, &v.captured, &v.confirmed, &v.hash, &v.body); err != nil {
			return err
		}
		rows = append(rows, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]*Current, len(rows))
	for i := range rows {
		if out[i], err = tx.version(&rows[i]); err != nil {
			return nil, fmt.Errorf("version %d: %w", rows[i].number, err)
		}
	}
	return out, nil
}

// version opens a row.
func (tx *Tx) version(v *versionRow) (*Current, error) {
	body, err := tx.unpack(v.body)
	if err != nil {
		return nil, err
	}
	c := &Current{
		Resource: v.resource, Version: v.number, Received: fromMicros(v.received),
		Instance: record.Instance(v.instance), Confirmed: fromMicros(v.confirmed),
	}
	if c.Item, err = record.ParseItem(body, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// The hash as stored leaves out volatile paths, which are not known here.
	copy(c.Item.Hash[:], v.hash)
	c.Item.CaptureTime = fromMicros(v.captured)
	return c, nil
}

func (tx *Tx) oneVersion(query string, args ...any) (*Current, error) {
	all, err := tx.versions(query, args...)
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// Current returns the current version of a resource, nil where it is unknown.
func (tx *Tx) Current(k record.Key) (*Current, error) {
	return tx.oneVersion(currentColumns+` WHERE r.resource_type = ? AND r.resource_id = ? AND r.account = ? AND r.region = ?`,
		k.ResourceType, k.ResourceID, k.AccountID, k.Region)
}

// CurrentByID returns the current version of a resource by its number, nil where there is none.
func (tx *Tx) CurrentByID(resource int64) (*Current, error) {
	return tx.oneVersion(currentColumns+` WHERE r.id = ?`, resource)
}

// CurrentMany returns the current versions of those resources that are known. It costs much less than
// asking for each.
func (tx *Tx) CurrentMany(keys []record.Key) (map[record.Key]*Current, error) {
	out := make(map[record.Key]*Current, len(keys))
	err := tx.many(currentColumns+` WHERE (r.resource_type, r.resource_id, r.account, r.region) IN`, keys, func(query string, args []any) error {
		page, err := tx.versions(query, args...)
		for _, c := range page {
			out[c.Item.Key] = c
		}
		return err
	})
	return out, err
}

// Head is what is known of a resource without opening its item.
type Head struct {
	// Resource and Version are the numbers of the resource and of its current version.
	Resource, Version int64
	// Hash is the content hash of the current version.
	Hash record.Digest
	// Confirmed is the capture time up to which the version is known to be in force.
	Confirmed time.Time
}

const headColumns = `SELECT r.id, r.version, r.hash, c.captured, r.resource_type, r.resource_id, r.account, r.region
	FROM resources r JOIN confirmed c ON c.resource = r.id`

// Heads returns the heads of those resources that are known: all that is needed to tell whether an
// item says something new.
func (tx *Tx) Heads(keys []record.Key) (map[record.Key]Head, error) {
	out := make(map[record.Key]Head, len(keys))
	err := tx.many(headColumns+` WHERE (r.resource_type, r.resource_id, r.account, r.region) IN`, keys, func(query string, args []any) error {
		return tx.each(query, args, func(r *sql.Rows) error {
			var h Head
			var k record.Key
			var hash sql.RawBytes
			var confirmed int64
			if err := r.Scan(&h.Resource, &h.Version, &hash, &confirmed, &k.ResourceType, &k.ResourceID, &k.AccountID, &k.Region); err != nil {
				return err
			}
			copy(h.Hash[:], hash)
			h.Confirmed = fromMicros(confirmed)
			out[k] = h
			return nil
		})
	})
	return out, err
}

// many asks a query for many keys, several at once.
func (tx *Tx) many(query string, keys []record.Key, fn func(query string, args []any) error) error {
	args := make([]any, 0, 4*maxTogether)
	for n := maxTogether; n > 0; n /= 2 {
		text := query + " (VALUES (?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?)", n-1) + ")"
		for len(keys) >= n {
			args = args[:0]
			for _, k := range keys[:n] {
				args = append(args, k.ResourceType, k.ResourceID, k.AccountID, k.Region)
			}
			if err := fn(text, args); err != nil {
				return err
			}
			keys = keys[n:]
		}
	}
	return nil
}

// Named returns the current versions of all resources of a type with an id, gone ones included.
func (tx *Tx) Named(resourceType, id string) ([]*Current, error) {
	return tx.versions(currentColumns+` WHERE r.resource_type = ? AND r.resource_id = ? ORDER BY r.id`, resourceType, id)
}

// OfType returns the current versions of resources of a type, gone ones included, in the order of
// their numbers after a given one.
func (tx *Tx) OfType(resourceType string, after int64, limit int) ([]*Current, error) {
	return tx.versions(currentColumns+` WHERE r.resource_type = ? AND r.id > ? ORDER BY r.id LIMIT ?`, resourceType, after, limit)
}

// Find resolves a resource as policies do: in the account and region, then in the account, then
// anywhere if there is only one. Resources that are not recorded any more do not count. It returns nil
// where there is none, and ErrAmbiguous where there are several.
func (tx *Tx) Find(account, region, resourceType, id string) (*Current, error) {
	all, err := tx.Named(resourceType, id)
	if err != nil {
		return nil, err
	}
	var levels [3][]*Current
	for _, c := range all {
		switch {
		case !c.Item.Status.Recorded():
		case c.Item.AccountID == account && c.Item.Region == region:
			levels[0] = append(levels[0], c)
		case c.Item.AccountID == account:
			levels[1] = append(levels[1], c)
		default:
			levels[2] = append(levels[2], c)
		}
	}
	for _, found := range levels {
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return nil, fmt.Errorf("%s %s: %w", resourceType, id, ErrAmbiguous)
		}
	}
	return nil, nil
}

// HasVersion reports whether a resource has a version of that capture time and content.
func (tx *Tx) HasVersion(it *record.Item) (bool, error) {
	var n int64
	return tx.one(`SELECT v.number FROM resources r JOIN versions v ON v.resource = r.id
		WHERE r.resource_type = ? AND r.resource_id = ? AND r.account = ? AND r.region = ? AND v.captured = ? AND v.hash = ? LIMIT 1`,
		[]any{it.ResourceType, it.ResourceID, it.AccountID, it.Region, micros(it.CaptureTime), it.Hash[:]}, &n)
}
