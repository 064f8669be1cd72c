package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
)

// generator writes random alarm policies and events over a small vocabulary, so that they meet often.
type generator struct {
	*rand.Rand
	rules []string
	n     int
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g *generator) word() string { return g.pick("a", "b", "c", "iam:x", "") }

func (g *generator) path() string {
	return "input.event." + g.pick("action", "source", "outcome", "error.code", "type", "region", "actor.type", "actor.id",
		"origin.address", "error.message", "detail.kind", `detail["a b"]`, "detail.deep.er", "accountId", "id", "detail.n", "targets[0].resourceId", "targets[_].resourceId")
}

func (g *generator) words() string {
	var w []string
	for range 1 + g.IntN(3) {
		w = append(w, fmt.Sprintf("%q", g.word()))
	}
	if g.IntN(12) == 0 {
		w = append(w, g.pick("5", "null", "true", `["a"]`))
	}
	return strings.Join(w, ", ")
}

func (g *generator) name(prefix string) string {
	g.n++
	return fmt.Sprintf("%s%d", prefix, g.n)
}

// collection is an expression for a collection of constants, making rules as it needs them.
func (g *generator) collection(depth int) string {
	switch g.IntN(9) {
	case 0:
		return "{" + g.words() + "}"
	case 1:
		return "[" + g.words() + "]"
	case 2:
		n := g.name("set")
		g.rules = append(g.rules, n+" := {"+g.words()+"}")
		return n
	case 3:
		n := g.name("part")
		for range 1 + g.IntN(2) {
			g.rules = append(g.rules, fmt.Sprintf("%s contains %q", n, g.word()))
		}
		if g.IntN(3) == 0 {
			g.rules = append(g.rules, fmt.Sprintf("%s contains x if x := %s", n, g.path()))
		}
		return n
	case 4:
		return "input.parameters.words"
	case 5:
		n := g.name("obj")
		g.rules = append(g.rules, fmt.Sprintf(`%s := {"x": %q, "y": %q}`, n, g.word(), g.word()))
		return n
	case 6:
		return "data.lib.words.known"
	case 7:
		n := g.name("either")
		g.rules = append(g.rules, fmt.Sprintf("%s := {%s} if %s\n\nelse := [%s]", n, g.words(), g.condition(depth+1), g.words()))
		return n
	default:
		return fmt.Sprintf("{w | some w in {%s}; %s}", g.words(), g.condition(depth+1))
	}
}

// scalar is an expression for one constant.
func (g *generator) scalar(depth int) string {
	switch g.IntN(7) {
	case 0:
		n := g.name("word")
		g.rules = append(g.rules, fmt.Sprintf("%s := %q", n, g.word()))
		return n
	case 1:
		n := g.name("word")
		g.rules = append(g.rules, fmt.Sprintf("%s := %q if %s\n\n%[1]s := %q if %s", n, g.word(), g.condition(depth+1), g.word(), g.condition(depth+1)))
		return n
	case 2:
		return "input.parameters.word"
	case 3:
		return g.pick("5", "true", "null", `["a"]`)
	default:
		return fmt.Sprintf("%q", g.word())
	}
}

// condition is one expression of a body.
func (g *generator) condition(depth int) string {
	if depth > 2 {
		return fmt.Sprintf("%s == %q", g.path(), g.word())
	}
	switch g.IntN(25) {
	case 23:
		// A set that rules make, each under its own condition.
		n := g.name("made")
		for range 1 + g.IntN(2) {
			g.rules = append(g.rules, fmt.Sprintf("%s contains %s if {\n\t%s\n}", n, g.scalar(depth+1), g.body(depth+1)))
		}
		v := g.name("v")
		return g.pick(fmt.Sprintf("some %s in %s", v, n), fmt.Sprintf("%s[_]", n), fmt.Sprintf("%q in %s", g.word(), n), fmt.Sprintf("%s[%s]", n, g.path()),
			fmt.Sprintf("count(%s) == %d", n, g.IntN(2)), fmt.Sprintf("%s := %s; some %s in %[1]s", v, n, g.name("v")), "not "+n+"[\"a\"]")
	case 0, 1, 2:
		return fmt.Sprintf("%s == %s", g.path(), g.scalar(depth))
	case 3:
		return fmt.Sprintf("%s == %s", g.scalar(depth), g.path())
	case 4, 5:
		return fmt.Sprintf("%s in %s", g.path(), g.collection(depth))
	case 6:
		v := g.name("v")
		return fmt.Sprintf("%s := %s; %[1]s == %q", v, g.path(), g.word())
	case 7:
		v := g.name("v")
		return fmt.Sprintf("%s := input.event; %[1]s.action in %s", v, g.collection(depth))
	case 8:
		n := g.name("help")
		for range 1 + g.IntN(2) {
			g.rules = append(g.rules, fmt.Sprintf("%s if {\n\t%s\n}", n, g.body(depth+1)))
		}
		if g.IntN(2) == 0 {
			g.rules = append(g.rules, fmt.Sprintf("default %s := %s", n, g.pick("false", "false", "true")))
		}
		return g.pick(n, n, n+" == true", "not "+n, n+" == false", n+" != true")
	case 9:
		f := g.name("fun")
		g.rules = append(g.rules, fmt.Sprintf("%s(x, y) if {\n\tx.action == y\n\t%s\n}", f, g.condition(depth+1)))
		if g.IntN(2) == 0 {
			g.rules = append(g.rules, fmt.Sprintf("%s(x, %q) if x.source == \"a\"", f, g.word()))
		}
		if g.IntN(3) == 0 {
			g.rules = append(g.rules, fmt.Sprintf("default %s(_, _) := false", f))
		}
		return fmt.Sprintf("%s(input.event, %s)", f, g.scalar(depth))
	case 10:
		f := g.name("val")
		g.rules = append(g.rules, fmt.Sprintf("%s(x) := x.region if x.source == %q\n\nelse := \"c\"", f, g.word()))
		return fmt.Sprintf("%s(input.event) == %q", f, g.word())
	case 11:
		v := g.name("v")
		return fmt.Sprintf("some %s in %s; %s == %[1]s", v, g.collection(depth), g.path())
	case 12:
		return fmt.Sprintf("not %s == %q", g.path(), g.word())
	case 13:
		return fmt.Sprintf("%s != %q", g.path(), g.word())
	case 14:
		return fmt.Sprintf("%s == %q with %s as %q", g.pick("input.event.action", "input.event.source"), g.word(), g.pick("input.event.action", "input.event.source"), g.word())
	case 15:
		n := g.name("alias")
		g.rules = append(g.rules, fmt.Sprintf("%s := %s", n, g.path()))
		return fmt.Sprintf("%s in %s", n, g.collection(depth))
	case 16:
		v := g.name("v")
		return fmt.Sprintf("%s := %s == %q; %[1]s", v, g.path(), g.word())
	case 17:
		n := g.name("bool")
		g.rules = append(g.rules, fmt.Sprintf("%s := %s in %s", n, g.path(), g.collection(depth)))
		return n
	case 18:
		return fmt.Sprintf("%s[%s]", g.collectionRule(), g.path())
	case 19:
		return fmt.Sprintf("count({1 | %s}) == %d", g.condition(depth+1), g.IntN(2))
	case 20:
		return fmt.Sprintf("every t in input.event.targets { t.resourceId == %q }", g.word())
	case 21:
		v, w := g.name("v"), g.name("v")
		return fmt.Sprintf("%s := %s; %s := %[1]s; %q == %[3]s", v, g.path(), w, g.word())
	case 22:
		return "data.lib.words.match(input.event)"
	default:
		return fmt.Sprintf("[%s, %q] == [%q, %s]", g.path(), g.word(), g.word(), g.path())
	}
}

// collectionRule is the name of a rule that is a set or an object.
func (g *generator) collectionRule() string {
	n := g.name("coll")
	switch g.IntN(3) {
	case 0:
		g.rules = append(g.rules, n+" := {"+g.words()+"}")
	case 1:
		g.rules = append(g.rules, fmt.Sprintf("%s := {%q: false, %q: 1}", n, g.word(), g.word()+"2"))
	default:
		g.rules = append(g.rules, fmt.Sprintf("%s contains %q", n, g.word()), fmt.Sprintf("%s contains %q", n, g.word()))
	}
	return n
}

func (g *generator) body(depth int) string {
	var c []string
	for range 1 + g.IntN(3) {
		c = append(c, g.condition(depth))
	}
	return strings.Join(c, "\n\t")
}

func (g *generator) policy(name string) string {
	g.rules, g.n = nil, 0
	var alarms []string
	for range 1 + g.IntN(3) {
		alarms = append(alarms, fmt.Sprintf("alarm contains \"m\" if {\n\t%s\n}", g.body(0)))
	}
	return "# METADATA\n# title: T\n# custom: {severity: low, on: event, parameters: {properties: {words: {default: [a, b]}, word: {default: c}}}}\n" +
		"package alarms." + name + "\n\n" + strings.Join(append(alarms, g.rules...), "\n\n") + "\n"
}

const wordsLib = `package lib.words

known := {"a", "c"}

match(e) if e.action == "a"

match(e) if e.error.code in known
`

func (g *generator) event() string {
	set := func(m map[string]any, name string) {
		switch g.IntN(8) {
		case 0:
		case 1:
			m[name] = g.IntN(6)
		default:
			m[name] = g.word()
		}
	}
	detail := map[string]any{"deep": map[string]any{}}
	set(detail, "kind")
	set(detail, "a b")
	set(detail, "n")
	set(detail["deep"].(map[string]any), "er")
	failure, actor, origin := map[string]any{}, map[string]any{}, map[string]any{}
	set(failure, "code")
	set(failure, "message")
	set(actor, "type")
	set(actor, "id")
	set(origin, "address")
	e := map[string]any{
		"source": g.pick("a", "b", "c"), "outcome": g.pick("success", "failure", "unknown"), "time": "2026-01-01T00:00:00Z",
		"error": failure, "actor": actor, "origin": origin, "detail": detail, "targets": []any{},
	}
	for _, name := range []string{"action", "type", "region", "id"} {
		set(e, name)
	}
	if g.IntN(3) > 0 {
		e["accountId"] = g.word()
	}
	for range g.IntN(3) {
		e["targets"] = append(e["targets"].([]any), map[string]any{"resourceId": g.word()})
	}
	text := string(must(json.Marshal(e)))
	if g.IntN(6) == 0 {
		// The same text, written otherwise.
		text = strings.NewReplacer(`"a"`, `"\u0061"`, `"detail"`, `"d\u0065tail"`, `"kind"`, ` "kin\u0064" `).Replace(text)
	}
	return text
}

// checkDispatch holds ForEvent against running every policy. It returns how many evaluations
// dispatch saved, of how many.
func checkDispatch(t testing.TB, seed uint64, policies, events int) (saved, all int) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7))}
	files := []policy.File{file("words.rego", wordsLib)}
	for i := range policies {
		name := fmt.Sprintf("p%02d", i)
		// Not every text is a policy: variables may be unsafe, constants contradict each other.
		for range 20 {
			f := file(name+".rego", g.policy(name))
			if _, ps := policy.Compile(context.Background(), append(slices.Clone(files[:1]), f), policy.Options{}); !ps.HasErrors() {
				files = append(files, f)
				break
			}
		}
	}
	set := compile(t, policy.Options{}, files...)
	for range events {
		body := g.event()
		ev, err := record.ParseEvent([]byte(body), record.Sum([]byte(body)))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		v := parse(t, body)
		may := set.ForEvent(&ev, nil)
		for i, p := range may {
			if i > 0 && may[i-1].ID >= p.ID {
				t.Fatalf("policies are not sorted: %s before %s", may[i-1].ID, p.ID)
			}
		}
		for _, p := range set.Policies() {
			all++
			if slices.Contains(may, p) {
				continue
			}
			saved++
			found, _ := p.Match(context.Background(), v, noon)
			if len(found) > 0 {
				for _, f := range files {
					if strings.HasPrefix(f.Path, strings.TrimPrefix(string(p.ID), "alarms.")) {
						t.Fatalf("seed %d: dispatch skips a policy that matches.\n%s\nevent %s", seed, f.Bytes, body)
					}
				}
			}
		}
	}
	return saved, all
}

func TestDispatchNeverSkipsAMatch(t *testing.T) {
	t.Parallel()
	var saved, all int
	for seed := range uint64(40) {
		s, a := checkDispatch(t, seed, 10, 60)
		saved, all = saved+s, all+a
	}
	t.Logf("dispatch saved %d of %d evaluations", saved, all)
	if saved < all/4 {
		t.Errorf("dispatch saved only %d of %d evaluations", saved, all)
	}
}

func FuzzDispatch(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { checkDispatch(t, seed, 3, 30) })
}

// TestDispatchKnows lists what dispatch understands: for each body an event that it must skip, and
// one that it must not.
func TestDispatchKnows(t *testing.T) {
	t.Parallel()
	const skipped = `{"source":"s","action":"other","outcome":"success","error":{"code":"E9"},"actor":{},"origin":{},"targets":[],"detail":{"kind":"k9"}}`
	const taken = `{"source":"s","action":"act","outcome":"failure","error":{"code":"E1"},"actor":{"type":"Root"},"origin":{},"targets":[],"detail":{"kind":"k1"}}`
	for name, rules := range map[string]string{
		"equality":            `alarm contains "m" if input.event.action == "act"`,
		"equality turned":     `alarm contains "m" if "act" == input.event.action`,
		"unification":         `alarm contains "m" if input.event.action = "act"`,
		"set":                 `alarm contains "m" if input.event.error.code in {"E1", "E2"}`,
		"array":               `alarm contains "m" if input.event.error.code in ["E1", "E2"]`,
		"detail":              `alarm contains "m" if input.event.detail.kind == "k1"`,
		"outcome":             `alarm contains "m" if input.event.outcome == "failure"`,
		"actor":               `alarm contains "m" if input.event.actor.type == "Root"`,
		"two bodies":          "alarm contains \"m\" if input.event.action == \"act\"\nalarm contains \"m\" if input.event.action == \"deed\"",
		"variable":            "alarm contains \"m\" if {\n\te := input.event\n\ta := e.action\n\ta == \"act\"\n}",
		"some in":             "alarm contains \"m\" if {\n\tsome a in {\"act\", \"deed\"}\n\tinput.event.action == a\n}",
		"constant rule":       "acts := {\"act\", \"deed\"}\nalarm contains \"m\" if input.event.action in acts",
		"partial set":         "acts contains \"act\"\nacts contains \"deed\"\nalarm contains \"m\" if input.event.action in acts",
		"some of a made set":  "ways contains w if {\n\tinput.event.action in {\"act\", \"deed\"}\n\tw := input.event.outcome\n}\nways contains \"w\" if input.event.action == \"deed\"\nalarm contains {\"msg\": $\"{w}\"} if some w in ways",
		"keys of an object":   "acts := {\"act\": 1, \"deed\": 2}\nalarm contains \"m\" if acts[input.event.action]",
		"member of a set":     "acts := {\"act\", \"deed\"}\nalarm contains \"m\" if acts[input.event.action]",
		"value of an object":  "acts := {\"act\": \"T1\", \"deed\": \"T2\"}\nalarm contains {\"msg\": \"m\", \"value\": v} if v := acts[input.event.action]",
		"helper":              "is if input.event.action == \"act\"\nis if input.event.action == \"deed\"\nalarm contains \"m\" if is",
		"helper with default": "default is := false\nis if input.event.action == \"act\"\nalarm contains \"m\" if is",
		"helper with else":    "is if input.event.action == \"act\"\nelse if input.event.action == \"deed\"\nalarm contains \"m\" if is",
		"boolean rule":        "is := input.event.action == \"act\"\nalarm contains \"m\" if is",
		"function":            "is(e, a) if e.action == a\nalarm contains \"m\" if is(input.event, \"act\")",
		"library":             "alarm contains \"m\" if data.lib.x.is(input.event)",
		"alias":               "action := input.event.action\nalarm contains \"m\" if action == \"act\"",
		"parameters":          `alarm contains "m" if input.event.action in input.parameters.actions`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Options{},
				file("p.rego", head("alarms.x", "parameters: {properties: {actions: {default: [act, deed]}}}")+rules),
				file("lib.rego", "package lib.x\n\nis(e) if e.action in {\"act\", \"deed\"}"))
			for body, want := range map[string]int{skipped: 0, taken: 1} {
				ev := must(record.ParseEvent([]byte(body), record.Digest{}))
				if got := len(set.ForEvent(&ev, nil)); got != want {
					t.Errorf("dispatch takes %d policies for %s, want %d", got, body, want)
				}
				found, err := set.Policies()[0].Match(context.Background(), parse(t, body), noon)
				if err != nil || len(found) != want {
					t.Errorf("the policy matches %d times (%v), want %d", len(found), err, want)
				}
			}
		})
	}
}

// alarmFiles are fifty alarms in the manner of real ones over CloudTrail.
func alarmFiles() []policy.File {
	var files []policy.File
	for i := range 50 {
		conditions := []string{
			fmt.Sprintf("input.event.action == \"iam:Action%d\"", i),
			fmt.Sprintf("input.event.action in {\"ec2:Action%d\", \"s3:Action%d\", \"kms:Action%d\"}\n\tinput.event.outcome == \"success\"", i, i, i),
			fmt.Sprintf("input.event.error.code in {\"Denied%d\", \"Client.Denied%d\"}", i, i),
			fmt.Sprintf("input.event.action == \"signin:ConsoleLogin\"\n\tinput.event.detail.additionalEventData.MFAUsed == \"No%d\"", i),
			fmt.Sprintf("input.event.actor.type == \"Root%d\"", i),
		}
		name := fmt.Sprintf("a%02d", i)
		files = append(files, file(name+".rego", fmt.Sprintf("%salarm contains {\"msg\": $\"{input.event.actor.id} did {input.event.action}\"} if {\n\tinput.event.source == \"aws.cloudtrail\"\n\t%s\n}\n",
			head("alarms.aws."+name), conditions[i%len(conditions)])))
	}
	return files
}

// BenchmarkDispatch is finding the alarms for one event. The budget is 300 ns where none can match.
func BenchmarkDispatch(b *testing.B) {
	set := compile(b, policy.Options{}, alarmFiles()...)
	for _, c := range []struct {
		name, action string
		want         int
	}{{"none", "sts:AssumeRole", 0}, {"one", "iam:Action5", 1}, {"ten by action, none by detail", "signin:ConsoleLogin", 0}} {
		b.Run(c.name, func(b *testing.B) {
			body := fmt.Sprintf(`{"id":"1","source":"aws.cloudtrail","action":%q,"outcome":"success","error":{},"actor":{"type":"AssumedRole","id":"AROA"},"origin":{"address":"10.0.0.1"},"targets":[],"accountId":"123456789012","region":"eu-central-1","detail":{"filler":%q,"additionalEventData":{"MFAUsed":"Yes"}}}`, c.action, strings.Repeat("x", 800))
			ev := must(record.ParseEvent([]byte(body), record.Digest{}))
			dst := make([]*policy.Policy, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				if dst = set.ForEvent(&ev, dst[:0]); len(dst) != c.want {
					b.Fatalf("%d policies, want %d", len(dst), c.want)
				}
			}
		})
	}
}

func TestDispatchDoesNotAllocate(t *testing.T) {
	set := compile(t, policy.Options{}, alarmFiles()...)
	body := `{"source":"aws.cloudtrail","action":"iam:Action5","outcome":"success","error":{"code":"Denied2"},"actor":{},"origin":{},"targets":[],"detail":{}}`
	ev := must(record.ParseEvent([]byte(body), record.Digest{}))
	dst := make([]*policy.Policy, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = set.ForEvent(&ev, dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(dst) != 2 {
		t.Errorf("%d policies, want 2", len(dst))
	}
}
