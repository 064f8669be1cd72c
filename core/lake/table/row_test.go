package table_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/regent-dev/regent/core/lake/table"
)

// TestRoundTrip writes a row of each table and reads it back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	roundTrip(t, table.Event{
		Number: 1, Time: 2, Received: 3, Instance: "i", ID: "id", Source: "s", Outcome: "success", ActorID: "a",
		Targets: []table.Target{{ResourceType: "T", ResourceID: "r"}, {Name: "n"}}, Record: []byte(`{"a":1}`),
	})
	roundTrip(t, table.Item{
		Number: 1, Time: 2, Received: 3, Instance: "i", AccountID: "a", ResourceType: "t", ResourceID: "r", Status: "OK", Tags: map[string]string{"k": "v"},
		Relationships: []table.Relationship{{ResourceType: "T", ResourceID: "r", Name: "is in"}}, ContentSHA256: "00", Record: []byte(`{}`),
	})
	roundTrip(t, table.Verdict{Number: 1, Time: 2, Received: 3, Policy: "p", Outcome: "COMPLIANT", Messages: []string{"m", "n"}, Record: []byte(`{}`)})
	roundTrip(t, table.Finding{Number: 1, Time: 2, Received: 3, ID: "id", FirstSeen: 4, ResolvedAt: 5, Record: []byte(`{}`)})
	roundTrip(t, table.Alarm{Number: 1, ID: "id", StartedAt: 2, LastMatch: 3, EndedAt: 4, Matches: 5, Record: []byte(`{}`)})
	roundTrip(t, table.Cause{Number: 1, Finding: "f", EventID: "e", EventTime: 4, Record: []byte(`{}`)})
	roundTrip(t, table.Delivery{Number: 1, ID: "d", Created: 2, Attempts: 3, Answer: "a", Record: []byte(`{}`)})
	roundTrip(t, table.Quarantine{Number: 1, Kind: "event", Reason: "r", Record: []byte{0, 1}})
}

func roundTrip[T table.Row](t *testing.T, row T) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b)
	if _, err := w.Write([]T{row, row}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.Read[T](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]T{row, row}, got); diff != "" {
		t.Errorf("%T (-want +got):\n%s", row, diff)
	}
}
