package config

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/lake/table"
)

// Lake says where the history lies.
type Lake struct {
	// Path is the folder of the lake; where S3 is set, the lake is there instead.
	Path string
	// DrainEvery is how often what was recorded goes from the journal to the lake.
	DrainEvery time.Duration
	// CacheBytes is how much of a bucket may be held in a folder of this machine.
	CacheBytes int64
	S3         *S3
}

// S3 is a bucket of a server that speaks S3.
type S3 struct {
	// Endpoint is a URL; empty for AWS.
	Endpoint string
	Region   string
	Bucket   string
	// Prefix comes before all keys and has no slash at its end.
	Prefix string
	// The keys are empty where they come from the environment or the machine's role.
	AccessKey, SecretKey, SessionToken Secret
	// PathStyle puts the bucket's name into the path instead of the host's name.
	PathStyle bool
	CAFile    string
	// Insecure allows an endpoint without TLS.
	Insecure bool
	// Timeout is how long a request may go without a byte in either direction, 0 where it is not set.
	Timeout time.Duration
}

// Equal reports whether two say the same, secrets included.
func (x Lake) Equal(y Lake) bool {
	if (x.S3 == nil) != (y.S3 == nil) || x.S3 != nil && *x.S3 != *y.S3 {
		return false
	}
	x.S3, y.S3 = nil, nil
	return x == y
}

// Retention says how long things are kept; zero means for ever.
type Retention struct {
	Events, Versions, Verdicts, Findings, Causes, Quarantine, Deliveries, Alarms, Gaps time.Duration
}

// mostEvents is how long events are kept at most: ten years, with their leap days.
const mostEvents = 3653 * day

// defaultRetention keeps what auditors ask for: how things were for ever, since the current version of a
// resource may be years old, and what was said of them for three yearly audits. Events are most of the
// bytes and are asked for while something is looked into.
func defaultRetention() Retention {
	return Retention{
		Events: 90 * day, Verdicts: 3 * 365 * day, Findings: 3 * 365 * day, Causes: 3 * 365 * day,
		Quarantine: 30 * day, Deliveries: 30 * day, Alarms: 365 * day, Gaps: 3 * 365 * day,
	}
}

// setting is one line of the retention block.
type setting struct {
	name string
	keep *time.Duration
}

// settings lists the tables of the lake with their settings.
func (r *Retention) settings() map[table.Name]setting {
	return map[table.Name]setting{
		table.Events: {"events", &r.Events}, table.Items: {"versions", &r.Versions}, table.Verdicts: {"verdicts", &r.Verdicts},
		table.Findings: {"findings", &r.Findings}, table.Causes: {"causes", &r.Causes}, table.Quarantines: {"quarantine", &r.Quarantine},
		table.Deliveries: {"deliveries", &r.Deliveries}, table.Alarms: {"alarms", &r.Alarms}, table.Gaps: {"gaps", &r.Gaps},
	}
}

// Table returns how long a table of the lake is kept, zero meaning for ever, and the setting that says so,
// as the manifest pins it.
func (r Retention) Table(name table.Name) (keep time.Duration, text string) {
	s := r.settings()[name]
	if *s.keep == 0 {
		return 0, fmt.Sprintf("retention.%s = %q", s.name, forever)
	}
	return *s.keep, fmt.Sprintf("retention.%s = %q", s.name, *s.keep)
}

// forever keeps things for ever.
const forever = "forever"

func (l *loader) retention(b *hcl.Block) {
	var raw struct {
		Events     hcl.Expression `hcl:"events,optional"`
		Versions   hcl.Expression `hcl:"versions,optional"`
		Verdicts   hcl.Expression `hcl:"verdicts,optional"`
		Findings   hcl.Expression `hcl:"findings,optional"`
		Causes     hcl.Expression `hcl:"causes,optional"`
		Quarantine hcl.Expression `hcl:"quarantine,optional"`
		Deliveries hcl.Expression `hcl:"deliveries,optional"`
		Alarms     hcl.Expression `hcl:"alarms,optional"`
		Gaps       hcl.Expression `hcl:"gaps,optional"`
	}
	if !l.decode(b, &raw) {
		return
	}
	given := map[string]hcl.Expression{
		"events": raw.Events, "versions": raw.Versions, "verdicts": raw.Verdicts, "findings": raw.Findings, "causes": raw.Causes,
		"quarantine": raw.Quarantine, "deliveries": raw.Deliveries, "alarms": raw.Alarms, "gaps": raw.Gaps,
	}
	for _, s := range l.c.Retention.settings() {
		text, rng, ok := l.text(given[s.name])
		if !ok {
			continue
		}
		if text == forever {
			*s.keep = 0
		} else {
			l.duration(given[s.name], s.name, s.keep)
		}
		if s.name == "events" && (*s.keep == 0 || *s.keep > mostEvents) {
			l.errorf(rng, "Events kept too long", "Events are kept at most 10 years (3653d), not %s. `regent export` writes what should outlive that.", text)
		}
	}
}

// The bounds of what an operator may set.
const (
	leastDrain, mostDrain = time.Second, time.Hour
	leastCache            = 64 << 20
)

func (l *loader) lake(b *hcl.Block) {
	var raw struct {
		Path       hcl.Expression `hcl:"path,optional"`
		DrainEvery hcl.Expression `hcl:"drain_every,optional"`
		CacheSize  hcl.Expression `hcl:"cache_size,optional"`
		S3         *rawS3         `hcl:"s3,block"`
	}
	if !l.decode(b, &raw) {
		return
	}
	lake := &l.c.Lake
	path, at, given := l.text(raw.Path)
	if given {
		lake.Path = l.path(path, at)
		l.lakePath(path, at)
	}
	before := lake.DrainEvery
	l.duration(raw.DrainEvery, "drain_every", &lake.DrainEvery)
	if d := lake.DrainEvery; d < leastDrain || d > mostDrain {
		l.errorf(raw.DrainEvery.Range(), "Invalid drain_every", "The journal is drained every %s to %s, not every %s. It is drained before each query besides.", leastDrain, mostDrain, d)
		lake.DrainEvery = before
	}
	if s, rng, ok := l.text(raw.CacheSize); ok {
		n, err := humanize.ParseBytes(s)
		switch {
		case err != nil || n > 1<<62:
			l.errorf(rng, "Invalid size", "cache_size: %q is not a size such as \"512MiB\" or \"10GiB\".", s)
		case n < leastCache:
			l.errorf(rng, "Cache too small", "cache_size: %s is less than 64MiB, which a single file of the lake may need.", s)
		default:
			lake.CacheBytes = int64(n)
		}
		if raw.S3 == nil {
			r := Range(rng)
			l.problems.Warnf(&r, "Cache without a bucket", "cache_size is for a lake in a bucket; one in a folder is read where it lies.")
		}
	}
	if raw.S3 == nil {
		return
	}
	if given {
		l.errorf(at, "Lake in two places", "The lake is in the folder that path names, or in the bucket of the s3 block; set one of them.")
	}
	lake.S3 = l.s3(raw.S3)
}

// lakePath keeps the lake apart from what else there is: a folder of its own can be listed, verified,
// copied and mounted on its own.
func (l *loader) lakePath(given string, rng hcl.Range) {
	p := l.c.Lake.Path
	if info, err := os.Stat(p); err == nil && !info.IsDir() {
		l.errorf(rng, "Not a folder", "path: %q is a file; the lake needs a folder.", given)
	}
	if l.c.DataDir == "" {
		return
	}
	if rel, err := filepath.Rel(p, l.c.DataDir); err == nil && filepath.IsLocal(rel) {
		l.errorf(rng, "Lake around the data folder", "path: %q has the data folder in it; the lake needs a folder with nothing else, such as %q.", given, given+"/lake")
	}
}

type rawS3 struct {
	Endpoint     hcl.Expression `hcl:"endpoint,optional"`
	Region       hcl.Expression `hcl:"region,optional"`
	Bucket       hcl.Expression `hcl:"bucket"`
	Prefix       hcl.Expression `hcl:"prefix,optional"`
	AccessKey    hcl.Expression `hcl:"access_key,optional"`
	SecretKey    hcl.Expression `hcl:"secret_key,optional"`
	SessionToken hcl.Expression `hcl:"session_token,optional"`
	PathStyle    hcl.Expression `hcl:"path_style,optional"`
	CAFile       hcl.Expression `hcl:"ca_file,optional"`
	Insecure     hcl.Expression `hcl:"insecure,optional"`
	Timeout      hcl.Expression `hcl:"timeout,optional"`
	Range        hcl.Range      `hcl:",def_range"`
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)

func (l *loader) s3(raw *rawS3) *S3 {
	out := &S3{}
	l.duration(raw.Timeout, "timeout", &out.Timeout)
	if _, rng, ok := l.text(raw.Timeout); ok && (out.Timeout < time.Second || out.Timeout > 10*time.Minute) {
		l.errorf(rng, "Invalid timeout", "A bucket may take from 1s to 10m to send or take the next byte.")
	}
	l.flag(raw.Insecure, &out.Insecure)
	if s, rng, ok := l.text(raw.Bucket); ok {
		if !bucketName.MatchString(s) || strings.Contains(s, "..") {
			l.errorf(rng, "Invalid bucket", "%q is no name of a bucket: 3 to 63 letters, digits, dots and dashes, without s3:// before and a prefix after it.", s)
		}
		out.Bucket = s
	}
	_, _, hasEndpoint := l.text(raw.Endpoint)
	if hasEndpoint {
		out.Endpoint = l.endpoint(raw.Endpoint, out.Insecure)
	}
	out.Region, _, _ = l.text(raw.Region)
	if !hasEndpoint && out.Region == "" {
		l.errorf(raw.Range, "Bucket without a place", "Set endpoint to the URL of the server, such as \"https://minio.example.com:9000\", or, for AWS, region.")
	}
	if s, rng, ok := l.text(raw.Prefix); ok {
		out.Prefix = strings.TrimSuffix(s, "/")
		if parts := strings.Split(out.Prefix, "/"); slices.Contains(parts, "") || slices.Contains(parts, ".") || slices.Contains(parts, "..") {
			l.errorf(rng, "Invalid prefix", "%q is not a path such as \"regent/prod\", without a slash before it and without empty parts or dots.", s)
		}
	}
	var access, secret bool
	before := len(l.problems)
	out.AccessKey, access = l.secret(raw.AccessKey)
	out.SecretKey, secret = l.secret(raw.SecretKey)
	out.SessionToken, _ = l.secret(raw.SessionToken)
	// A variable without a value was reported where it is.
	if (access != secret || access && (out.AccessKey == "") != (out.SecretKey == "")) && len(l.problems) == before {
		l.errorf(raw.Range, "Incomplete credentials", "access_key and secret_key belong together. Without both they come from the environment, ~/.aws/credentials or the role of the machine.")
	}
	// AWS wants the name in the host's name, most others cannot; and a certificate for all buckets does not
	// count for names with dots.
	out.PathStyle = hasEndpoint && !strings.Contains(out.Endpoint, ".amazonaws.com") || strings.Contains(out.Bucket, ".")
	l.flag(raw.PathStyle, &out.PathStyle)
	if s, rng, ok := l.text(raw.CAFile); ok {
		out.CAFile = l.path(s, rng)
		pem, err := os.ReadFile(out.CAFile)
		if err != nil {
			l.errorf(rng, "CA file not readable", "%v.", err)
		} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			l.errorf(rng, "Invalid CA file", "%s holds no certificate in PEM.", out.CAFile)
		}
	}
	return out
}

// endpoint reads the URL of a server.
func (l *loader) endpoint(e hcl.Expression, insecure bool) string {
	s, rng, _ := l.text(e)
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		l.errorf(rng, "Invalid endpoint", "endpoint is a URL with a host and nothing after it, such as \"https://minio.example.com:9000\".")
	case u.Scheme == "http" && !insecure:
		l.errorf(rng, "Endpoint without TLS", "Who listens on the way could read what is recorded and the keys' signatures. Use https, or allow it with insecure = true.")
	}
	return strings.TrimSuffix(s, "/")
}
