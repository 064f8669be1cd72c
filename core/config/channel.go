package config

import (
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
)

// Destination is where files go: a folder, or a bucket.
type Destination struct {
	// To is a folder, S3 a bucket; one of them is set.
	To string
	S3 *S3
	// Prefix stands before every key.
	Prefix string
}

// same reports whether files of both would have the same names.
func (d Destination) same(o Destination) bool {
	if d.Prefix != o.Prefix || d.To != o.To || (d.S3 == nil) != (o.S3 == nil) {
		return false
	}
	return d.S3 == nil || d.S3.Endpoint == o.S3.Endpoint && d.S3.Region == o.S3.Region && d.S3.Bucket == o.S3.Bucket && d.S3.Prefix == o.S3.Prefix
}

// Snapshot writes AWS Config's files.
type Snapshot struct {
	Name  string
	Every time.Duration
	// HistoryEvery is how often history files are written.
	HistoryEvery time.Duration
	Destination  Destination
	// Types and Accounts are patterns; empty lists match anything.
	Types, Accounts []string
	Notify          []record.Instance
	Where           diag.Range
}

// Trail writes CloudTrail's files.
type Trail struct {
	Name        string
	Every       time.Duration
	Destination Destination
	Match       TrailMatch
	Notify      []record.Instance
	Where       diag.Range
}

// TrailMatch narrows a trail. Empty lists match anything; strings are patterns.
type TrailMatch struct {
	Source, Account, Action, Outcome, ResourceType []string
}

const (
	historyEvery  = 6 * time.Hour
	snapshotEvery = 24 * time.Hour
	trailEvery    = 5 * time.Minute
)

func (l *loader) snapshot(b *hcl.Block) {
	var raw struct {
		Every        hcl.Expression `hcl:"every,optional"`
		HistoryEvery hcl.Expression `hcl:"history_every,optional"`
		To           hcl.Expression `hcl:"to,optional"`
		Prefix       hcl.Expression `hcl:"prefix,optional"`
		Types        hcl.Expression `hcl:"types,optional"`
		Accounts     hcl.Expression `hcl:"accounts,optional"`
		Notify       hcl.Expression `hcl:"notify,optional"`
		S3           *rawS3         `hcl:"s3,block"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	s := &Snapshot{Name: b.Labels[0], Every: snapshotEvery, HistoryEvery: historyEvery, Where: Range(b.DefRange)}
	l.duration(raw.Every, "every", &s.Every)
	l.duration(raw.HistoryEvery, "history_every", &s.HistoryEvery)
	s.Destination = l.destination(b, raw.To, raw.S3, raw.Prefix)
	s.Types, s.Accounts = l.patterns(raw.Types), l.patterns(raw.Accounts)
	s.Notify = l.told(raw.Notify)
	for _, o := range l.c.Snapshots {
		if o.Destination.same(s.Destination) {
			l.errorf(b.DefRange, "Same destination", "The snapshot %q, at %s, writes to the same place: their history files would have the same names. Give one of them a prefix.", o.Name, o.Where)
		}
	}
	l.c.Snapshots = append(l.c.Snapshots, s)
}

func (l *loader) trail(b *hcl.Block) {
	var raw struct {
		Every  hcl.Expression `hcl:"every,optional"`
		To     hcl.Expression `hcl:"to,optional"`
		Prefix hcl.Expression `hcl:"prefix,optional"`
		Notify hcl.Expression `hcl:"notify,optional"`
		S3     *rawS3         `hcl:"s3,block"`
		Match  *struct {
			Source       hcl.Expression `hcl:"source,optional"`
			Account      hcl.Expression `hcl:"account,optional"`
			Action       hcl.Expression `hcl:"action,optional"`
			Outcome      hcl.Expression `hcl:"outcome,optional"`
			ResourceType hcl.Expression `hcl:"resource_type,optional"`
		} `hcl:"match,block"`
	}
	if !l.once(b) || !l.decode(b, &raw) {
		return
	}
	t := &Trail{Name: b.Labels[0], Every: trailEvery, Where: Range(b.DefRange)}
	l.duration(raw.Every, "every", &t.Every)
	t.Destination = l.destination(b, raw.To, raw.S3, raw.Prefix)
	if m := raw.Match; m != nil {
		t.Match = TrailMatch{
			Source: l.patterns(m.Source), Account: l.patterns(m.Account), Action: l.patterns(m.Action),
			Outcome: l.oneOf(m.Outcome, "outcome", outcomes), ResourceType: l.patterns(m.ResourceType),
		}
	}
	t.Notify = l.told(raw.Notify)
	l.c.Trails = append(l.c.Trails, t)
}

var outcomes = []string{"success", "failure", "unknown"}

// told is notifiers for an attribute that may be left out.
func (l *loader) told(e hcl.Expression) []record.Instance {
	if l.unset(e) {
		return nil
	}
	return l.notifiers(e, "notify")
}

// unset reports whether an attribute is left out. References to plugins are no values, and so are not null.
func (l *loader) unset(e hcl.Expression) bool {
	v, diags := e.Value(l.eval)
	return !diags.HasErrors() && v.IsNull()
}

func notInKeys(r rune) bool { return r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar }

// destination reads where files go.
func (l *loader) destination(b *hcl.Block, to hcl.Expression, bucket *rawS3, prefix hcl.Expression) (d Destination) {
	if s, rng, ok := l.text(to); ok {
		d.To = l.path(s, rng)
		if bucket != nil {
			l.errorf(bucket.Range, "Two destinations", "The %s has a folder in to already, at %s; leave one of them out.", b.Type, Range(rng))
		}
	}
	if bucket != nil {
		d.S3 = l.s3(bucket)
	}
	if bucket == nil && l.unset(to) {
		l.errorf(b.DefRange, "Missing destination", "Set to to a folder, such as \"/srv/regent\", or add an s3 block.")
	}
	if s, rng, ok := l.text(prefix); ok {
		d.Prefix = strings.Trim(s, "/")
		for _, part := range strings.Split(d.Prefix, "/") {
			if d.Prefix != "" && (part == "" || part == "." || part == ".." || len(part) > 255 || len(d.Prefix) > 512 || strings.ContainsFunc(part, notInKeys)) {
				l.errorf(rng, "Invalid prefix", "%q is not a prefix of keys: its parts between the slashes are names, without backslashes and control characters, of 512 bytes in all at most.", s)
				break
			}
		}
	}
	return d
}
