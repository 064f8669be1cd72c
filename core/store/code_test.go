package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/regent-dev/regent/core/record"
)

func FuzzDecodeEvents(f *testing.F) {
	ev := func(s string) record.Event { return record.Event{ID: s, Body: []byte(`{"id":"` + s + `"}`)} }
	e := EncodeEvents([]record.Event{ev("a"), ev("c")})
	f.Add(e.data, 2)
	f.Add([]byte{}, 0)
	f.Add([]byte{batchForm}, -1)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		bodies, err := decodeEvents(data, count)
		if err == nil && len(bodies) != count {
			t.Fatalf("%d bodies, want %d", len(bodies), count)
		}
		if err != nil && !errors.Is(err, errDamagedBatch) {
			t.Fatalf("error %v is not errDamagedBatch", err)
		}
	})
}

// TestDamagedBatch turns every bit of a batch: none may go unnoticed.
func TestDamagedBatch(t *testing.T) {
	t.Parallel()
	events := []record.Event{event(t, "a", "b", t0), event(t, "c", "d", t0)}
	e := EncodeEvents(events)
	for i := range 8 * len(e.data) {
		b := bytes.Clone(e.data)
		b[i/8] ^= 1 << (i % 8)
		bodies, err := decodeEvents(b, 2)
		if err == nil && (!bytes.Equal(bodies[0], events[0].Body) || !bytes.Equal(bodies[1], events[1].Body)) {
			t.Fatalf("bit %d turned gives other events", i)
		}
	}
}

func FuzzUnpackBody(f *testing.F) {
	dict := s2.MakeDict(bytes.Repeat([]byte("dictionary "), 20), nil)
	k := kindDictionary{id: 1, dict: dict}
	f.Add(k.pack([]byte("dictionary of something")))
	f.Add(seal([]byte{bodyRaw, 'x'}))
	f.Add(seal(compress([]byte{bodyZstd}, []byte("text"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		look := func(id int64) (*s2.Dict, error) {
			if id != 1 {
				return nil, errDamagedBody
			}
			return dict, nil
		}
		// As it is, and with a checksum that fits, so that what is behind it is reached.
		_, _ = unpackBody(b, look)
		if _, err := unpackBody(seal(bytes.Clone(b)), look); err != nil && !errors.Is(err, errDamagedBody) && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error %v", err)
		}
	})
}

func FuzzDecodeVerdicts(f *testing.F) {
	v := typicalVerdict(0, 0, 0)
	c, err := encodeVerdict(&v, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encodeVerdicts([]verdictCode{c, c}))
	f.Add([]byte{verdictForm, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := decodeVerdicts(b)
		if err != nil {
			return
		}
		// What reads at all reads the same once it is written again.
		again, err := decodeVerdicts(encodeVerdicts(rows))
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%d verdicts become %d (%v)", len(rows), len(again), err)
		}
		for i := range rows {
			_, _ = rows[i].open(verdictTerms{})
			if again[i].terms != rows[i].terms || again[i].outcome != rows[i].outcome || again[i].item.String() != rows[i].item.String() {
				t.Fatalf("%v becomes %v", rows[i], again[i])
			}
		}
	})
}

func FuzzReadPlace(f *testing.F) {
	f.Add(EventPlace{1, -2}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParseEventPlace(s); err == nil {
			if again, err := ParseEventPlace(p.String()); err != nil || again != p {
				t.Fatalf("%v becomes %v (%v)", p, again, err)
			}
		}
	})
}

func TestBloomHasNoFalseNegatives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, bits, wrong int // wrong in 100,000
	}{{1, 12, 200}, {1000, filterBits, 700}, {10_000, segmentBits, 250}, {10_000, 20, 60}} {
		rnd := rand.New(rand.NewPCG(3, 4))
		b := newBloom(c.n, c.bits)
		added := make([]uint64, c.n)
		for i := range added {
			added[i] = rnd.Uint64()
			b.add(added[i])
		}
		stored := b.bytes()
		again, ok := readBloom(stored)
		if !ok {
			t.Fatal("a filter does not read back")
		}
		for _, h := range added {
			if !again.has(h) || !bloomHas(stored, h) {
				t.Fatal("an added key is not there")
			}
		}
		wrong := 0
		for range 100_000 {
			h := rnd.Uint64()
			if again.has(h) != bloomHas(stored, h) {
				t.Fatal("the stored form answers otherwise")
			}
			if again.has(h) {
				wrong++
			}
		}
		if wrong > c.wrong {
			t.Errorf("%d keys at %d bits: %d of 100,000 strangers pass, want at most %d", c.n, c.bits, wrong, c.wrong)
		}
	}
	if bloomHas([]byte("damaged"), 1) != true {
		t.Error("a damaged filter rules something out")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, a, b, want string }{
		{"nothing", `{"a":1}`, `{"a":1}`, ``},
		{"another order", `{"a":1,"b":2}`, `{"b":2, "a":1}`, ``},
		{"a replaced member", `{"a":1}`, `{"a":2}`, `replace /a 1>2`},
		{"to null", `{"a":1}`, `{"a":null}`, `replace /a 1>null`},
		{"a number's literal", `{"a":1}`, `{"a":1.0}`, `replace /a 1>1.0`},
		{"large integers", `{"a":9007199254740993}`, `{"a":9007199254740992}`, `replace /a 9007199254740993>9007199254740992`},
		{"added and removed", `{"a":1}`, `{"b":{"c":[]}}`, `remove /a 1>; add /b >{"c":[]}`},
		{"an element in the middle", `[1,2,3]`, `[1,9,2,3]`, `add /1 >9`},
		{"elements removed", `[1,2,3,4]`, `[1,4]`, `remove /1 2>; remove /1 3>`},
		{"one removed and one added far apart", `[1,2,3,4,5,6]`, `[2,3,4,9,5,6]`, `remove /0 1>; add /3 >9`},
		{"deep in an array", `[{"a":1,"b":2}]`, `[{"a":1,"b":3}]`, `replace /0/b 2>3`},
		{"another type", `{"a":{}}`, `{"a":[]}`, `replace /a {}>[]`},
		{"the whole", `1`, `"x"`, `replace  1>"x"`},
		{"escaped names", `{"a/b":1,"c~d":1,"e\"":1}`, `{"a/b":2,"c~d":2,"e\"":2}`, `replace /a~1b 1>2; replace /c~0d 1>2; replace /e" 1>2`},
	} {
		ops, err := Diff([]byte(c.a), []byte(c.b))
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, o := range ops {
			parts = append(parts, fmt.Sprintf("%s %s %s>%s", o.Op, o.Path, o.Old, o.Value))
		}
		if got := strings.Join(parts, "; "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// apply applies a patch by the letter of RFC 6902, and checks the old values on the way.
func apply(t *testing.T, doc []byte, ops []Op) []byte {
	t.Helper()
	decode := func(b []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	root := decode(doc)
	for _, o := range ops {
		var step func(v any, path []string) any
		step = func(v any, path []string) any {
			if len(path) == 0 {
				return decode(o.Value)
			}
			token := strings.ReplaceAll(strings.ReplaceAll(path[0], "~1", "/"), "~0", "~")
			check := func(old any) {
				if o.Old != nil && len(path) == 1 {
					if diff := cmp.Diff(decode(o.Old), old); diff != "" {
						t.Fatalf("%s %s: old value %s", o.Op, o.Path, diff)
					}
				}
			}
			switch v := v.(type) {
			case map[string]any:
				check(v[token])
				if len(path) == 1 && o.Op == "remove" {
					delete(v, token)
					return v
				}
				v[token] = step(v[token], path[1:])
				return v
			case []any:
				i, err := strconv.Atoi(token)
				if err != nil {
					t.Fatal(err)
				}
				if len(path) == 1 && o.Op == "add" {
					return append(v[:i:i], append([]any{decode(o.Value)}, v[i:]...)...)
				}
				check(v[i])
				if len(path) == 1 && o.Op == "remove" {
					return append(v[:i:i], v[i+1:]...)
				}
				v[i] = step(v[i], path[1:])
				return v
			}
			t.Fatalf("%s leads nowhere", o.Path)
			return nil
		}
		var path []string
		if o.Path != "" {
			path = strings.Split(o.Path[1:], "/")
		}
		root = step(root, path)
	}
	out, err := marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func randomValue(rnd *rand.Rand, depth int) string {
	switch n := rnd.IntN(8); {
	case n < 2 && depth > 0:
		var parts []string
		for i := range rnd.IntN(4) {
			parts = append(parts, fmt.Sprintf(`"k%d/~":%s`, i*rnd.IntN(3)*7+i, randomValue(rnd, depth-1)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case n < 5 && depth > 0:
		var parts []string
		for range rnd.IntN(6) {
			parts = append(parts, randomValue(rnd, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return []string{"1", "2", "1.0", `"a,]"`, `"\"b"`, "null", "true"}[rnd.IntN(7)]
}

// TestDiffApplies makes patches between random documents and applies them.
func TestDiffApplies(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(8, 9))
	for range 5000 {
		a, errA := record.Canonical([]byte(randomValue(rnd, 4)))
		b, errB := record.Canonical([]byte(randomValue(rnd, 4)))
		if errA != nil || errB != nil {
			continue
		}
		ops, err := Diff(a, b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := record.Canonical(apply(t, a, ops))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, b) {
			t.Fatalf("from %s to %s: %v gives %s", a, b, ops, got)
		}
	}
}
