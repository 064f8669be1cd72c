package store

import (
	"database/sql"
	"fmt"
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
