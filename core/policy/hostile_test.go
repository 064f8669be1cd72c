package policy_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regent-dev/regent/core/policy"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

func quick(o *policy.Options) { o.Timeout = 200 * time.Millisecond }

// judgeWithin judges and fails where that takes much longer than the timeout, salvage included.
func judgeWithin(t *testing.T, p *policy.Policy, configuration string, limit time.Duration) verdict.Verdict {
	t.Helper()
	start := time.Now()
	v := p.Judge(context.Background(), subject(t, configuration), nil)
	if d := time.Since(start); d > limit {
		t.Errorf("judging took %s", d)
	}
	return v
}

const tooLong = "the evaluation took longer than 200ms and was stopped"

func TestHostilePolicies(t *testing.T) {
	t.Parallel()
	const forever = "some a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\tsome c in numbers.range(1, 3000)\n\ta + b + c < 0"
	for _, c := range []struct{ name, rules, want string }{{
		"never ends", "deny contains \"x\" if {\n\t" + forever + "\n}",
		"ERROR (" + tooLong + ")",
	}, {
		"never ends beside a denial", "deny contains \"x\" if {\n\t" + forever + "\n}\n\ndeny contains \"y\"",
		"NON_COMPLIANT [y] (" + tooLong + ")",
	}, {
		"finds something and never ends", "deny contains \"x\" if {\n\tsome i in [1, 2]\n\tslow(i)\n}\n\nslow(1)\n\nslow(2) if {\n\t" + forever + "\n}",
		"NON_COMPLIANT [x] (" + tooLong + ")",
	}, {
		"never ends in not_applicable", "deny contains \"x\"\n\nnot_applicable if {\n\t" + forever + "\n}",
		"ERROR (not_applicable: " + tooLong + ")",
	}, {
		"one builtin that takes long", "deny contains \"x\" if count(numbers.range(1, 1000000000)) == 5",
		"ERROR (" + tooLong + ")",
	}, {
		"much memory", "deny contains \"x\" if count([s | some i in numbers.range(1, 300000000); s := $\"{i}{i}{i}\"]) == 5",
		"ERROR (" + tooLong + ")",
	}, {
		"a regular expression that others choke on", "deny contains \"x\" if regex.match(`^(a+)+$`, concat(\"\", [c | some i in numbers.range(1, 5000); c := \"a\"]))",
		"NON_COMPLIANT [x]",
	}, {
		"a regular expression that is none", "deny contains \"x\" if regex.match(input.resource.configuration.re, \"a\")",
		"ERROR (policy.rego:8: regex.match: error parsing regexp: missing closing ): `(`)",
	}, {
		"conflicting functions", "f(x) := 1 if x > 0\n\nf(x) := 2 if x > 1\n\ndeny contains \"x\" if f(5) == 1",
		"ERROR (policy.rego:10: function compliance.x.f produced conflicting values for the same inputs: 1 at policy.rego:8 2 at policy.rego:10)",
	}, {
		"conflicting keys", "o[k] := v if some [k, v] in [[\"a\", 1], [\"a\", 2]]\n\ndeny contains \"x\" if o.a == 1",
		"ERROR (policy.rego:8: object keys must be unique)",
	}, {
		"deep recursion over data", "deny contains $\"{count(p)}\" if {\n\twalk(json.unmarshal(input.resource.configuration.deep), [p, v])\n\tv == 5\n}",
		"NON_COMPLIANT [2000]",
	}, {
		"deeper than JSON goes", "deny contains \"x\" if json.unmarshal(concat(\"\", [\"[\" | some i in numbers.range(1, 20000)]))",
		"ERROR",
	}} {
		t.Run(c.name, func(t *testing.T) {
			p := one(t, head("compliance.x")+c.rules+"\n", func(o *policy.Options) {
				if o.Timeout = 30 * time.Second; strings.Contains(c.want, tooLong) {
					quick(o)
				}
			})
			deep := strings.Repeat("[", 2000) + "5" + strings.Repeat("]", 2000)
			v := judgeWithin(t, p, fmt.Sprintf(`{"re":"(","deep":%q}`, deep), 10*time.Second)
			got := show(v)
			if got != c.want && !(c.want == "ERROR" && strings.HasPrefix(got, "ERROR (")) {
				t.Errorf("got  %.600s\nwant %s", got, c.want)
			}
		})
	}
}

func TestHugeOutputIsCut(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x")+"deny contains {\"msg\": $\"{i}\", \"path\": \"/configuration/long\"} if some i in numbers.range(1, 5000)")
	v := judgeWithin(t, p, fmt.Sprintf(`{"long":%q}`, strings.Repeat("x", 100_000)), 3*time.Second)
	if len(v.Denials) != 1000 || v.Outcome != verdict.NonCompliant || v.Reason != "deny contains 5000 elements; the first 1000 are kept" {
		t.Errorf("%d denials, %s, %q", len(v.Denials), v.Outcome, v.Reason)
	}
	if v.Denials[0].Value != nil {
		t.Errorf("a value of %d bytes stands beside each message", len(v.Denials[0].Value))
	}
	again := judgeWithin(t, p, `{"long":"short"}`, 3*time.Second)
	for i := range again.Denials {
		if again.Denials[i].Message != v.Denials[i].Message {
			t.Fatalf("other elements are kept the second time: %s and %s", again.Denials[i].Message, v.Denials[i].Message)
		}
	}

	p = one(t, head("compliance.x")+"deny contains {\"msg\": input.resource.configuration.long, \"details\": input.resource.configuration.long}")
	v = judgeWithin(t, p, fmt.Sprintf(`{"long":%q}`, strings.Repeat("é", 100_000)), 3*time.Second)
	if n := len(v.Denials[0].Message); n > 4096 || !strings.HasSuffix(v.Denials[0].Message, "é…") {
		t.Errorf("message has %d bytes and ends in %q", n, v.Denials[0].Message[n-10:])
	}
	if v.Denials[0].Details != nil || v.Reason != "details of an element is left out: it is too long" {
		t.Errorf("details have %d bytes; %q", len(v.Denials[0].Details), v.Reason)
	}
}

func TestDeepPolicyIsRefused(t *testing.T) {
	t.Parallel()
	text := head("compliance.x") + `deny contains "x" if ` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	_, ps := policy.Compile(context.Background(), []policy.File{file("p.rego", text)}, policy.Options{})
	if !ps.HasErrors() || !strings.Contains(ps[0].Detail, "recursion depth") {
		t.Errorf("got %v", ps)
	}
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	p := one(t, head("compliance.x")+"deny contains \"x\" if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta + b < 0\n}\ndeny contains \"y\"", func(o *policy.Options) { o.Timeout = time.Minute })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	got := show(p.Judge(ctx, subject(t, `{}`), nil))
	if want := "ERROR (the evaluation was given up by its caller)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("giving up took %s", d)
	}
}

// TestEvaluationsDoNotMix judges in many goroutines, some beyond their deadline, so that a timer or
// an answer of one would show in another.
func TestEvaluationsDoNotMix(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Options{Timeout: 20 * time.Millisecond},
		file("a.rego", head("compliance.slow")+"deny contains \"x\" if {\n\tinput.resource.configuration.slow\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta + b < 0\n}"),
		file("b.rego", head("compliance.n")+"deny contains $\"{input.resource.configuration.n}\" if not data.resources[\"Test::Node\"][$\"{input.resource.configuration.n}\"]"),
		file("c.rego", head("compliance.bad")+"deny contains \"x\" if to_number(input.resource.configuration.n) > 5"),
		file("d.rego", head("alarms.d")+"alarm contains {\"msg\": $\"{input.event.id}\", \"key\": input.event.id, \"value\": {1, 2}}"))
	r := reader{TB: t, world: world{}}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				n := fmt.Sprint(g*1000 + i)
				slow := i%20 == 0
				s := subject(t, fmt.Sprintf(`{"n":"%s","slow":%t}`, n, slow))
				for _, p := range set.ForType("Test::Thing") {
					v := p.Judge(context.Background(), s, r)
					got, want := show(v), ""
					switch p.ID {
					case "compliance.slow":
						// Other goroutines may keep this one from its processor for so long.
						if want = "COMPLIANT"; slow || strings.HasPrefix(got, "ERROR (the evaluation took longer") {
							want = "ERROR (the evaluation took longer than 20ms and was stopped)"
						}
					case "compliance.n":
						want = "NON_COMPLIANT [" + n + "]"
						if len(v.Evidence.Reads) != 1 || v.Evidence.Reads[0].ResourceID != n {
							t.Errorf("reads of %s are %v", n, v.Evidence.Reads)
						}
					case "compliance.bad":
						want = "NON_COMPLIANT [x]"
						if got == "COMPLIANT" {
							want = got
						}
					}
					if strings.Contains(got, "the evaluation took longer") && p.ID != "compliance.slow" {
						continue
					}
					if got != want {
						t.Errorf("%s says %s about %s, want %s", p.ID, got, n, want)
					}
				}
				m, err := set.Get("alarms.d").Match(context.Background(), parse(t, `{"id":"`+n+`"}`), noon)
				if err != nil {
					continue
				}
				if len(m) != 1 || m[0].Key != n || !m[0].HasKey || string(m[0].Value) != "[1,2]" {
					t.Errorf("matches of %s are %+v", n, m)
				}
			}
		})
	}
	wg.Wait()
}

// TestMemoryStaysFlat looks up many resources, one evaluation after the other: nothing of one may
// stay after it.
func TestMemoryStaysFlat(t *testing.T) {
	p := one(t, head("compliance.x")+"deny contains \"x\" if data.resources[\"Test::Node\"][input.resource.configuration.id].configuration.big == \"y\"")
	s := subject(t, `{"id":"n"}`)
	used := func(n int) uint64 {
		for range n {
			r := one50k{endless{t}}
			if v := p.Judge(context.Background(), s, r); v.Outcome != verdict.Compliant {
				t.Fatal(show(v))
			}
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used(20)
	after := used(500)
	if after > before+(4<<20) {
		t.Errorf("heap grew from %d to %d bytes over 500 evaluations", before, after)
	}
}

// one50k is a Reader whose every resource is large.
type one50k struct{ endless }

func (r one50k) Find(context.Context, record.Key, string, string) (policy.Found, error) {
	return policy.Found{Value: parse(r, `{"configuration":{"big":"`+strings.Repeat("x", 50_000)+`"}}`), OK: true}, nil
}
