package channel

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/sdk"
)

// messages are AWS Config's names for what is told of its files, and one in their manner for a trail's.
var messages = map[Kind]string{
	Snapshot: "ConfigurationSnapshotDeliveryCompleted", History: "ConfigurationHistoryDeliveryCompleted", Trail: "TrailDeliveryCompleted",
}

// told is what a notification says of a file.
type told struct {
	MessageType string `json:"messageType"`
	File
}

// notify makes the notifications of a file that is in the bucket.
func notify(tx *store.Tx, s *Spec, f File, source string, now time.Time) (int, error) {
	data, err := json.Marshal(told{messages[f.Kind], f})
	if err != nil {
		return 0, fmt.Errorf("describe file %s: %w", f.Key, err)
	}
	what := map[Kind]string{Snapshot: "item", History: "item version", Trail: "event"}[f.Kind]
	is := "is"
	if f.Count != 1 {
		what, is = what+"s", "are"
	}
	name := string(s.Kind) + " " + s.Name
	for _, inst := range s.Notify {
		n := sdk.Notification{
			ID: "D" + rand.Text(), Time: now, Source: source, Route: name, Instance: string(inst), Class: string(s.Kind), Status: sdk.StatusDelivered,
			Title: fmt.Sprintf("%s: %d %s", name, f.Count, what), Text: fmt.Sprintf("%d %s %s in %s as %s (%d bytes).", f.Count, what, is, f.Bucket, f.Key, f.Bytes),
			GroupKey: name, Changes: []sdk.Change{{
				Class: string(s.Kind), At: now, RecordedAt: now, Key: f.Key, Title: "A file was delivered", AccountID: f.Account, New: "DELIVERED", Data: data,
			}},
		}
		doc, err := json.Marshal(n)
		if err != nil {
			return 0, fmt.Errorf("write notification of %s: %w", name, err)
		}
		_, err = tx.AddDelivery(store.Delivery{
			ID: n.ID, Route: name, Instance: record.Instance(inst), GroupKey: name, Class: s.Kind.class(), Created: now, Next: now, State: store.Pending, Document: doc,
		})
		if err != nil {
			return 0, err
		}
	}
	return len(s.Notify), nil
}
