package store

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/regent-dev/regent/core/record"
)

// Related is one relationship as seen from a resource.
type Related struct {
	record.Relationship
	// From is set for relationships that point at the resource.
	From *record.Key
}

// maxIncoming bounds how many relationships to one resource are returned.
const maxIncoming = 1000

// Relationships returns those of a resource's current version, and those of other resources that point
// at it by id or by name, at most 1,000 of each.
func (tx *Tx) Relationships(c *Current) (out, in []Related, err error) {
	for _, r := range c.Item.Relationships {
		out = append(out, Related{Relationship: r})
	}
	it := &c.Item
	for _, by := range []struct{ column, value string }{{"target_id", it.ResourceID}, {"target_name", it.ResourceName}} {
		if by.value == "" {
			continue
		}
		err := tx.each(`SELECT r.account, r.region, r.resource_type, r.resource_id, l.target_id, l.target_name, l.name
			FROM relationships l JOIN resources r ON r.id = l.resource
			WHERE l.target_type = ? AND l.`+by.column+` = ? AND l.`+by.column+` <> '' AND r.status NOT IN ('ResourceDeleted', 'ResourceDeletedNotRecorded')
			ORDER BY l.resource, l.place LIMIT ?`, []any{it.ResourceType, by.value, maxIncoming}, func(r *sql.Rows) error {
			var k record.Key
			rel := record.Relationship{ResourceType: it.ResourceType}
			if err := r.Scan(&k.AccountID, &k.Region, &k.ResourceType, &k.ResourceID, &rel.ResourceID, &rel.ResourceName, &rel.Name); err != nil {
				return err
			}
			// One that names both was found by the id already.
			if by.column == "target_name" && rel.ResourceID == it.ResourceID {
				return nil
			}
			in = append(in, Related{Relationship: rel, From: &k})
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read relationships to %s: %w", it.Key, err)
		}
	}
	return out, in, nil
}

// relate replaces the relationships of a resource where they changed.
func (tx *Tx) relate(resource int64, old, now []record.Relationship) error {
	if slices.Equal(old, now) {
		return nil
	}
	if len(old) > 0 {
		if err := tx.run(`DELETE FROM relationships WHERE resource = ?`, resource); err != nil {
			return fmt.Errorf("write relationships: %w", err)
		}
	}
	args := make([]any, 0, 6*len(now))
	for i, r := range now {
		args = append(args, resource, i, r.ResourceType, r.ResourceID, r.ResourceName, r.Name)
	}
	if err := tx.insert(`INSERT INTO relationships (resource, place, target_type, target_id, target_name, name)`, 6, args, ""); err != nil {
		return fmt.Errorf("write relationships: %w", err)
	}
	return nil
}
