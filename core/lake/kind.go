package lake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/lake/table"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// head is what is wanted of every row.
type head struct {
	number, time, received int64
	record                 []byte
}

// kind is all that is particular to one table.
type kind[T any] struct {
	name table.Name
	head func(*T) head
	// blooms are the columns that look-ups go by.
	blooms [][]string
	// cluster orders the rows of a row group so that those whose records are alike stand together, which
	// is done where it pays; nil leaves them in the order of their numbers.
	cluster func(a, b *T) int
	// state is set for tables whose rows hold until another takes their place.
	state *state[T]
	// gather returns the rows after a position and where they end. With upTo it returns exactly those up
	// to it, otherwise as many as one plan takes; more says that there are others behind.
	gather func(tx *store.Tx, after, upTo int64) (rows []T, end int64, more bool, err error)
}

// planRows and planBytes bound what one plan takes of a table.
const (
	planRows  = 20000
	planBytes = 32 << 20
)

func column(path ...string) []string { return path }

func inList(list, name string) []string { return []string{list, "list", "element", name} }

var events = kind[table.Event]{
	name: table.Events,
	head: func(r *table.Event) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{
		column("id"), column("action"), column("source"), column("actor_id"), column("actor_name"), column("origin_address"), column("account_id"),
		column("error_code"), inList("targets", "resource_type"), inList("targets", "resource_id"), inList("targets", "name"),
	},
	// The records of one action have the same fields, those of one length mostly the same values but for
	// ids and times.
	cluster: func(a, b *table.Event) int {
		return cmp.Or(strings.Compare(a.Action, b.Action), cmp.Compare(len(a.Record), len(b.Record)))
	},
	gather: gatherEvents,
}

var items = kind[table.Item]{
	name:   table.Items,
	head:   func(r *table.Item) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("resource_type"), column("resource_id"), column("resource_name"), column("arn"), column("account_id")},
	state: &state[table.Item]{
		of: func(r *table.Item) any {
			return record.Key{AccountID: r.AccountID, Region: r.Region, ResourceType: r.ResourceType, ResourceID: r.ResourceID}
		},
		over: func(r *table.Item) bool { return record.Status(r.Status).Gone() },
		asOf: func(r *table.Item) *int64 { return &r.AsOf },
	},
	gather: gatherItems,
}

var findings = kind[table.Finding]{
	name:   table.Findings,
	head:   func(r *table.Finding) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("id"), column("policy"), column("resource_type"), column("resource_id")},
	state: &state[table.Finding]{
		of:   func(r *table.Finding) any { return r.ID },
		over: func(r *table.Finding) bool { return verdict.FindingStatus(r.Status) != verdict.Open },
		asOf: func(r *table.Finding) *int64 { return &r.AsOf },
	},
	gather: states((*store.Tx).FindingsAfter, findingRow),
}

var alarms = kind[table.Alarm]{
	name:   table.Alarms,
	head:   func(r *table.Alarm) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("id"), column("policy"), column("key")},
	gather: states((*store.Tx).EpisodesAfter, alarmRow),
}

var deliveries = kind[table.Delivery]{
	name:   table.Deliveries,
	head:   func(r *table.Delivery) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("id")},
	gather: states((*store.Tx).DeliveriesAfter, deliveryRow),
}

var verdicts = kind[table.Verdict]{
	name:   table.Verdicts,
	head:   func(r *table.Verdict) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("policy"), column("resource_type"), column("resource_id"), column("account_id")},
	state: &state[table.Verdict]{
		of: func(r *table.Verdict) any {
			return [5]string{r.Policy, r.AccountID, r.Region, r.ResourceType, r.ResourceID}
		},
		over: func(r *table.Verdict) bool { return verdict.Outcome(r.Outcome) == verdict.Removed },
		asOf: func(r *table.Verdict) *int64 { return &r.AsOf },
	},
	gather: gatherVerdicts,
}

var causes = kind[table.Cause]{
	name:   table.Causes,
	head:   func(r *table.Cause) head { return head{r.Number, r.Time, r.Received, r.Record} },
	blooms: [][]string{column("finding"), column("policy"), column("resource_type"), column("resource_id"), column("event_id"), column("actor_id"), column("actor_name")},
	gather: states((*store.Tx).CausesAfter, causeRow),
}

var quarantine = kind[table.Quarantine]{
	name:   table.Quarantines,
	head:   func(r *table.Quarantine) head { return head{r.Number, r.Time, r.Received, r.Record} },
	gather: gatherQuarantine,
}

var gaps = kind[table.Gap]{
	name:   table.Gaps,
	head:   func(r *table.Gap) head { return head{r.Number, r.Time, r.Received, r.Record} },
	gather: states((*store.Tx).GapsAfter, gapRow),
}

func gatherEvents(tx *store.Tx, after, upTo int64) ([]table.Event, int64, bool, error) {
	var rows []table.Event
	end, bytes := after, int64(0)
	for {
		batches, err := tx.EventBatches(end, planBytes-bytes)
		if err != nil {
			return nil, 0, false, err
		}
		for _, b := range batches {
			if upTo > 0 && b.Seq > upTo {
				return rows, end, true, nil
			}
			for i, body := range b.Bodies {
				row, err := eventRow(body, b.First+int64(i), b.Received, b.Instance)
				if err != nil {
					return nil, 0, false, fmt.Errorf("journal row %d, event %d: %w", b.Seq, i, err)
				}
				rows = append(rows, row)
				bytes += int64(len(body))
			}
			end = b.Seq
		}
		switch {
		case len(batches) == 0 || upTo > 0 && end >= upTo:
			return rows, end, false, nil
		case upTo == 0 && bytes >= planBytes:
			return rows, end, true, nil
		}
		bytes = min(bytes, planBytes-1)
	}
}

func eventRow(body []byte, number int64, received time.Time, inst record.Instance) (table.Event, error) {
	ev, err := record.ParseEvent(body, record.Digest{})
	if err != nil {
		return table.Event{}, err
	}
	row := table.Event{
		Number: number, Time: ev.Time.UnixMicro(), Received: received.UnixMicro(), Instance: string(inst),
		ID: ev.ID, Source: ev.Source, Type: ev.Type, Action: ev.Action, Outcome: string(ev.Outcome), ErrorCode: ev.ErrorCode,
		ActorType: ev.Actor.Type, ActorID: ev.Actor.ID, ActorName: ev.Actor.Name, ActorAccountID: ev.Actor.AccountID, ActorSessionID: ev.Actor.SessionID,
		Address: ev.Origin.Address, UserAgent: ev.Origin.UserAgent, AccountID: ev.AccountID, Region: ev.Region, Record: body,
	}
	if len(ev.Targets) > 0 {
		row.Targets = make([]table.Target, len(ev.Targets))
		for i, t := range ev.Targets {
			row.Targets[i] = table.Target(t)
		}
	}
	return row, nil
}

func gatherItems(tx *store.Tx, after, upTo int64) ([]table.Item, int64, bool, error) {
	var rows []table.Item
	bytes := 0
	for {
		page, err := tx.VersionsAfter(after, 500)
		if err != nil {
			return nil, 0, false, err
		}
		for _, c := range page {
			if upTo > 0 && c.Version > upTo {
				return rows, upTo, true, nil
			}
			rows = append(rows, itemRow(c))
			bytes += len(c.Item.Body)
			after = c.Version
		}
		switch {
		case len(page) < 500:
			return rows, max(after, upTo), false, nil
		case upTo == 0 && (len(rows) >= planRows || bytes >= planBytes):
			return rows, after, true, nil
		}
	}
}

func itemRow(c *store.Current) table.Item {
	it := &c.Item
	row := table.Item{
		Number: c.Version, Time: it.CaptureTime.UnixMicro(), Received: c.Received.UnixMicro(), Instance: string(c.Instance),
		AccountID: it.AccountID, Region: it.Region, ResourceType: it.ResourceType, ResourceID: it.ResourceID,
		ResourceName: it.ResourceName, ARN: it.ARN, Status: string(it.Status), Tags: it.Tags, ContentSHA256: it.Hash.String(), Record: it.Body,
	}
	for _, r := range it.Relationships {
		row.Relationships = append(row.Relationships, table.Relationship(r))
	}
	return row
}

func gatherVerdicts(tx *store.Tx, after, upTo int64) ([]table.Verdict, int64, bool, error) {
	var rows []table.Verdict
	for {
		page, err := tx.VerdictChanges(after, 500)
		if err != nil {
			return nil, 0, false, err
		}
		for i := range page {
			c := &page[i]
			if upTo > 0 && c.Number > upTo {
				return rows, upTo, true, nil
			}
			row, err := verdictRow(c)
			if err != nil {
				return nil, 0, false, err
			}
			rows = append(rows, row)
			after = c.Number
		}
		switch {
		case len(page) == 0:
			return rows, max(after, upTo), false, nil
		case upTo == 0 && len(rows) >= planRows:
			return rows, after, true, nil
		}
	}
}

func verdictRow(c *store.VerdictChange) (table.Verdict, error) {
	v := &c.Verdict
	row := table.Verdict{
		Number: c.Number, Time: c.At.UnixMicro(), Received: c.Received.UnixMicro(), Policy: string(v.Policy), Outcome: string(v.Outcome),
		AccountID: v.Subject.AccountID, Region: v.Subject.Region, ResourceType: v.Subject.ResourceType, ResourceID: v.Subject.ResourceID,
		ItemNumber: c.Version, Reason: v.Reason, PolicySHA256: v.Evidence.Policy,
	}
	for _, d := range v.Denials {
		row.Messages = append(row.Messages, d.Message)
	}
	var err error
	if row.Record, err = json.Marshal(v); err != nil {
		return row, fmt.Errorf("verdict %d: %w", c.Number, err)
	}
	return row, nil
}

func gatherQuarantine(tx *store.Tx, after, upTo int64) ([]table.Quarantine, int64, bool, error) {
	var rows []table.Quarantine
	for {
		page, err := tx.QuarantineAfter(after, 500)
		if err != nil {
			return nil, 0, false, err
		}
		for _, q := range page {
			if upTo > 0 && q.Row > upTo {
				return rows, upTo, true, nil
			}
			at := q.Received.UnixMicro()
			rows = append(rows, table.Quarantine{Number: q.Row, Time: at, Received: at, Instance: string(q.Instance), Kind: q.Kind, Reason: q.Reason, Origin: q.Origin, Record: q.Bytes})
			after = q.Row
		}
		switch {
		case len(page) < 500:
			return rows, max(after, upTo), false, nil
		case upTo == 0 && len(rows) >= planRows:
			return rows, after, true, nil
		}
	}
}

// states makes a gather of states that wait in the store.
func states[S any, T table.Row](read func(*store.Tx, int64, int) ([]store.HistoryRow[S], error), row func(*store.HistoryRow[S], []byte) T) func(*store.Tx, int64, int64) ([]T, int64, bool, error) {
	return func(tx *store.Tx, after, upTo int64) ([]T, int64, bool, error) {
		var rows []T
		for {
			page, err := read(tx, after, 500)
			if err != nil {
				return nil, 0, false, err
			}
			for i := range page {
				h := &page[i]
				if upTo > 0 && h.Number > upTo {
					return rows, upTo, true, nil
				}
				body, err := json.Marshal(h.State)
				if err != nil {
					return nil, 0, false, fmt.Errorf("state %d: %w", h.Number, err)
				}
				rows = append(rows, row(h, body))
				after = h.Number
			}
			switch {
			case len(page) < 500:
				return rows, max(after, upTo), false, nil
			case upTo == 0 && len(rows) >= planRows:
				return rows, after, true, nil
			}
		}
	}
}

func findingRow(h *store.HistoryRow[verdict.Finding], body []byte) table.Finding {
	f := &h.State
	row := table.Finding{
		Number: h.Number, Time: h.At.UnixMicro(), Received: h.Received.UnixMicro(), ID: f.ID, Policy: string(f.Policy), Status: string(f.Status),
		Outcome: string(f.Outcome), Severity: string(f.Severity), Title: f.Title, AccountID: f.Subject.AccountID, Region: f.Subject.Region,
		ResourceType: f.Subject.ResourceType, ResourceID: f.Subject.ResourceID, FirstSeen: f.FirstSeen.UnixMicro(), Resolution: f.Resolution,
		Regressions: int64(f.Regressions), Waiver: f.Waiver, ItemNumber: f.FlippedBy, Record: body,
	}
	if f.ResolvedAt != nil {
		row.ResolvedAt = f.ResolvedAt.UnixMicro()
	}
	return row
}

func alarmRow(h *store.HistoryRow[verdict.Episode], body []byte) table.Alarm {
	e := &h.State
	row := table.Alarm{
		Number: h.Number, Time: h.At.UnixMicro(), Received: h.Received.UnixMicro(), ID: e.ID, Policy: string(e.Policy), State: string(e.State),
		Severity: string(e.Severity), AccountID: e.AccountID, Key: e.Key, Message: e.Message, StartedAt: e.StartedAt.UnixMicro(),
		LastMatch: e.LastMatch.UnixMicro(), Matches: e.Matches, Record: body,
	}
	if e.EndedAt != nil {
		row.EndedAt = e.EndedAt.UnixMicro()
	}
	return row
}

func causeRow(h *store.HistoryRow[verdict.Cause], body []byte) table.Cause {
	c := &h.State
	row := table.Cause{
		Number: h.Number, Time: h.At.UnixMicro(), Received: h.Received.UnixMicro(), Cause: c.ID, Revision: c.Revision, Step: string(c.Step), Kind: string(c.Kind),
		Finding: c.Finding, Policy: string(c.Policy), AccountID: c.Subject.AccountID, Region: c.Subject.Region, ResourceType: c.Subject.ResourceType,
		ResourceID: c.Subject.ResourceID, ItemNumber: c.Version, Outcome: string(c.Outcome), Record: body,
	}
	if e := c.Event; e != nil {
		row.EventNumber, row.EventID, row.EventTime, row.Action = e.Number, e.ID, e.Time.UnixMicro(), e.Action
	}
	if c.Actor != nil {
		row.ActorID, row.ActorName = c.Actor.ID, c.Actor.Name
	}
	if c.Origin != nil {
		row.Address = c.Origin.Address
	}
	return row
}

func gapRow(h *store.HistoryRow[store.GapState], body []byte) table.Gap {
	g := &h.State
	row := table.Gap{
		Number: h.Number, Time: h.At.UnixMicro(), Received: h.Received.UnixMicro(), Instance: string(g.Instance),
		Since: g.From.UnixMicro(), Reason: g.Reason, Record: body,
	}
	if !g.To.IsZero() {
		row.Until = g.To.UnixMicro()
	}
	return row
}

func deliveryRow(h *store.HistoryRow[store.Delivery], body []byte) table.Delivery {
	d := &h.State
	return table.Delivery{
		Number: h.Number, Time: h.At.UnixMicro(), Received: h.Received.UnixMicro(), ID: d.ID, Route: d.Route, Instance: string(d.Instance),
		Class: string(d.Class), State: string(d.State), Created: d.Created.UnixMicro(), Attempts: int64(d.Attempts), Answer: d.Answer, Record: body,
	}
}
