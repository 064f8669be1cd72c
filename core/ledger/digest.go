package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/regent-dev/regent/core/lake/manifest"
	"github.com/regent-dev/regent/core/record"
)

const (
	// format names the form of a digest. It stands in what is signed.
	format = "regent.digest/1"
	// Folder is where the digests are below the lake's root.
	Folder = "digests"
	// maxDigest bounds the file of a digest: an import of years changes some ten thousand files at once.
	maxDigest = 256 << 20
)

// Digest is what is signed.
type Digest struct {
	Format string `json:"format"`
	// Installation is the daemon's, so that digests of two lakes are told apart.
	Installation string `json:"installation"`
	// Number counts the digests from 1 without holes.
	Number int64 `json:"number"`
	// File is where the digest lies below the lake's root.
	File string `json:"file"`
	// From is inclusive, To is not. From is To of the digest before.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Written is when it was decided.
	Written time.Time `json:"written"`
	// MadeUp counts the hours before the last one for which there is no digest of their own because the
	// daemon did not run or could not decide one.
	MadeUp int64 `json:"madeUpHours,omitempty"`
	// SetBack says that the clock was set back: it is To of the digest before, and From is not.
	SetBack *time.Time `json:"clockSetBackFrom,omitempty"`
	// Previous is the SHA-256 of the file of the digest before, signature included; nil for the first.
	Previous *record.Digest `json:"previous,omitempty"`
	// Changes are those of the manifest since the digest before, by number. LastChange is the number of
	// the last one of all digests up to this one.
	Changes    []Change    `json:"changes"`
	LastChange int64       `json:"lastChange"`
	Live       Live        `json:"live"`
	Collectors []Collector `json:"collectors"`
	// Rotation is set where the key is another than that of the digest before.
	Rotation *Rotation `json:"rotation,omitempty"`
	// PublicKey checks the signature; KeyID names it for people.
	PublicKey []byte `json:"publicKey"`
	KeyID     string `json:"keyId"`
}

// Change is a change of the manifest.
type Change struct {
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Kind  manifest.Kind   `json:"kind"`
	Added []manifest.File `json:"added,omitempty"`
	// Removed are files that were added before, here or in an earlier digest, which say the rest of them.
	Removed []Removed       `json:"removed,omitempty"`
	Root    *record.Digest  `json:"root,omitempty"`
	Setting string          `json:"setting,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// Removed is a file that went.
type Removed struct {
	Path   string        `json:"path"`
	SHA256 record.Digest `json:"sha256"`
	Root   record.Digest `json:"root"`
}

func changeOf(c *manifest.Change) Change {
	out := Change{Seq: c.Seq, At: c.At.UTC(), Kind: c.Kind, Added: c.Added, Root: c.Root, Setting: c.Setting, Detail: c.Detail}
	for _, f := range c.Removed {
		out.Removed = append(out.Removed, Removed{f.Path, f.SHA256, f.Root})
	}
	return out
}

// Live is what is in the lake after a digest's changes.
type Live struct {
	Files int64 `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
	// Root is SHA-256 over one line a file, in the order of their paths: the file's SHA-256 in
	// hexadecimal, its bytes, its rows and its path, with spaces between and a line feed after.
	Root record.Digest `json:"root"`
}

// Collector is what came from an instance up to a digest.
type Collector struct {
	Instance    record.Instance `json:"instance"`
	Read        int64           `json:"read"`
	Stored      int64           `json:"stored"`
	Duplicate   int64           `json:"duplicate"`
	Quarantined int64           `json:"quarantined"`
	// Gaps are those that lasted in the time of the digest.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Gap is a time in which an instance may have missed something.
type Gap struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to,omitzero"`
	Reason string    `json:"reason"`
}

// Rotation hands the chain from one key to the next. Signature is by the old key over the canonical JSON
// of the other members; without it nobody who trusts the old key alone has reason to trust the new one.
type Rotation struct {
	Format       string         `json:"format"`
	Installation string         `json:"installation"`
	Number       int64          `json:"number"`
	Previous     *record.Digest `json:"previous"`
	OldKey       []byte         `json:"oldKey"`
	NewKey       []byte         `json:"newKey"`
	Signature    []byte         `json:"signature,omitempty"`
}

const rotationFormat = "regent.rotation/1"

// signed is what the old key signs.
func (r Rotation) signed() ([]byte, error) {
	r.Signature = nil
	return canonical(r)
}

// canonical writes a value in the one form that it has.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write digest: %w", err)
	}
	out, err := record.Canonical(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write digest: %w", err)
	}
	return out, nil
}

const (
	envelopeStart  = `{"digest":`
	envelopeMiddle = `,"signature":"`
	envelopeEnd    = "\"}\n"
)

// seal signs a digest and returns its file.
func seal(d *Digest, key ed25519.PrivateKey) ([]byte, error) {
	body, err := canonical(d)
	if err != nil {
		return nil, err
	}
	out := append([]byte(envelopeStart), body...)
	out = append(out, envelopeMiddle...)
	out = base64.StdEncoding.AppendEncode(out, ed25519.Sign(key, body))
	return append(out, envelopeEnd...), nil
}

// errDigest is what is wrong with a digest that is not as it was written.
var errDigest = errors.New("the digest is not as it was written")

// open reads the file of a digest and checks it by the key that it names itself. Whether that key is to
// be trusted is for the caller to find out.
func open(file []byte) (*Digest, error) {
	fail := func(format string, args ...any) (*Digest, error) {
		return nil, fmt.Errorf("%w: %s", errDigest, fmt.Sprintf(format, args...))
	}
	if !bytes.HasPrefix(file, []byte(envelopeStart)) || !bytes.HasSuffix(file, []byte(envelopeEnd)) {
		return fail("it does not begin or end as a digest does; it is cut off, or another file")
	}
	size := base64.StdEncoding.EncodedLen(ed25519.SignatureSize)
	tail := len(file) - len(envelopeEnd) - size
	body := tail - len(envelopeMiddle)
	if body < len(envelopeStart) || !bytes.Equal(file[body:tail], []byte(envelopeMiddle)) {
		return fail("it has no signature")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(string(file[tail : tail+size]))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return fail("its signature is not readable")
	}
	text := file[len(envelopeStart):body]
	// A byte that is changed anywhere most often breaks the syntax, which is said first because it tells
	// damage from forgery.
	if !json.Valid(text) {
		return fail("it is not JSON")
	}
	d := &Digest{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return fail("%v", err)
	}
	if d.Format != format {
		return fail("its format is %q, and this Regent reads %q", d.Format, format)
	}
	if len(d.PublicKey) != ed25519.PublicKeySize {
		return fail("it has no public key")
	}
	if !ed25519.Verify(d.PublicKey, text, signature) {
		return fail("its signature does not fit; it was changed after it was signed")
	}
	// The signature covers every byte but those around it, which have one form.
	if d.KeyID != KeyID(d.PublicKey) {
		return fail("it calls its key %s, which is %s", d.KeyID, KeyID(d.PublicKey))
	}
	return d, nil
}

// fileOf is the name of the digest whose last hour ends at a time.
func fileOf(to time.Time) string {
	last := to.UTC().Add(-time.Hour)
	return path.Join(Folder, "date="+last.Format(time.DateOnly), last.Format("15")+".json")
}

// numbered is the name where that of the hour is taken, because the clock was set back.
func numbered(file string, number int64) string {
	return fmt.Sprintf("%s-%d.json", strings.TrimSuffix(file, ".json"), number)
}

// liveLine is what the root over the live files takes in of one of them.
func liveLine(dst []byte, f *manifest.File) []byte {
	return fmt.Appendf(dst, "%s %d %d %s\n", f.SHA256, f.Bytes, f.Rows, f.Path)
}
