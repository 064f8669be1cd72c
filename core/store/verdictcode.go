package store

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/regent-dev/regent/core/verdict"
)

// A row of verdicts is: the form; how many digests, and these; then for each verdict the number of its
// terms, the outcome, the time, the places of the item's and of the previous item's digest among the
// digests, and the length of the rest, which is JSON. A compliant verdict takes some 15 bytes.
//
// A digest is 32 bytes after 0, or text after its length plus one.
const verdictForm = 1

// rawDigest is a digest as it stands in a row. It is turned into hexadecimal only when it is asked for.
type rawDigest string

func packDigest(d string) rawDigest {
	raw, err := hex.DecodeString(d)
	if err == nil && len(raw) == 32 && strings.ToLower(d) == d {
		return rawDigest(append([]byte{0}, raw...))
	}
	return rawDigest(append(binary.AppendUvarint(nil, uint64(len(d))+1), d...))
}

func (r rawDigest) String() string {
	if r[0] == 0 {
		return hex.EncodeToString([]byte(r[1:]))
	}
	_, used := binary.Uvarint([]byte(r))
	return string(r[used:])
}

var errDamagedVerdicts = errors.New("verdicts are damaged")

// The codes of the outcomes are part of the stored form.
var outcomes = [...]verdict.Outcome{"", verdict.Compliant, verdict.NonCompliant, verdict.NotApplicable, verdict.Error, verdict.InsufficientData, verdict.Removed}

// verdictCode is a verdict as it is stored, without what stands in its terms.
type verdictCode struct {
	terms          int64
	outcome        verdict.Outcome
	at             int64
	item, previous rawDigest
	rest           []byte
}

// verdictRest is what most verdicts lack.
type verdictRest struct {
	Denials []verdict.Denial `json:"d,omitempty"`
	Reason  string           `json:"r,omitempty"`
	Reads   []verdict.Read   `json:"e,omitempty"`
}

func encodeVerdict(v *verdict.Verdict, terms int64) (verdictCode, error) {
	if v.Outcome == "" || v.Outcome == verdict.Removed || !slices.Contains(outcomes[:], v.Outcome) {
		return verdictCode{}, fmt.Errorf("outcome %q is unknown", v.Outcome)
	}
	c := verdictCode{terms: terms, outcome: v.Outcome, at: micros(v.At), item: packDigest(v.Evidence.Item), previous: packDigest(v.Evidence.Previous)}
	if len(v.Denials) == 0 && v.Reason == "" && len(v.Evidence.Reads) == 0 {
		return c, nil
	}
	var err error
	c.rest, err = marshal(verdictRest{v.Denials, v.Reason, v.Evidence.Reads})
	return c, err
}

// marshal is json.Marshal that leaves raw members as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *verdictCode) open(t verdictTerms) (verdict.Verdict, error) {
	v := verdict.Verdict{Policy: t.policy, Outcome: c.outcome, At: fromMicros(c.at), Evidence: verdict.Evidence{
		Policy: t.digest, Parameters: t.parameters, Engine: t.engine, Item: c.item.String(), Previous: c.previous.String(),
	}}
	if len(c.rest) == 0 {
		return v, nil
	}
	var rest verdictRest
	if err := json.Unmarshal(c.rest, &rest); err != nil {
		return v, err
	}
	v.Denials, v.Reason, v.Evidence.Reads = rest.Denials, rest.Reason, rest.Reads
	return v, nil
}

func encodeVerdicts(rows []verdictCode) []byte {
	digests := make([]rawDigest, 0, 8)
	place := func(d rawDigest) uint64 {
		i := slices.Index(digests, d)
		if i < 0 {
			i = len(digests)
			digests = append(digests, d)
		}
		return uint64(i)
	}
	tail := make([]byte, 0, 1024)
	for i := range rows {
		c := &rows[i]
		tail = binary.AppendUvarint(tail, uint64(c.terms))
		tail = append(tail, byte(slices.Index(outcomes[:], c.outcome)))
		tail = binary.AppendVarint(tail, c.at)
		tail = binary.AppendUvarint(tail, place(c.item))
		tail = binary.AppendUvarint(tail, place(c.previous))
		tail = binary.AppendUvarint(tail, uint64(len(c.rest)))
		tail = append(tail, c.rest...)
	}
	out := append(make([]byte, 0, 4+33*len(digests)+len(tail)), verdictForm)
	out = binary.AppendUvarint(out, uint64(len(digests)))
	for _, d := range digests {
		out = append(out, d...)
	}
	return append(out, tail...)
}

// codeReader reads what encodeVerdicts writes. After a failure everything reads as nothing.
type codeReader struct {
	b   []byte
	bad bool
}

func (r *codeReader) uvarint() uint64 {
	n, used := binary.Uvarint(r.b)
	if used <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[used:]
	return n
}

func (r *codeReader) varint() int64 {
	n, used := binary.Varint(r.b)
	if used <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[used:]
	return n
}

func (r *codeReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// digests reads the beginning of a row; the digests themselves only where they are kept.
func (r *codeReader) digests(keep bool) []rawDigest {
	if form := r.bytes(1); len(form) == 0 || form[0] != verdictForm {
		r.b, r.bad = nil, true
		return nil
	}
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	out := make([]rawDigest, n)
	for i := range out {
		start := r.b
		size := uint64(32)
		if tag := r.uvarint(); tag > 0 {
			size = tag - 1
		}
		r.bytes(size)
		if keep && !r.bad {
			out[i] = rawDigest(start[:len(start)-len(r.b)])
		}
	}
	return out
}

// next reads one verdict; false at the end.
func (r *codeReader) next(c *verdictCode, digests []rawDigest) bool {
	if len(r.b) == 0 {
		return false
	}
	c.terms = int64(r.uvarint())
	code := r.bytes(1)
	c.at = r.varint()
	item, previous := r.uvarint(), r.uvarint()
	c.rest = r.bytes(r.uvarint())
	if r.bad || c.terms <= 0 || int(code[0]) >= len(outcomes) || item >= uint64(len(digests)) || previous >= uint64(len(digests)) {
		r.bad = true
		return false
	}
	c.outcome, c.item, c.previous = outcomes[code[0]], digests[item], digests[previous]
	return true
}

func decodeVerdicts(body []byte) ([]verdictCode, error) {
	r := codeReader{b: body}
	digests := r.digests(true)
	out := make([]verdictCode, 0, 32)
	var c verdictCode
	for r.next(&c, digests) {
		out = append(out, c)
	}
	if r.bad {
		return nil, errDamagedVerdicts
	}
	return out, nil
}

// hasTerms reports whether a row holds a verdict under one of some terms.
func hasTerms(body []byte, ids map[int64]bool) (bool, error) {
	r := codeReader{b: body}
	digests := r.digests(false)
	var c verdictCode
	for r.next(&c, digests) {
		if ids[c.terms] {
			return true, nil
		}
	}
	if r.bad {
		return false, errDamagedVerdicts
	}
	return false, nil
}

// verdictTerms are what the verdicts of one policy have in common.
type verdictTerms struct {
	policy                     verdict.PolicyID
	digest, parameters, engine string
}

func termsOf(v *verdict.Verdict) verdictTerms {
	return verdictTerms{v.Policy, v.Evidence.Policy, v.Evidence.Parameters, v.Evidence.Engine}
}

// termTable keeps the terms at hand, of which there are about as many as policies.
type termTable struct {
	mu   sync.RWMutex
	byID map[int64]verdictTerms
	ids  map[verdictTerms]int64
}

func newTermTable() *termTable {
	return &termTable{byID: map[int64]verdictTerms{}, ids: map[verdictTerms]int64{}}
}

func (t *termTable) put(id int64, terms verdictTerms) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[id], t.ids[terms] = terms, id
}

func (tx *Tx) termsByID(id int64) (verdictTerms, error) {
	t := tx.s.terms
	t.mu.RLock()
	terms, known := t.byID[id]
	t.mu.RUnlock()
	if known {
		return terms, nil
	}
	var policy string
	ok, err := tx.one(`SELECT policy, digest, parameters, engine FROM verdict_terms WHERE id = ?`, []any{id}, &policy, &terms.digest, &terms.parameters, &terms.engine)
	if err != nil {
		return terms, fmt.Errorf("read terms of verdicts: %w", err)
	}
	if !ok {
		return terms, fmt.Errorf("%w: verdicts under terms %d, which are not there", ErrCorrupt, id)
	}
	terms.policy = verdict.PolicyID(policy)
	t.put(id, terms)
	return terms, nil
}

// termsID returns the number of terms, which are written down where they are new.
func (tx *Tx) termsID(terms verdictTerms) (int64, error) {
	t := tx.s.terms
	t.mu.RLock()
	id, known := t.ids[terms]
	t.mu.RUnlock()
	if known {
		return id, nil
	}
	ok, err := tx.one(`SELECT id FROM verdict_terms WHERE policy = ? AND digest = ? AND parameters = ? AND engine = ?`,
		[]any{string(terms.policy), terms.digest, terms.parameters, terms.engine}, &id)
	if err != nil {
		return 0, fmt.Errorf("read terms of verdicts: %w", err)
	}
	if !ok {
		if id, err = tx.nextID("verdict_terms", "id"); err != nil {
			return 0, err
		}
		err := tx.run(`INSERT INTO verdict_terms (id, policy, digest, parameters, engine) VALUES (?, ?, ?, ?, ?)`,
			id, string(terms.policy), terms.digest, terms.parameters, terms.engine)
		if err != nil {
			return 0, fmt.Errorf("write terms of verdicts: %w", err)
		}
		// If the transaction fails, the number is given to other terms.
		tx.onRollback = append(tx.onRollback, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.byID, id)
			delete(t.ids, terms)
		})
	}
	t.put(id, terms)
	return id, nil
}

// termsOfPolicy returns the numbers of all terms that a policy ever had.
func (tx *Tx) termsOfPolicy(policy verdict.PolicyID) (map[int64]bool, error) {
	ids := map[int64]bool{}
	err := tx.each(`SELECT id FROM verdict_terms WHERE policy = ?`, []any{string(policy)}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read terms of verdicts: %w", err)
	}
	return ids, nil
}
