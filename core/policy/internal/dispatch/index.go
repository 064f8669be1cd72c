package dispatch

import (
	"slices"
	"strings"

	"github.com/regent-dev/regent/core/record"
)

// Index finds the items that an event may match. Alternatives are filed under the clause that tells
// events apart best; what else an alternative requires is compared when the event gets there. It is
// immutable.
type Index[T any] struct {
	items    []T
	byAction map[string][]entry
	byError  map[string][]entry
	bySource map[string][]entry
	rest     []entry
	// paths numbers the paths that have to be looked for in the body.
	paths map[string]int32
}

// entry is one alternative of one item.
type entry struct {
	rank   int32
	checks []check
}

// check compares one field of the event.
type check struct {
	field field
	// path and number are for fieldBody.
	path   []string
	number int32
	values []string
	set    map[string]struct{} // instead of values where there are many
}

// field says where in record.Event a path of the event is found.
type field uint8

const (
	fieldBody field = iota
	fieldAction
	fieldErrorCode
	fieldSource
	fieldType
	fieldOutcome
	fieldAccount
	fieldRegion
	fieldID
	fieldActorType
	fieldActorID
	fieldActorName
	fieldActorAccount
	fieldActorSession
	fieldAddress
	fieldUserAgent
)

// fieldOf returns where a path of the event is found.
func fieldOf(path []string) field {
	switch len(path) {
	case 1:
		switch path[0] {
		case "action":
			return fieldAction
		case "source":
			return fieldSource
		case "type":
			return fieldType
		case "outcome":
			return fieldOutcome
		case "accountId":
			return fieldAccount
		case "region":
			return fieldRegion
		case "id":
			return fieldID
		}
	case 2:
		switch path[0] + "." + path[1] {
		case "error.code":
			return fieldErrorCode
		case "actor.type":
			return fieldActorType
		case "actor.id":
			return fieldActorID
		case "actor.name":
			return fieldActorName
		case "actor.accountId":
			return fieldActorAccount
		case "actor.sessionId":
			return fieldActorSession
		case "origin.address":
			return fieldAddress
		case "origin.userAgent":
			return fieldUserAgent
		}
	}
	return fieldBody
}

// of returns the field of an event; it must not be fieldBody.
func (f field) of(ev *record.Event) string {
	switch f {
	case fieldAction:
		return ev.Action
	case fieldErrorCode:
		return ev.ErrorCode
	case fieldSource:
		return ev.Source
	case fieldType:
		return ev.Type
	case fieldOutcome:
		return string(ev.Outcome)
	case fieldAccount:
		return ev.AccountID
	case fieldRegion:
		return ev.Region
	case fieldID:
		return ev.ID
	case fieldActorType:
		return ev.Actor.Type
	case fieldActorID:
		return ev.Actor.ID
	case fieldActorName:
		return ev.Actor.Name
	case fieldActorAccount:
		return ev.Actor.AccountID
	case fieldActorSession:
		return ev.Actor.SessionID
	case fieldAddress:
		return ev.Origin.Address
	case fieldUserAgent:
		return ev.Origin.UserAgent
	}
	return ""
}

// New files the alternatives of each item; alternatives has one element for each of items.
func New[T any](items []T, alternatives [][]Conjunction) *Index[T] {
	d := &Index[T]{
		items: items, byAction: map[string][]entry{}, byError: map[string][]entry{}, bySource: map[string][]entry{},
		paths: map[string]int32{},
	}
	for i, alts := range alternatives {
		for _, c := range alts {
			d.file(int32(i), c)
		}
	}
	return d
}

func (d *Index[T]) file(rank int32, c Conjunction) {
	e := entry{rank: rank}
	var values []string
	var under map[string][]entry
	for _, key := range [...]struct {
		field field
		index map[string][]entry
	}{{fieldAction, d.byAction}, {fieldErrorCode, d.byError}, {fieldSource, d.bySource}} {
		for _, cl := range c {
			if fieldOf(cl.path) == key.field && under == nil {
				values, under = cl.values, key.index
			}
		}
		if under != nil {
			for _, cl := range c {
				if f := fieldOf(cl.path); f != key.field {
					e.checks = append(e.checks, d.check(f, cl))
				}
			}
			break
		}
	}
	if under == nil {
		for _, cl := range c {
			e.checks = append(e.checks, d.check(fieldOf(cl.path), cl))
		}
	}
	// What has to be looked for in the body comes last.
	slices.SortStableFunc(e.checks, func(a, b check) int {
		return boolOrder(a.field == fieldBody) - boolOrder(b.field == fieldBody)
	})
	if under == nil {
		d.rest = append(d.rest, e)
		return
	}
	for _, v := range values {
		under[v] = append(under[v], e)
	}
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *Index[T]) check(f field, cl Clause) check {
	c := check{field: f, values: cl.values}
	if f == fieldBody {
		key := strings.Join(cl.path, "\x00")
		number, ok := d.paths[key]
		if !ok {
			number = int32(len(d.paths))
			d.paths[key] = number
		}
		c.path, c.number = cl.path, number
	}
	if len(cl.values) > 8 {
		c.set = make(map[string]struct{}, len(cl.values))
		for _, v := range cl.values {
			c.set[v] = struct{}{}
		}
	}
	return c
}

func (c *check) has(s string) bool {
	if c.set != nil {
		_, ok := c.set[s]
		return ok
	}
	for _, v := range c.values {
		if v == s {
			return true
		}
	}
	return false
}

// For appends to dst the items that the event may match, in the order of New. It does not allocate
// where dst has room and there are no more than a hundred of them.
func (d *Index[T]) For(ev *record.Event, dst []T) []T {
	var room [128]int32
	ranks := room[:0]
	ranks = scan(ev, d.byAction[ev.Action], ranks)
	ranks = scan(ev, d.byError[ev.ErrorCode], ranks)
	ranks = scan(ev, d.bySource[ev.Source], ranks)
	ranks = scan(ev, d.rest, ranks)
	if len(ranks) == 0 {
		return dst
	}
	slices.Sort(ranks)
	for _, r := range slices.Compact(ranks) {
		dst = append(dst, d.items[r])
	}
	return dst
}

// scan appends the ranks of the entries whose checks all hold.
func scan(ev *record.Event, entries []entry, ranks []int32) []int32 {
	// Items that look at the same path of the body mostly stand together.
	var at place
	last := int32(-1)
next:
	for i := range entries {
		e := &entries[i]
		if n := len(ranks); n > 0 && ranks[n-1] == e.rank {
			continue
		}
		for j := range e.checks {
			c := &e.checks[j]
			if c.field != fieldBody {
				if !c.has(c.field.of(ev)) {
					continue next
				}
				continue
			}
			if c.number != last {
				at, last = locate(ev.Body, c.path), c.number
			}
			if !c.holdsAt(ev.Body, at) {
				continue next
			}
		}
		ranks = append(ranks, e.rank)
	}
	return ranks
}
