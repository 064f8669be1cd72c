package policy

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
)

// text reads a scalar as it is written.
func (r *blockReader) text(p pair) string {
	if p.value == nil || p.value.Kind != yaml.ScalarNode || p.value.ShortTag() == "!!null" {
		r.fail(p.key, "METADATA value is not text", "%q must be one text.", p.name)
		return ""
	}
	return p.value.Value
}

// texts reads a list of scalars, with their places. A single scalar is a list of one.
func (r *blockReader) texts(p pair) (out []string, at []*diag.Range) {
	n := p.value
	if n == nil {
		return nil, nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for _, i := range items {
		i = deref(i)
		if i.Kind != yaml.ScalarNode || i.ShortTag() == "!!null" || i.Value == "" {
			r.fail(i, "METADATA value is not a list", "%q must be a list of texts.", p.name)
			return nil, nil
		}
		out, at = append(out, i.Value), append(at, r.place(i))
	}
	return out, at
}

// duration reads a time like 90s, 5m, 12h, 7d or 2w that is at least least.
func (r *blockReader) duration(p pair, least time.Duration) time.Duration {
	s := r.text(p)
	d, err := parseDuration(s)
	switch {
	case err != nil:
		r.fail(p.value, "Not a duration", "%s: %v. Write a number with its unit: 90s, 5m, 12h, 7d, 2w.", p.name, err)
		return 0
	case d < least:
		r.fail(p.value, "Duration is too short", "%s is %s; the shortest is %s.", p.name, s, least)
		return 0
	}
	return d
}

// parseDuration reads Go's durations, and days and weeks beside them.
func parseDuration(s string) (time.Duration, error) {
	for unit, each := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			f, err := strconv.ParseFloat(n, 64)
			if err != nil || f < 0 || f*float64(each) > float64(1<<62) {
				return 0, fmt.Errorf("%q is not a duration", s)
			}
			return time.Duration(f * float64(each)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return d, nil
}

// window reads {count: 5, within: 10m, distinct: true}.
func (r *blockReader) window(p pair) *Window {
	members, ok := pairs(p.value)
	if !ok {
		r.fail(p.key, "Window is not a mapping", "Write window: {count: 5, within: 10m}.")
		return nil
	}
	w := &Window{}
	seen := map[string]bool{}
	for _, m := range members {
		seen[m.name] = true
		switch m.name {
		case "count":
			n, err := strconv.Atoi(r.text(m))
			if err != nil || n < 1 || n > 1_000_000 {
				r.fail(m.value, "Window count is out of range", "count must be a whole number from 1 to 1,000,000.")
			}
			w.Count = n
		case "within":
			w.Within = r.duration(m, time.Second)
		case "distinct":
			b, err := strconv.ParseBool(r.text(m))
			if err != nil {
				r.fail(m.value, "Not true or false", "distinct must be true or false.")
			}
			w.Distinct = b
		default:
			r.fail(m.key, "Unknown key in METADATA", "%q is not a key of window.%s The keys are count, distinct, within.",
				m.name, dialect.DidYouMean(m.name, []string{"count", "within", "distinct"}))
		}
	}
	for _, k := range [...]string{"count", "within"} {
		if !seen[k] {
			r.fail(p.key, "Window is not complete", "window needs %s: write window: {count: 5, within: 10m}.", k)
		}
	}
	return w
}

// controls reads {framework: [control, …]}.
func (r *blockReader) controls(p pair) map[string][]string {
	members, ok := pairs(p.value)
	if !ok {
		r.fail(p.key, "Controls are not a mapping", "Write controls: {cis-aws-3.0.0: [\"2.2.1\"]}.")
		return nil
	}
	out := map[string][]string{}
	for _, m := range members {
		ids, _ := r.texts(m)
		out[m.name] = append(out[m.name], ids...)
	}
	return out
}

// related reads a list of links: texts, or {ref: …, description: …}.
func (r *blockReader) related(p pair) (out []RelatedResource) {
	if p.value == nil || p.value.Kind != yaml.SequenceNode {
		r.fail(p.key, "Related resources are not a list", "Write related_resources: [https://…].")
		return nil
	}
	for _, n := range p.value.Content {
		n = deref(n)
		rr := RelatedResource{URL: n.Value}
		members, _ := pairs(n)
		for _, m := range members {
			switch m.name {
			case "ref":
				rr.URL = r.text(m)
			case "description":
				rr.Description = r.text(m)
			}
		}
		if u, err := url.Parse(rr.URL); err != nil || u.Scheme == "" {
			r.fail(n, "Not a link", "%q is not an absolute URL.", rr.URL)
			continue
		}
		out = append(out, rr)
	}
	return out
}

// labels reads the labels of a block. Values are texts; numbers and booleans stand for theirs.
func (b *block) labels(context string, ps *diag.Problems) map[string]string {
	r := &blockReader{block: b, Problems: ps, context: context}
	top, _ := pairs(b.root)
	var out map[string]string
	for _, p := range top {
		if p.name != "labels" {
			continue
		}
		members, ok := pairs(p.value)
		if !ok {
			r.fail(p.key, "Labels are not a mapping", "Write labels: {team: storage}.")
			return nil
		}
		out = make(map[string]string, len(members))
		for _, m := range members {
			out[m.name] = r.text(m)
		}
	}
	return out
}
