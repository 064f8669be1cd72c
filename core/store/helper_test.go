package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// t0 is when the records of tests begin.
var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// open opens a store in a folder, until the test ends.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// reopen closes a store and opens it again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.Dir())
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// itemSpec is what tests say of an item; what they leave out is filled in.
type itemSpec struct {
	account, region, typ, id, name, arn string
	// config is the configuration as JSON.
	config        string
	at            time.Time
	status        record.Status
	relationships string
	tags          string
}

func (s itemSpec) item(t testing.TB) record.Item {
	t.Helper()
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	if s.at.IsZero() {
		s.at = t0
	}
	body, err := record.Canonical(fmt.Appendf(nil,
		`{"accountId":%q,"region":%q,"resourceType":%q,"resourceId":%q,"resourceName":%q,"arn":%q,"configurationItemCaptureTime":%q,"configurationItemStatus":%q,"configuration":%s,"relationships":%s,"tags":%s}`,
		or(s.account, "1"), or(s.region, "eu"), or(s.typ, "A::B::C"), or(s.id, "x"), s.name, s.arn, record.FormatTime(s.at),
		or(string(s.status), "OK"), or(s.config, "{}"), or(s.relationships, "[]"), or(s.tags, "{}")))
	if err != nil {
		t.Fatal(err)
	}
	it, err := record.ParseItem(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// put stores an item in a transaction of its own.
func (s itemSpec) put(t testing.TB, st *Store) ItemResult {
	t.Helper()
	var res ItemResult
	update(t, st, func(tx *Tx) (err error) {
		res, err = tx.PutItem(ItemWrite{Item: s.item(t), Instance: "collector.test.a", Received: t0})
		return err
	})
	return res
}

// typicalItem is an item of some 1.4 KB, a revision of one of many that are alike.
func typicalItem(t testing.TB, n, revision int) record.Item {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `{"revision":%d,"token":%q`, revision, record.Sum(fmt.Appendf(nil, "%d-%d", n, revision)).String())
	for i := range 18 {
		fmt.Fprintf(&b, `,"attribute%02d":{"enabled":true,"value":%q,"n":%d}`, i, strings.Repeat(string(rune('a'+i)), 10), n*31+i)
	}
	b.WriteString("}")
	return itemSpec{
		typ: fmt.Sprintf("Test::Type::T%d", n%10), id: fmt.Sprintf("i-%08d", n), config: b.String(), at: t0.Add(time.Duration(revision) * time.Hour),
		relationships: fmt.Sprintf(`[{"resourceType":"Test::Type::Parent","resourceId":"p-%d","name":"Is in"}]`, n%100),
	}.item(t)
}

func parseEvent(t testing.TB, body []byte) record.Event {
	t.Helper()
	canonical, err := record.Canonical(body)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := record.ParseEvent(body, record.Sum(canonical))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// event makes a small event.
func event(t testing.TB, id, action string, at time.Time) record.Event {
	t.Helper()
	return parseEvent(t, fmt.Appendf(nil,
		`{"id":%q,"source":"test","time":%q,"action":%q,"outcome":"success","error":{},"actor":{"id":"alice"},"origin":{"address":"192.0.2.1"},"targets":[{"resourceType":"A::B::C","resourceId":"x"}],"accountId":"1"}`,
		id, record.FormatTime(at), action))
}

// typicalEvent is an event of some 1.1 KB, of which every other byte repeats what others say.
func typicalEvent(t testing.TB, n int) record.Event {
	t.Helper()
	return parseEvent(t, fmt.Appendf(nil,
		`{"id":"%x","source":"aws.cloudtrail","time":%q,"action":"s3:Get%d","outcome":"success","error":{},"actor":{"type":"IAMUser","id":"arn:aws:iam::123456789012:user/alice%d","name":"alice%d"},"origin":{"address":"192.0.2.%d"},"targets":[{"resourceType":"AWS::S3::Bucket","resourceId":"bucket-%d"}],"accountId":"123456789012","region":"eu-west-1","detail":{"eventVersion":"1.08","requestParameters":{"bucketName":"bucket-%d","Host":"bucket-%d.s3.amazonaws.com","acl":""},"text":%q,"requestID":"%x"}}`,
		record.Sum(fmt.Append(nil, n)).String()[:32], record.FormatTime(t0.Add(time.Duration(n)*time.Millisecond)), n%30, n%50, n%50, n%200, n%500, n%500, n%500,
		strings.Repeat("lorem ipsum ", 30), record.Sum(fmt.Append(nil, n, "x")).String()[:32]))
}

// appendEvents stores events as one batch and returns its number.
func appendEvents(t testing.TB, s *Store, received time.Time, events ...record.Event) int64 {
	t.Helper()
	var seq int64
	e := EncodeEvents(events)
	update(t, s, func(tx *Tx) (err error) {
		seq, err = tx.AppendBatch(BatchRow{Instance: "collector.test.a", Received: received, Read: len(events), Stored: len(events), Events: &e})
		return err
	})
	return seq
}
