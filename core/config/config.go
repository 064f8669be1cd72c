package config

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/regent-dev/regent/core/diag"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// Config is the whole configuration.
type Config struct {
	// Path is what was loaded; Files are the files that were read.
	Path  string
	Files []string
	// Digest is over the names and bytes of the files and over the variables.
	Digest record.Digest

	DataDir   string
	PluginDir string
	// RunDir holds the plugins' sockets.
	RunDir string
	// NotifyMaxAge is the age beyond which a record changes state and is not notified.
	NotifyMaxAge time.Duration
	Log          Log
	API          API
	Lake         Lake
	Proof        Proof
	Retention    Retention
	Query        Query
	Cause        Cause
	Policies     Policies
	Plugins      map[string]*Plugin
	Collectors   []*Instance
	Notifiers    []*Instance
	Overrides    map[verdict.PolicyID]*Policy
	Waivers      []*Waiver
	Routes       []*Route
	Snapshots    []*Snapshot
	Trails       []*Trail

	eval *hcl.EvalContext
}

// Log says how the daemon logs.
type Log struct {
	Level  string
	Format string
}

// API says where the daemon listens.
type API struct {
	// Socket is the path of the Unix socket.
	Socket    string
	Listeners []Listener
	Tokens    []Token
}

// Listener is a TCP address.
type Listener struct {
	Address  string
	TLSCert  string
	TLSKey   string
	Insecure bool
	Where    diag.Range
}

// Token is a bearer token.
type Token struct {
	Name   string
	Role   string
	SHA256 string
	Where  diag.Range
}

// Cause says how far from a version's capture events are looked for that tell who made it.
type Cause struct {
	Before, After time.Duration
}

// Policies says which policies are loaded.
type Policies struct {
	// Paths are folders or files.
	Paths []string
	// Builtin are patterns over the ids of the policies that come with Regent.
	Builtin []string
}

// Plugin says where a plugin's program is.
type Plugin struct {
	Name   string
	Path   string
	SHA256 string
	// SHA256Where is where the pin stands.
	SHA256Where diag.Range
	Env         []string
	Where       diag.Range
}

// Instance is a configured plugin.
type Instance struct {
	Role   string
	Plugin string
	Label  string
	ID     record.Instance
	Every  time.Duration
	// Body is the config block; nil where there is none.
	Body  hcl.Body
	Where diag.Range
	// Config is the config block as JSON; Bind sets it.
	Config json.RawMessage
	// Digest is over the block's text.
	Digest record.Digest

	block *hcl.Block
}

// Policy overrides what a policy says of itself.
type Policy struct {
	ID              verdict.PolicyID
	Severity        verdict.Severity
	Parameters      json.RawMessage
	Disabled        bool
	Labels          map[string]string
	Where           diag.Range
	ParametersWhere *diag.Range
}

// Waiver accepts findings until a day.
type Waiver struct {
	Name         string
	Policy       string
	Resource     string
	ResourceType string
	Account      string
	Owner        string
	Reason       string
	// Expires is the end of the last day, in UTC.
	Expires time.Time
	Where   diag.Range
}

// Route says which changes go where.
type Route struct {
	Name          string
	On            []verdict.Class
	Match         Match
	GroupBy       []string
	GroupWait     time.Duration
	GroupInterval time.Duration
	Repeat        time.Duration
	SendResolved  bool
	// WaitForActor is how long a finding is held back for who caused it to become known, FollowUp whether
	// that is told later where it was not known in time.
	WaitForActor time.Duration
	FollowUp     bool
	Notify       []record.Instance
	Where        diag.Range
}

// Match narrows a route. Empty lists match anything; strings are patterns.
type Match struct {
	Severity     []string
	Policy       []string
	ResourceType []string
	Account      []string
	Region       []string
	Action       []string
	Labels       map[string]string
}

// PluginBinary returns the program of a plugin in a role, its pin and the environment it may see.
func (c *Config) PluginBinary(role, plugin string) (path, sha256 string, env []string) {
	if p := c.Plugins[plugin]; p != nil {
		if p.Path != "" {
			return p.Path, p.SHA256, p.Env
		}
		return joinBinary(c.PluginDir, role, plugin), p.SHA256, p.Env
	}
	return joinBinary(c.PluginDir, role, plugin), "", nil
}

// Instances returns collectors and notifiers together.
func (c *Config) Instances() []*Instance {
	return append(append([]*Instance{}, c.Collectors...), c.Notifiers...)
}

// Restart returns what changed against the configuration in force that takes effect only when the
// daemon is started again.
func (c *Config) Restart(old *Config) []string {
	var out []string
	if c.DataDir != old.DataDir {
		out = append(out, "data_dir")
	}
	if c.RunDir != old.RunDir {
		out = append(out, "run_dir")
	}
	if a, b := asJSON(c.API), asJSON(old.API); a != b {
		out = append(out, "api")
	}
	if c.Log != old.Log {
		out = append(out, "log")
	}
	if !c.Lake.Equal(old.Lake) {
		out = append(out, "lake")
	}
	if c.Proof.KeyFile != old.Proof.KeyFile || !slices.Equal(c.Proof.Previous, old.Proof.Previous) {
		out = append(out, "proof")
	}
	return out
}

func asJSON(v any) string {
	// The types hold nothing that JSON lacks.
	b, _ := json.Marshal(v)
	return string(b)
}
