package store

import (
	"database/sql"
	"errors"
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
	Item     record.Item
	// Confirmed is the capture time until which the version is known to have been in force.
	Confirmed time.Time
}

// ItemWrite is an item to be stored.
type ItemWrite struct {
	Item     record.Item
	Instance record.Instance
	Received time.Time
	// Batch is the journal row it came with, 0 for one that the daemon made.
	Batch int64
}

// ItemKind says what became of an item.
type ItemKind uint8

// What PutItem makes of an item.
const (
	// ItemNew is the first version of a resource.
	ItemNew ItemKind = iota + 1
	// ItemChanged is a new current version.
	ItemChanged
	// ItemUnchanged says nothing new: it only confirms a version.
	ItemUnchanged
	// ItemLate was captured before the current version and entered history only.
	ItemLate
)

// ItemResult is what became of an item.
type ItemResult struct {
	Kind     ItemKind
	Resource int64
	// Version is the new version's number, or the number of the version that was confirmed.
	Version int64
	// Before is the version that was current until now; set for ItemChanged.
	Before *Current
}

// minCompressed is the size from which bodies are compressed: below it the frame costs what it saves.
const minCompressed = 256

// packBody stores a body with a leading byte that tells whether it is compressed.
func packBody(b []byte) []byte {
	if len(b) < minCompressed {
		return append([]byte{0}, b...)
	}
	return compress([]byte{1}, b)
}

func unpackBody(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errors.New("body is empty")
	}
	if b[0] == 0 {
		return append([]byte(nil), b[1:]...), nil
	}
	return decompress(b[1:])
}

const currentColumns = `SELECT r.id, v.number, v.received, v.instance, v.hash, v.body, c.captured
	FROM resources r JOIN versions v ON v.number = r.version JOIN confirmed c ON c.resource = r.id`

type scanner interface{ Scan(...any) error }

func scanCurrent(r scanner) (*Current, error) {
	var c Current
	var received, confirmed int64
	var inst string
	var hash, body []byte
	if err := r.Scan(&c.Resource, &c.Version, &received, &inst, &hash, &body, &confirmed); err != nil {
		return nil, err
	}
	return &c, c.fill(received, inst, hash, body, confirmed)
}

func (c *Current) fill(received int64, inst string, hash, body []byte, confirmed int64) error {
	raw, err := unpackBody(body)
	if err != nil {
		return fmt.Errorf("version %d: %w", c.Version, err)
	}
	if c.Item, err = record.ParseItem(raw, nil); err != nil {
		return fmt.Errorf("version %d: %w", c.Version, err)
	}
	// The hash as stored leaves out volatile paths, which are not known here.
	copy(c.Item.Hash[:], hash)
	c.Received, c.Instance, c.Confirmed = fromMicros(received), record.Instance(inst), fromMicros(confirmed)
	return nil
}

func (tx *Tx) currentWhere(where string, args ...any) (*Current, error) {
	st, err := tx.stmt(currentColumns + " WHERE " + where)
	if err != nil {
		return nil, err
	}
	c, err := scanCurrent(st.QueryRowContext(tx.ctx, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return c, err
}

// Current returns the current version of a resource, nil where it is unknown.
func (tx *Tx) Current(k record.Key) (*Current, error) {
	return tx.currentWhere(`r.resource_type = ? AND r.resource_id = ? AND r.account = ? AND r.region = ?`, k.ResourceType, k.ResourceID, k.AccountID, k.Region)
}

// CurrentByID returns the current version of a resource by its number, nil where there is none.
func (tx *Tx) CurrentByID(resource int64) (*Current, error) {
	return tx.currentWhere(`r.id = ?`, resource)
}

// CurrentMany returns the current versions of those resources that are known.
func (tx *Tx) CurrentMany(keys []record.Key) (map[record.Key]*Current, error) {
	out := make(map[record.Key]*Current, len(keys))
	for _, k := range keys {
		c, err := tx.Current(k)
		if err != nil {
			return nil, err
		}
		if c != nil {
			out[k] = c
		}
	}
	return out, nil
}

// Named returns the current versions of all resources of a type with an id, gone ones included.
func (tx *Tx) Named(resourceType, id string) ([]*Current, error) {
	return tx.currents(currentColumns+` WHERE r.resource_type = ? AND r.resource_id = ? ORDER BY r.id`, resourceType, id)
}

// OfType returns the current versions of resources of a type, gone ones included, in the order of
// their numbers after a given one.
func (tx *Tx) OfType(resourceType string, after int64, limit int) ([]*Current, error) {
	return tx.currents(currentColumns+` WHERE r.resource_type = ? AND r.id > ? ORDER BY r.id LIMIT ?`, resourceType, after, limit)
}

func (tx *Tx) currents(query string, args ...any) ([]*Current, error) {
	var out []*Current
	err := tx.each(query, args, func(r *sql.Rows) error {
		c, err := scanCurrent(r)
		if err == nil {
			out = append(out, c)
		}
		return err
	})
	return out, err
}

// PutItem stores an item. The greatest by (capture time, receive order) is current; an older one
// enters history only, and one that says nothing new makes no version.
func (tx *Tx) PutItem(w ItemWrite) (ItemResult, error) {
	it := &w.Item
	captured := micros(it.CaptureTime)
	cur, err := tx.Current(it.Key)
	if err != nil {
		return ItemResult{}, err
	}
	if cur == nil {
		return tx.newResource(w)
	}
	res := ItemResult{Resource: cur.Resource, Version: cur.Version}
	if captured < micros(cur.Confirmed) {
		return tx.putLate(w, cur)
	}
	if it.Hash == cur.Item.Hash {
		res.Kind = ItemUnchanged
		if captured == micros(cur.Confirmed) {
			return res, nil
		}
		return res, tx.run(`UPDATE confirmed SET captured = ? WHERE resource = ?`, captured, cur.Resource)
	}
	res.Kind, res.Before = ItemChanged, cur
	if res.Version, err = tx.insertVersion(w, cur.Resource); err != nil {
		return ItemResult{}, err
	}
	err = tx.run(`UPDATE resources SET name = ?, arn = ?, status = ?, version = ? WHERE id = ?`,
		it.ResourceName, it.ARN, string(it.Status), res.Version, cur.Resource)
	if err != nil {
		return ItemResult{}, err
	}
	if err := tx.run(`UPDATE confirmed SET captured = ? WHERE resource = ?`, captured, cur.Resource); err != nil {
		return ItemResult{}, err
	}
	return res, tx.relate(cur.Resource, cur.Item.Relationships, it.Relationships)
}

func (tx *Tx) newResource(w ItemWrite) (ItemResult, error) {
	it := &w.Item
	resource, err := tx.nextID("resources", "id")
	if err != nil {
		return ItemResult{}, err
	}
	number, err := tx.insertVersion(w, resource)
	if err != nil {
		return ItemResult{}, err
	}
	err = tx.run(`INSERT INTO resources (id, account, region, resource_type, resource_id, name, arn, status, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		resource, it.AccountID, it.Region, it.ResourceType, it.ResourceID, it.ResourceName, it.ARN, string(it.Status), number)
	if err != nil {
		return ItemResult{}, err
	}
	if err := tx.run(`INSERT INTO confirmed (resource, captured) VALUES (?, ?)`, resource, micros(it.CaptureTime)); err != nil {
		return ItemResult{}, err
	}
	return ItemResult{Kind: ItemNew, Resource: resource, Version: number}, tx.relate(resource, nil, it.Relationships)
}

// putLate stores an item that is older than the current version, unless it repeats the version that
// was in force at its time.
func (tx *Tx) putLate(w ItemWrite, cur *Current) (ItemResult, error) {
	var number int64
	var hash []byte
	ok, err := tx.one(`SELECT number, hash FROM versions WHERE resource = ? AND captured <= ? ORDER BY captured DESC, number DESC LIMIT 1`,
		[]any{cur.Resource, micros(w.Item.CaptureTime)}, &number, &hash)
	if err != nil {
		return ItemResult{}, err
	}
	if ok && string(hash) == string(w.Item.Hash[:]) {
		return ItemResult{Kind: ItemUnchanged, Resource: cur.Resource, Version: number}, nil
	}
	number, err = tx.insertVersion(w, cur.Resource)
	return ItemResult{Kind: ItemLate, Resource: cur.Resource, Version: number}, err
}

func (tx *Tx) insertVersion(w ItemWrite, resource int64) (int64, error) {
	number, err := tx.nextID("versions", "number")
	if err != nil {
		return 0, err
	}
	it := &w.Item
	return number, tx.run(`INSERT INTO versions (number, resource, captured, received, instance, batch, status, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		number, resource, micros(it.CaptureTime), micros(w.Received), string(w.Instance), w.Batch, string(it.Status), it.Hash[:], packBody(it.Body))
}

// relate replaces the relationships of a resource where they changed.
func (tx *Tx) relate(resource int64, old, now []record.Relationship) error {
	if len(old) == len(now) {
		same := true
		for i := range old {
			same = same && old[i] == now[i]
		}
		if same {
			return nil
		}
	}
	if len(old) > 0 {
		if err := tx.run(`DELETE FROM relationships WHERE resource = ?`, resource); err != nil {
			return err
		}
	}
	for _, r := range now {
		err := tx.run(`INSERT INTO relationships (resource, target_type, target_id, target_name, name) VALUES (?, ?, ?, ?, ?)`,
			resource, r.ResourceType, r.ResourceID, r.ResourceName, r.Name)
		if err != nil {
			return err
		}
	}
	return nil
}

const versionColumns = `SELECT resource, number, received, instance, hash, body, captured FROM versions`

// Version returns one version by its number, nil where there is none.
func (tx *Tx) Version(number int64) (*Current, error) {
	all, err := tx.currents(versionColumns+` WHERE number = ?`, number)
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// VersionAt returns the version of a resource that was in force at a capture time, nil where the
// resource was not known then.
func (tx *Tx) VersionAt(resource int64, at time.Time) (*Current, error) {
	all, err := tx.currents(versionColumns+` WHERE resource = ? AND captured <= ? ORDER BY captured DESC, number DESC LIMIT 1`, resource, micros(at))
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// Previous returns the version before the current one, nil where there is none.
func (tx *Tx) Previous(resource int64) (*Current, error) {
	all, err := tx.currents(versionColumns+` WHERE resource = ? ORDER BY captured DESC, number DESC LIMIT 1 OFFSET 1`, resource)
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// Before returns the version in force before a given one, nil where it is the first.
func (tx *Tx) Before(v *Current) (*Current, error) {
	at := micros(v.Item.CaptureTime)
	all, err := tx.currents(versionColumns+` WHERE resource = ? AND (captured < ? OR captured = ? AND number < ?) ORDER BY captured DESC, number DESC LIMIT 1`,
		v.Resource, at, at, v.Version)
	if len(all) == 0 {
		return nil, err
	}
	return all[0], err
}

// Versions returns the versions of a resource, newest first.
func (tx *Tx) Versions(resource int64, limit, offset int) ([]*Current, error) {
	return tx.currents(versionColumns+` WHERE resource = ? ORDER BY captured DESC, number DESC LIMIT ? OFFSET ?`, resource, limit, offset)
}

// ResourceFilter chooses resources. Empty fields match anything; Type and ID may hold "*" and "?".
type ResourceFilter struct {
	Type, ID, Account, Region string
	// Name matches the resource's name or ARN.
	Name string
	// Tag is "key" or "key=value".
	Tag string
	// Gone includes the resources that exist no more.
	Gone  bool
	After int64
	Limit int
}

// Resources returns the current versions of matching resources, newest change first; after is the
// version number to go on below, 0 for the first page.
func (tx *Tx) Resources(f ResourceFilter) ([]*Current, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(clause string, a ...any) { where, args = append(where, clause), append(args, a...) }
	glob := func(column, pattern string) {
		if strings.ContainsAny(pattern, "*?") {
			add(column+` LIKE ? ESCAPE '!'`, likePattern(pattern))
		} else {
			add(column+` = ?`, pattern)
		}
	}
	for column, pattern := range map[string]string{"r.resource_type": f.Type, "r.resource_id": f.ID, "r.account": f.Account, "r.region": f.Region} {
		if pattern != "" {
			glob(column, pattern)
		}
	}
	if f.Name != "" {
		add(`(r.name = ? OR r.arn = ?)`, f.Name, f.Name)
	}
	if !f.Gone {
		add(`r.status NOT IN ('ResourceDeleted', 'ResourceDeletedNotRecorded')`)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	key, value, hasValue := strings.Cut(f.Tag, "=")
	var out []*Current
	after := f.After
	for {
		all := append([]any{}, args...)
		clause := ""
		if after > 0 {
			clause = " AND r.version < ?"
			all = append(all, after)
		}
		page, err := tx.currents(currentColumns+` WHERE `+strings.Join(where, " AND ")+clause+` ORDER BY r.version DESC LIMIT ?`, append(all, limit)...)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			after = c.Version
			if f.Tag != "" {
				v, has := c.Item.Tags[key]
				if !has || hasValue && v != value {
					continue
				}
			}
			if out = append(out, c); len(out) == limit {
				return out, nil
			}
		}
		if len(page) < limit {
			return out, nil
		}
	}
}

// likePattern turns "*" and "?" into LIKE's own signs.
func likePattern(glob string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_", "*", "%", "?", "_").Replace(glob)
}

// Related is one relationship as seen from a resource.
type Related struct {
	record.Relationship
	// From is set for relationships that point at the resource.
	From *record.Key
}

// Relationships returns those of a resource's current version, and those of other resources that point
// at it by id or by name.
func (tx *Tx) Relationships(c *Current) (out, in []Related, err error) {
	for _, r := range c.Item.Relationships {
		out = append(out, Related{Relationship: r})
	}
	it := &c.Item
	err = tx.each(`SELECT r.account, r.region, r.resource_type, r.resource_id, l.name FROM relationships l JOIN resources r ON r.id = l.resource
		WHERE l.target_type = ? AND (l.target_id = ? OR l.target_name = ? AND l.target_name <> '') ORDER BY r.id LIMIT 1000`,
		[]any{it.ResourceType, it.ResourceID, it.ResourceName}, func(r *sql.Rows) error {
			var k record.Key
			var name string
			if err := r.Scan(&k.AccountID, &k.Region, &k.ResourceType, &k.ResourceID, &name); err != nil {
				return err
			}
			in = append(in, Related{Relationship: record.Relationship{ResourceType: it.ResourceType, ResourceID: it.ResourceID, Name: name}, From: &k})
			return nil
		})
	return out, in, err
}

// CountResources returns how many resources of each type exist.
func (tx *Tx) CountResources() (map[string]int64, error) {
	out := map[string]int64{}
	err := tx.each(`SELECT resource_type, count(*) FROM resources WHERE status NOT IN ('ResourceDeleted', 'ResourceDeletedNotRecorded') GROUP BY resource_type`, nil, func(r *sql.Rows) error {
		var t string
		var n int64
		if err := r.Scan(&t, &n); err != nil {
			return err
		}
		out[t] = n
		return nil
	})
	return out, err
}
