package store

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/regent-dev/regent/core/record"
)

// where gathers the conditions of a search.
type where struct {
	clauses []string
	args    []any
}

func (w *where) add(clause string, args ...any) {
	w.clauses = append(w.clauses, clause)
	w.args = append(w.args, args...)
}

// clone returns conditions that can be added to without touching w.
func (w *where) clone() where {
	return where{clauses: slices.Clone(w.clauses), args: slices.Clone(w.args)}
}

// equal adds a condition that a column has a value, where there is a value.
func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+` = ?`, value)
	}
}

// glob is equal with "*" and "?" in the value.
func (w *where) glob(column, pattern string) {
	if strings.ContainsAny(pattern, "*?") {
		w.add(column+` LIKE ? ESCAPE '!'`, likePattern(pattern))
		return
	}
	w.equal(column, pattern)
}

// likePattern turns "*" and "?" into LIKE's own signs.
func likePattern(glob string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_", "*", "%", "?", "_").Replace(glob)
}

// String is the WHERE clause, with a space before it; empty where there are no conditions.
func (w *where) String() string {
	if len(w.clauses) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(w.clauses, " AND ")
}

// pageLimit is how many rows a page has.
func pageLimit(limit int) int {
	if limit <= 0 {
		return 100
	}
	return limit
}

// ResourceFilter chooses resources. Empty fields match anything; Type, ID, Account and Region may hold
// "*" and "?".
type ResourceFilter struct {
	Type, ID, Account, Region string
	// Name matches the resource's name or ARN.
	Name string
	// Tag is "key" or "key=value".
	Tag string
	// Text must stand somewhere in the item, whatever the case.
	Text string
	// Gone includes the resources that exist no more.
	Gone bool
	// After is the version number to go on below, 0 for the first page.
	After int64
	// Limit is how many resources a page has, 100 where it is 0.
	Limit int
}

// keep reports whether an item matches what the query could not ask for.
func (f *ResourceFilter) keep(it *record.Item, text *Text) bool {
	if f.Tag != "" {
		key, value, hasValue := strings.Cut(f.Tag, "=")
		v, has := it.Tags[key]
		if !has || hasValue && v != value {
			return false
		}
	}
	return text.In(it.Body)
}

// Resources returns the current versions of matching resources, newest change first.
func (tx *Tx) Resources(f ResourceFilter) ([]*Current, error) {
	var w where
	w.glob("r.resource_type", f.Type)
	w.glob("r.resource_id", f.ID)
	w.glob("r.account", f.Account)
	w.glob("r.region", f.Region)
	if f.Name != "" {
		w.add(`(r.name = ? AND r.name <> '' OR r.arn = ? AND r.arn <> '')`, f.Name, f.Name)
	}
	if !f.Gone {
		w.add(`r.status NOT IN ('ResourceDeleted', 'ResourceDeletedNotRecorded')`)
	}
	limit, text := pageLimit(f.Limit), NewText(f.Text)
	var out []*Current
	for after := f.After; ; {
		page := w.clone()
		if after > 0 {
			page.add(`r.version < ?`, after)
		}
		found, err := tx.readVersions(tx.search, currentColumns+page.String()+` ORDER BY r.version DESC LIMIT ?`, append(page.args, limit))
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			after = c.Version
			if !f.keep(&c.Item, &text) {
				continue
			}
			if out = append(out, c); len(out) == limit {
				return out, nil
			}
		}
		if len(found) < limit {
			return out, nil
		}
	}
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
