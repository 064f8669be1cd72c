package store

import (
	"database/sql"
	"fmt"
	"time"
)

// LastVersion returns the number of the newest version of any resource, 0 where there is none.
func (tx *Tx) LastVersion() (int64, error) {
	var last sql.NullInt64
	if _, err := tx.one(`SELECT max(number) FROM versions`, nil, &last); err != nil {
		return 0, fmt.Errorf("read the number of the newest version: %w", err)
	}
	return last.Int64, nil
}

// StateAt returns, in the order of the resources' numbers after a given one, the version of each that was
// in force when a version had just been received: the greatest by capture time among those up to upTo. As
// long as retention takes none of them away the answer is the same at any later time.
func (tx *Tx) StateAt(upTo, after int64, limit int) ([]*Current, error) {
	return tx.versions(`SELECT v.resource, v.number, v.received, v.instance, v.captured, v.captured, v.hash, v.body
		FROM resources r JOIN versions v ON v.number = (SELECT x.number FROM versions x WHERE x.resource = r.id AND x.number <= ?
			ORDER BY x.captured DESC, x.number DESC LIMIT 1)
		WHERE r.id > ? ORDER BY r.id LIMIT ?`, upTo, after, limit)
}

// VersionKnownAt is VersionAt by what had been received by a time; where known is zero that is everything.
func (tx *Tx) VersionKnownAt(resource int64, at, known time.Time) (*Current, error) {
	if known.IsZero() {
		return tx.VersionAt(resource, at)
	}
	return tx.oneVersion(versionColumns+` WHERE v.resource = ? AND v.captured <= ? AND v.received <= ? ORDER BY v.captured DESC, v.number DESC LIMIT 1`,
		resource, micros(at), micros(known))
}

// ResourcesAt returns the versions of matching resources that were in force at a time, in the order of the
// resources after one, by what had been received by known; where that is zero it is everything. Name,
// After and Text of the filter are not looked at. Next is where to go on, 0 at the end.
func (tx *Tx) ResourcesAt(f ResourceFilter, at, known time.Time, after int64) (page []*Current, next int64, err error) {
	var w where
	w.glob("r.resource_type", f.Type)
	w.glob("r.resource_id", f.ID)
	w.glob("r.account", f.Account)
	w.glob("r.region", f.Region)
	until := int64(1<<63 - 1)
	if !known.IsZero() {
		until = micros(known)
	}
	limit, text := pageLimit(f.Limit), NewText(f.Text)
	for {
		cond := w.clone()
		cond.add(`r.id > ?`, after)
		var ids []int64
		var versions []sql.NullInt64
		err := tx.each(`SELECT r.id, (SELECT x.number FROM versions x WHERE x.resource = r.id AND x.captured <= ? AND x.received <= ?
				ORDER BY x.captured DESC, x.number DESC LIMIT 1) FROM resources r`+cond.String()+` ORDER BY r.id LIMIT ?`,
			append(append([]any{micros(at), until}, cond.args...), limit), func(r *sql.Rows) error {
				var id int64
				var version sql.NullInt64
				err := r.Scan(&id, &version)
				ids, versions = append(ids, id), append(versions, version)
				return err
			})
		if err != nil {
			return nil, 0, fmt.Errorf("read resources: %w", err)
		}
		for i, id := range ids {
			after = id
			if !versions[i].Valid {
				continue
			}
			c, err := tx.Version(versions[i].Int64)
			if err != nil {
				return nil, 0, err
			}
			if c == nil || c.Item.Status.Gone() && !f.Gone || !f.keep(&c.Item, &text) {
				continue
			}
			if page = append(page, c); len(page) == limit {
				return page, after, nil
			}
		}
		if len(ids) < limit {
			return page, 0, nil
		}
	}
}
