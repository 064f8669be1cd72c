package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// errUnknown says that the thing asked for is not there.
var errUnknown = errors.New("not found")

// ErrUnknown is errUnknown for backends.
var ErrUnknown = errUnknown

func shown(c *store.Current) Resource {
	return Resource{
		Version: c.Version, Received: c.Received, Confirmed: c.Confirmed, Instance: c.Instance, Item: c.Item.Body,
		key: c.Item.Key, captureTime: c.Item.CaptureTime,
	}
}

// find looks a resource up by type and id, or by its name or ARN, narrowed by account and region. More
// than one is an error that lists them.
func find(tx *store.Tx, typ, id, account, region string) (*store.Current, error) {
	all, err := tx.Resources(store.ResourceFilter{Type: typ, ID: id, Account: account, Region: region, Gone: true, Limit: 10})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		if all, err = tx.Resources(store.ResourceFilter{Type: typ, Name: id, Account: account, Region: region, Gone: true, Limit: 10}); err != nil {
			return nil, err
		}
	}
	switch len(all) {
	case 0:
		return nil, fmt.Errorf("resource %s %s: %w", typ, id, errUnknown)
	case 1:
		return all[0], nil
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Item.Key.String())
	}
	return nil, refusedf("%d resources match; name the account, the region or the type: %s", len(all), strings.Join(names, ", "))
}

// detail gathers all that is known of a resource.
func detail(tx *store.Tx, c *store.Current) (ResourceDetail, error) {
	d := ResourceDetail{Resource: shown(c), Out: []Related{}, In: []Related{}, Verdicts: []verdict.Verdict{}, Findings: []verdict.Finding{}}
	out, in, err := tx.Relationships(c)
	if err != nil {
		return d, err
	}
	for _, r := range out {
		d.Out = append(d.Out, Related{Relationship: r.Relationship})
	}
	for _, r := range in {
		d.In = append(d.In, Related{Relationship: r.Relationship, From: r.From})
	}
	if d.Owners, err = tx.Owners(c.Resource); err != nil {
		return d, err
	}
	verdicts, err := tx.Verdicts(c.Resource)
	if err != nil {
		return d, err
	}
	d.Verdicts = append(d.Verdicts, verdicts...)
	findings, err := tx.FindingsOn(c.Resource)
	if err != nil {
		return d, err
	}
	for _, f := range findings {
		d.Findings = append(d.Findings, f.Finding)
	}
	d.Stale, err = stale(tx, c.Resource)
	return d, err
}

// detailAt is what was known of a resource when a version of it was in force: at the time that is asked
// about, or at the end of a version that is named by its number.
func (q *ResourceQuery) detailAt(tx *store.Tx, v *store.Current) (ResourceDetail, error) {
	d := ResourceDetail{Resource: shown(v), Out: []Related{}, In: []Related{}, Verdicts: []verdict.Verdict{}, Findings: []verdict.Finding{}}
	for _, r := range v.Item.Relationships {
		d.Out = append(d.Out, Related{Relationship: r})
	}
	known, err := when("knownAt", q.KnownAt)
	if err != nil {
		return d, err
	}
	at, err := record.ParseTime(q.At)
	if err != nil {
		next, err := tx.VersionAfter(v)
		if err != nil {
			return d, err
		}
		switch {
		case next != nil:
			at = next.Item.CaptureTime.Add(-time.Microsecond)
		case !known.IsZero():
			at = known
		default:
			at = time.Now()
		}
	}
	verdicts, err := tx.VerdictsAt(v.Resource, at, known)
	if err != nil {
		return d, err
	}
	d.Verdicts = append(d.Verdicts, verdicts...)
	if d.Owners, err = tx.Owners(v.Resource); err != nil {
		return d, err
	}
	s, err := newStaleness(tx, at)
	if err == nil {
		d.Stale, err = s.of(v.Resource)
	}
	return d, err
}

// stale returns the gap that a resource's state rests on now.
func stale(tx *store.Tx, resource int64) (*Gap, error) {
	s, err := newStaleness(tx, time.Time{})
	if err != nil {
		return nil, err
	}
	return s.of(resource)
}

func shownEvent(r *store.EventRow) Event {
	return Event{Number: r.Number, Instance: r.Instance, Received: r.Received, Event: r.Event.Body}
}

// version resolves a version as people write it: a number, a time, "current" or "previous".
func (q *ResourceQuery) version(tx *store.Tx, c *store.Current, text string) (*store.Current, error) {
	known, err := when("knownAt", q.KnownAt)
	if err != nil {
		return nil, err
	}
	var v *store.Current
	if !known.IsZero() && (text == "" || text == "current") {
		if v, err = tx.VersionKnownAt(c.Resource, known, known); err == nil && v == nil {
			err = fmt.Errorf("%s was not known at %s: %w", c.Item.Key, q.KnownAt, errUnknown)
		}
		return v, err
	}
	switch text {
	case "", "current":
		return c, nil
	case "previous":
		v, err = tx.Previous(c.Resource)
	default:
		if number, numberErr := strconv.ParseInt(text, 10, 64); numberErr == nil {
			if v, err = tx.Version(number); v != nil && v.Resource != c.Resource {
				v = nil
			}
			break
		}
		at, parseErr := record.ParseTime(text)
		if parseErr != nil {
			return nil, refusedf("version %q is neither a number, nor a time, nor current or previous", text)
		}
		v, err = tx.VersionKnownAt(c.Resource, at, known)
	}
	if err == nil && v == nil {
		err = fmt.Errorf("version %s of %s: %w", text, c.Item.Key, errUnknown)
	}
	return v, err
}
