package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
	"github.com/regent-dev/regent/sdk"
)

const (
	anchorFormat = "regent.anchor/1"
	// metaSent keeps which anchor was sent last.
	metaSent = "ledger/anchored"
	// anchorRoute stands where other notifications have the name of their route.
	anchorRoute = "(proof)"
)

// Anchor is what is kept of a digest elsewhere, to tell later whether the chain still has it.
type Anchor struct {
	Format       string        `json:"format"`
	Installation string        `json:"installation,omitempty"`
	Number       int64         `json:"number"`
	SHA256       record.Digest `json:"sha256"`
	File         string        `json:"file,omitempty"`
	From         time.Time     `json:"from,omitzero"`
	To           time.Time     `json:"to,omitzero"`
	KeyID        string        `json:"keyId,omitempty"`
}

// String is the short form, which ReadAnchors takes too.
func (a Anchor) String() string { return fmt.Sprintf("%d:%s", a.Number, a.SHA256) }

func anchorOf(installation string, row *store.LedgerRow) Anchor {
	return Anchor{
		Format: anchorFormat, Installation: installation, Number: row.Number, SHA256: row.Hash, File: row.Path,
		From: row.From, To: row.To, KeyID: KeyID(row.PublicKey),
	}
}

// Anchors says to whom digests are sent and how often.
type Anchors struct {
	Notify []record.Instance
	Every  time.Duration
}

type sent struct {
	At     time.Time `json:"at"`
	Anchor Anchor    `json:"anchor"`
}

func readSent(tx *store.Tx) (s sent, err error) {
	b, err := tx.Meta(metaSent)
	if err != nil || b == nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read which digest was sent: %w", err)
	}
	return s, nil
}

// anchor sends the last digest where that is due.
func (l *Ledger) anchor(ctx context.Context) error {
	to := l.o.Anchor()
	if len(to.Notify) == 0 {
		return nil
	}
	now := l.o.Now().UTC().Truncate(time.Microsecond)
	due := func(tx *store.Tx) (*store.LedgerRow, error) {
		last, err := tx.LastDigestDone()
		if err != nil || last == nil {
			return nil, err
		}
		s, err := readSent(tx)
		if err != nil || s.Anchor.SHA256 == last.Hash || !s.At.IsZero() && now.Sub(s.At) < to.Every && !now.Before(s.At) {
			return nil, err
		}
		return last, nil
	}
	var last *store.LedgerRow
	err := l.o.Store.View(ctx, func(tx *store.Tx) (err error) { last, err = due(tx); return err })
	if err != nil || last == nil {
		return err
	}
	err = l.o.Store.Update(ctx, func(tx *store.Tx) error {
		last, err := due(tx)
		if err != nil || last == nil {
			return err
		}
		a := anchorOf(l.o.Installation, last)
		for _, inst := range to.Notify {
			if err := send(tx, a, inst, now); err != nil {
				return fmt.Errorf("send digest %d to %s: %w", a.Number, inst, err)
			}
		}
		b, err := json.Marshal(sent{At: now, Anchor: a})
		if err != nil {
			return fmt.Errorf("note that digest %d was sent: %w", a.Number, err)
		}
		return tx.SetMeta(metaSent, b)
	})
	if err == nil {
		l.o.Delivering()
	}
	return err
}

// send makes the delivery of an anchor. It takes no route: routes choose among changes, and this is none.
func send(tx *store.Tx, a Anchor, inst record.Instance, now time.Time) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("Digest %d of the recorded history", a.Number)
	text := fmt.Sprintf("Digest %s covers the time up to %s, signed with key %s. Keep this: `regent verify --anchor` tells with it whether history was rewritten or cut off before then.", a, record.FormatTime(a.To), a.KeyID)
	n := sdk.Notification{
		ID: "D" + rand.Text(), Time: now, Source: "regent://" + a.Installation, Route: anchorRoute, Instance: string(inst),
		Class: string(verdict.ClassProof), Status: sdk.StatusChanged, Title: title, Text: text, GroupKey: anchorRoute,
		Changes: []sdk.Change{{
			Class: string(verdict.ClassProof), At: now, RecordedAt: a.To, Key: "proof", Title: title, Message: text,
			New: a.String(), Data: data,
		}},
	}
	doc, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = tx.AddDelivery(store.Delivery{
		ID: n.ID, Route: n.Route, Instance: inst, GroupKey: n.GroupKey, Class: verdict.ClassProof,
		Created: now, Next: now, State: store.Pending, Document: doc,
	})
	return err
}

// ReadAnchors reads anchors: "NUMBER:SHA256", or a file that holds them, as notifiers have written it:
// JSON documents one after the other, with anchors anywhere in them.
func ReadAnchors(s string) ([]Anchor, error) {
	if number, sum, ok := strings.Cut(s, ":"); ok {
		n, err := strconv.ParseInt(number, 10, 64)
		a := Anchor{Format: anchorFormat, Number: n}
		if err == nil && n > 0 && a.SHA256.UnmarshalText([]byte(strings.ToLower(sum))) == nil {
			return []Anchor{a}, nil
		}
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, fmt.Errorf("anchor %q is neither NUMBER:SHA256 nor a file: %w", s, err)
	}
	var out []Anchor
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var doc json.RawMessage
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("anchor file %s: byte %d: %w", s, d.InputOffset(), err)
		}
		if err := findAnchors(doc, &out); err != nil {
			return nil, fmt.Errorf("anchor file %s: %w", s, err)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("anchor file %s holds no anchor; it should be the notification that a notifier of proof.anchor got", s)
	}
	return out, nil
}

// findAnchors looks for anchors in a document, through whatever envelope it came in.
func findAnchors(doc json.RawMessage, out *[]Anchor) error {
	doc = bytes.TrimSpace(doc)
	switch {
	case len(doc) == 0:
		return nil
	case doc[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(doc, &list); err != nil {
			return err
		}
		for _, x := range list {
			if err := findAnchors(x, out); err != nil {
				return err
			}
		}
	case doc[0] == '{':
		var members map[string]json.RawMessage
		if err := json.Unmarshal(doc, &members); err != nil {
			return err
		}
		if string(members["format"]) == `"`+anchorFormat+`"` {
			var a Anchor
			if err := json.Unmarshal(doc, &a); err != nil {
				return fmt.Errorf("anchor: %w", err)
			}
			if a.Number < 1 || a.SHA256.IsZero() {
				return errors.New("an anchor has no number or no SHA-256")
			}
			*out = append(*out, a)
			return nil
		}
		for _, x := range members {
			if err := findAnchors(x, out); err != nil {
				return err
			}
		}
	}
	return nil
}
