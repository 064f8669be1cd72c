package host

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/record"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// DescribeOptions say which plugin to describe.
type DescribeOptions struct {
	// Path is the binary, SHA256 what it must be; "" takes any content. Env is as in Spec.
	Path, SHA256 string
	Env          []string
	// RunDir and Log are as in Options; (*Host).Describe takes its own.
	RunDir string
	Log    *slog.Logger
	Timing Timing
}

// Describe launches a plugin, asks it what it is, and stops it. It also returns the SHA-256 of the
// binary in hexadecimal. A daemon that runs uses (*Host).Describe, which remembers.
func Describe(ctx context.Context, o DescribeOptions) (*pluginv1.DescribeResponse, string, error) {
	b, err := newBase(o.RunDir, "", o.Log, o.Timing)
	if err != nil {
		return nil, "", err
	}
	d, sum, err := b.describe(ctx, o)
	return d, sum, errors.Join(err, b.close())
}

// Describe is like the function of that name. A binary that was described before is not launched
// again, only read; the answer must not be changed.
func (h *Host) Describe(ctx context.Context, o DescribeOptions) (*pluginv1.DescribeResponse, string, error) {
	return h.base.describe(ctx, o)
}

func (b *base) describe(ctx context.Context, o DescribeOptions) (*pluginv1.DescribeResponse, string, error) {
	im, err := b.images.open(o.Path, o.SHA256)
	if err != nil {
		return nil, "", err
	}
	defer im.release()
	if d := b.described.get(im); d != nil {
		return d, im.sum, nil
	}
	s, err := b.connect(ctx, connectOptions{image: im, env: o.Env, dir: b.private.path, log: b.log.With("plugin", o.Path)})
	if err != nil {
		return nil, im.sum, fmt.Errorf("describe plugin %s: %w", o.Path, err)
	}
	s.shutdown(ctx, b.timing.Grace)
	s.release()
	<-s.settled
	return s.described, im.sum, nil
}

// maxDescriptions bounds the answers that are remembered.
const maxDescriptions = 64

// descriptions remembers what binaries said of themselves, by their sums. It is safe for concurrent
// use.
type descriptions struct {
	mu    sync.Mutex
	bySum map[string]*list.Element
	// used holds *description, the most recently used first.
	used *list.List
}

type description struct {
	sum string
	d   *pluginv1.DescribeResponse
}

func newDescriptions() *descriptions {
	return &descriptions{bySum: map[string]*list.Element{}, used: list.New()}
}

// get returns nil for an image that was not described yet. A script's sum says nothing about the
// modules that it loads, so it is asked each time.
func (ds *descriptions) get(im *image) *pluginv1.DescribeResponse {
	if im.script {
		return nil
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	e := ds.bySum[im.sum]
	if e == nil {
		return nil
	}
	ds.used.MoveToFront(e)
	return e.Value.(*description).d
}

// put remembers an answer, and reports whether an earlier one was different: a plugin must say the
// same each time, because its configuration was read by an earlier answer.
func (ds *descriptions) put(im *image, d *pluginv1.DescribeResponse) (changed bool) {
	if im.script {
		return false
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if e := ds.bySum[im.sum]; e != nil {
		old := e.Value.(*description)
		changed = !proto.Equal(old.d, d)
		old.d = d
		ds.used.MoveToFront(e)
		return changed
	}
	ds.bySum[im.sum] = ds.used.PushFront(&description{im.sum, d})
	if last := ds.used.Back(); ds.used.Len() > maxDescriptions {
		delete(ds.bySum, last.Value.(*description).sum)
		ds.used.Remove(last)
	}
	return false
}

// maxNesting bounds how deep the blocks of a configuration schema may be nested.
const maxNesting = 16

// checkDescription refuses a description that the rest of the daemon could not rely on. All that is
// wrong is said at once.
func checkDescription(d *pluginv1.DescribeResponse) error {
	var errs []error
	add := func(format string, args ...any) {
		if len(errs) < 20 {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	show := func(s string) string { return printable([]byte(s), maxKey) }
	if d.GetName() == "" {
		add("it has no name")
	}
	if !slices.ContainsFunc(d.GetRoles(), func(r pluginv1.Role) bool {
		return r == pluginv1.Role_ROLE_COLLECTOR || r == pluginv1.Role_ROLE_NOTIFIER || r == pluginv1.Role_ROLE_QUERY_ENGINE
	}) {
		add("it has no role that this version knows; it names %v", d.GetRoles())
	}
	pointers := func(what string, ps []string) {
		if _, err := record.NewPaths(ps...); err != nil {
			// A sensitive path that does not lead anywhere would let a secret through.
			add("%s: %w", what, err)
		}
	}
	seen := map[string]bool{}
	for _, t := range d.GetResourceTypes() {
		switch name := t.GetType(); {
		case name == "":
			add("it declares a resource type without a name")
		case seen[name]:
			add("it declares resource type %s twice", show(name))
		case len(t.GetSchema()) > 0 && !json.Valid(t.GetSchema()):
			add("the schema of resource type %s is not JSON", show(name))
		}
		seen[t.GetType()] = true
		pointers("volatile paths of "+show(t.GetType()), t.GetVolatile())
		pointers("sensitive paths of "+show(t.GetType()), t.GetSensitive())
	}
	seen = map[string]bool{}
	for _, s := range d.GetEventSources() {
		switch name := s.GetSource(); {
		case name == "":
			add("it declares an event source without a name")
		case seen[name]:
			add("it declares event source %s twice", show(name))
		case len(s.GetSchema()) > 0 && !json.Valid(s.GetSchema()):
			add("the schema of event source %s is not JSON", show(name))
		}
		seen[s.GetSource()] = true
		pointers("sensitive paths of "+show(s.GetSource()), s.GetSensitive())
	}
	checkConfigSchema(d.GetConfig(), "", 0, add)
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("what the plugin says of itself cannot be used: %w", errors.Join(errs...))
}

func checkConfigSchema(s *pluginv1.ConfigSchema, at string, depth int, add func(string, ...any)) {
	if depth > maxNesting {
		add("the configuration schema is nested deeper than %d blocks", maxNesting)
		return
	}
	show := func(s string) string { return printable([]byte(s), maxKey) }
	seen := map[string]bool{}
	name := func(n string) string {
		switch {
		case n == "":
			add("an attribute or block in the configuration schema%s has no name", at)
		case seen[n]:
			add("the configuration schema%s has %s twice", at, show(n))
		}
		seen[n] = true
		return show(n)
	}
	for _, a := range s.GetAttributes() {
		n := name(a.GetName())
		if len(a.GetDefaultJson()) > 0 && !json.Valid(a.GetDefaultJson()) {
			add("the default of attribute %s%s is not JSON", n, at)
		}
	}
	for _, b := range s.GetBlocks() {
		n := name(b.GetName())
		checkConfigSchema(b.GetSchema(), " of block "+n, depth+1, add)
	}
}
