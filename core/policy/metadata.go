package policy

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/policy/internal/dialect"
	"github.com/regent-dev/regent/core/policy/internal/shape"
	"github.com/regent-dev/regent/core/verdict"
)

// metadata is what the METADATA of a package says, with places.
type metadata struct {
	title, description string
	severity           verdict.Severity
	resourceTypes      []string
	requires           []string
	parameters         any // a JSON Schema, nil where none is declared
	controls           map[string][]string
	remediation        string
	related            []RelatedResource
	schedule           time.Duration
	readsAll           []string
	on                 string
	window             *Window
	lateness           time.Duration
	clearAfter         time.Duration

	// at are the places of the keys of custom, and requiresAt those of the pointers.
	at         map[string]*diag.Range
	requiresAt []*diag.Range
	typesAt    []*diag.Range
	where      diag.Range
}

// topKeys are OPA's own keys of a METADATA block. OPA ignores others silently.
var topKeys = []string{
	"authors", "compile", "custom", "description", "entrypoint", "labels", "organizations",
	"related_resources", "schemas", "scope", "title",
}

// complianceKeys and alarmKeys are the keys of custom, closed.
var (
	complianceKeys = []string{
		"controls", "parameters", "reads_all", "remediation", "requires", "resource_types", "schedule", "severity",
	}
	alarmKeys = []string{
		"clear_after", "controls", "lateness", "on", "parameters", "remediation", "severity", "window",
	}
)

// blockReader decodes one block.
type blockReader struct {
	*block
	*diag.Problems
	context string
}

// fail notes an error at a node.
func (r *blockReader) fail(n *yaml.Node, summary, format string, args ...any) {
	r.failAt(r.place(n), summary, format, args...)
}

func (r *blockReader) failAt(where *diag.Range, summary, format string, args ...any) {
	r.Errorf(where, summary, format, args...)
	(*r.Problems)[len(*r.Problems)-1].Context = r.context
}

// readMetadata decodes the package block of a policy. The result is usable for further checks even
// where there were problems.
func readMetadata(kind Kind, id string, b *block, ps *diag.Problems) *metadata {
	md := &metadata{at: map[string]*diag.Range{}, where: b.where}
	r := &blockReader{block: b, Problems: ps, context: "policy " + id}
	top, ok := pairs(b.root)
	if !ok {
		r.fail(nil, "METADATA is empty", "A policy needs at least a title, and under custom a severity and %s.", triggerOf(kind))
		return md
	}
	allowed := complianceKeys
	if kind == KindAlarm {
		allowed = alarmKeys
	}
	var custom *yaml.Node
	for _, p := range top {
		switch p.name {
		case "title":
			md.title = strings.TrimSpace(r.text(p))
		case "description":
			md.description = strings.TrimSpace(r.text(p))
		case "related_resources":
			md.related = r.related(p)
		case "custom":
			custom = p.value
		case "schemas":
			r.fail(p.key, "Schemas are not declared in policies", "%s", schemasHint)
		case "compile", "entrypoint":
			r.fail(p.key, "METADATA key has no effect here", "%q is for tools that build bundles. Leave it out.", p.name)
		case "authors", "labels", "organizations", "scope":
		default:
			if slices.Contains(allowed, p.name) {
				r.fail(p.key, "METADATA key in the wrong place", "%q belongs under custom:.", p.name)
			} else {
				r.fail(p.key, "Unknown key in METADATA", "%q is not a key of METADATA.%s The keys are %s.",
					p.name, dialect.DidYouMean(p.name, append(append([]string{}, topKeys...), allowed...)), dialect.Listed(topKeys))
			}
		}
	}
	if md.title == "" {
		r.fail(nil, "Policy has no title", "Add a line `# title: …` to the METADATA block: one short sentence that states what should be.")
	}
	r.custom(kind, md, custom, allowed)
	return md
}

const schemasHint = "The types of input come from the collectors' schemas of the policy's resource_types. Leave schemas out."

func triggerOf(kind Kind) string {
	if kind == KindAlarm {
		return "on"
	}
	return "resource_types"
}

func (r *blockReader) custom(kind Kind, md *metadata, n *yaml.Node, allowed []string) {
	members, ok := pairs(n)
	if !ok && n != nil {
		r.fail(n, "METADATA custom is not a mapping", "Write custom: {severity: high, …}.")
		return
	}
	for _, p := range members {
		if _, twice := md.at[p.name]; twice {
			r.fail(p.key, "METADATA key stands twice", "%q stands twice under custom.", p.name)
			continue
		}
		md.at[p.name] = r.place(p.key)
		if !slices.Contains(allowed, p.name) {
			switch {
			case slices.Contains(topKeys, p.name):
				r.fail(p.key, "METADATA key in the wrong place", "%q belongs beside custom:, not under it.", p.name)
			case slices.Contains(complianceKeys, p.name):
				r.fail(p.key, "METADATA key has no meaning here", "%q is for compliance policies; this is an alarm.", p.name)
			case slices.Contains(alarmKeys, p.name):
				r.fail(p.key, "METADATA key has no meaning here", "%q is for alarms; this is a compliance policy.", p.name)
			default:
				r.fail(p.key, "Unknown key in METADATA", "%q is not a key of custom.%s The keys are %s.",
					p.name, dialect.DidYouMean(p.name, allowed), dialect.Listed(allowed))
			}
			continue
		}
		switch p.name {
		case "severity":
			md.severity = r.severity(p)
		case "resource_types":
			md.resourceTypes, md.typesAt = r.texts(p)
			r.types(p, md.resourceTypes, md.typesAt)
		case "requires":
			md.requires, md.requiresAt = r.texts(p)
			for i, ptr := range md.requires {
				if _, err := shape.Tokens(ptr); err != nil || ptr == "" {
					r.failAt(md.requiresAt[i], "Not a JSON pointer",
						"%q does not begin with a slash. Write the path below the item, like /configuration/encrypted.", ptr)
				}
			}
		case "parameters":
			budget := 10_000
			v, err := yamlValue(p.value, 0, &budget)
			if err != nil {
				r.fail(p.key, "Parameters are not a schema", "The declaration of parameters cannot be read: %v.", err)
				break
			}
			md.parameters = v
		case "controls":
			md.controls = r.controls(p)
		case "remediation":
			md.remediation = strings.TrimSpace(r.text(p))
		case "schedule":
			md.schedule = r.duration(p, time.Minute)
		case "reads_all":
			var at []*diag.Range
			md.readsAll, at = r.texts(p)
			r.types(p, md.readsAll, at)
		case "on":
			md.on = r.on(p)
		case "window":
			md.window = r.window(p)
		case "lateness":
			md.lateness = r.duration(p, 0)
		case "clear_after":
			md.clearAfter = r.duration(p, time.Second)
		}
	}
	if md.at["severity"] == nil {
		r.fail(n, "Policy has no severity", "Add severity under custom: one of critical, high, medium, low, info.")
	}
	if kind == KindCompliance && md.at["resource_types"] == nil {
		r.fail(n, "Policy has no resource types", "Add resource_types under custom: the types that the policy judges, like [AWS::EC2::Volume].")
	}
	if kind == KindAlarm && md.at["on"] == nil {
		r.fail(n, "Alarm does not say over what", "Add `on: event` under custom.")
	}
}

// severity reads one of the five.
func (r *blockReader) severity(p pair) verdict.Severity {
	s := verdict.Severity(strings.TrimSpace(r.text(p)))
	if s.Rank() == len(verdict.Severities) {
		names := make([]string, len(verdict.Severities))
		for i, v := range verdict.Severities {
			names[i] = string(v)
		}
		r.fail(p.value, "Unknown severity", "%q is not a severity.%s The severities are %s.",
			string(s), dialect.DidYouMean(string(s), names), strings.Join(names, ", "))
		return ""
	}
	return s
}

// on reads over what an alarm goes.
func (r *blockReader) on(p pair) string {
	s := r.text(p)
	switch s {
	case "event":
		return s
	case "metric", "log", "compliance", "alarm":
		r.fail(p.value, "Alarm source is not there yet", "This version of Regent raises alarms over events only; %q comes later.", s)
	default:
		r.fail(p.value, "Unknown alarm source", "%q is not something that alarms go over.%s Write `on: event`.",
			s, dialect.DidYouMean(s, []string{"event", "metric", "log", "compliance", "alarm"}))
	}
	return ""
}

// types checks that names look like resource types, because a glob would silently match nothing.
func (r *blockReader) types(p pair, names []string, at []*diag.Range) {
	seen := map[string]bool{}
	for i, t := range names {
		switch {
		case strings.ContainsAny(t, "*?[ "):
			r.failAt(at[i], "Resource types have no wildcards", "%q would match no resource. List the types one by one.", t)
		case strings.Count(t, "::") < 1:
			r.failAt(at[i], "Not a resource type", "%q is not of the form Vendor::Service::Type, like AWS::EC2::Volume.", t)
		case seen[t]:
			r.failAt(at[i], "Resource type stands twice", "%q stands twice in %s.", t, p.name)
		}
		seen[t] = true
	}
	if len(names) == 0 {
		r.fail(p.key, "List of resource types is empty", "Name at least one type in %s, or leave %[1]s out.", p.name)
	}
}
