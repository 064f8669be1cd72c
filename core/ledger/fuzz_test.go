package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-dev/regent/core/record"
)

func sealed(t testing.TB) (*Digest, []byte) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	previous := record.Sum([]byte("before"))
	d := &Digest{
		Format: format, Installation: "<i>", Number: 2, File: "digests/date=2026-03-01/20.json", From: time.Unix(0, 0).UTC(), To: time.Unix(3600, 0).UTC(),
		Written: time.Unix(3601, 5000).UTC(), Previous: &previous, Changes: []Change{{Seq: 1, At: time.Unix(9, 0).UTC(), Kind: "add"}}, LastChange: 1,
		Live: Live{Files: 1, Rows: 1 << 60}, Collectors: []Collector{}, PublicKey: public, KeyID: KeyID(public),
	}
	file, err := seal(d, key)
	if err != nil {
		t.Fatal(err)
	}
	return d, file
}

// TestSeal holds that a digest has one form and comes back as it was.
func TestSeal(t *testing.T) {
	t.Parallel()
	d, file := sealed(t)
	got, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Error(diff)
	}
	var envelope struct {
		Digest    json.RawMessage
		Signature []byte
	}
	if err := json.Unmarshal(file, &envelope); err != nil {
		t.Fatal(err)
	}
	canonical, err := record.Canonical(envelope.Digest)
	if err != nil || !bytes.Equal(canonical, envelope.Digest) || !ed25519.Verify(got.PublicKey, canonical, envelope.Signature) {
		t.Errorf("whoever reads the file as JSON cannot check it: %v", err)
	}
}

// FuzzOpen reads any bytes as a digest: only what was sealed is one.
func FuzzOpen(f *testing.F) {
	_, file := sealed(f)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte(envelopeStart + "{}" + envelopeMiddle + envelopeEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := open(b)
		if err != nil {
			return
		}
		again, err := canonical(d)
		if err != nil || !bytes.Contains(b, again) {
			t.Errorf("%q is taken as a digest that is written as %q: %v", b, again, err)
		}
	})
}

// FuzzAnchors looks for anchors in any bytes.
func FuzzAnchors(f *testing.F) {
	f.Add([]byte(`{"data":[{"format":"regent.anchor/1","number":1,"sha256":"0000000000000000000000000000000000000000000000000000000000000001"}]}`))
	f.Add([]byte(`[[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out []Anchor
		if findAnchors(b, &out) != nil {
			return
		}
		for _, a := range out {
			if a.Number < 1 || a.SHA256.IsZero() {
				t.Errorf("%+v is taken for an anchor", a)
			}
		}
	})
}
