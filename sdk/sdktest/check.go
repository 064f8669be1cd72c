package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
)

// Options say how a plugin is checked.
type Options struct {
	// Config is a configuration that the plugin accepts, as a JSON object.
	Config json.RawMessage
	// Watch is how long a collector is listened to; 0 means three seconds.
	Watch time.Duration
	// Interval is the instance's interval, 0 for none.
	Interval time.Duration
	// Skip names checks to leave out.
	Skip []string
}

// Result is what one check found.
type Result struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// stopGrace is how long a plugin may take to stop.
const stopGrace = 10 * time.Second

type suite struct {
	ctx      context.Context
	target   target
	o        Options
	describe *pluginv1.DescribeResponse
	results  []Result
}

// Check runs every check that fits the plugin's roles over a program.
func Check(ctx context.Context, program string, o Options) []Result {
	return check(ctx, binary(program), o)
}

func check(ctx context.Context, t target, o Options) []Result {
	if o.Watch <= 0 {
		o.Watch = 3 * time.Second
	}
	if len(o.Config) == 0 {
		o.Config = json.RawMessage("{}")
	}
	s := &suite{ctx: ctx, target: t, o: o}
	if !s.run("describe", s.describes) || s.describe == nil {
		return s.results
	}
	s.run("describe-without-handshake", s.describesByHand)
	s.run("config-unknown", s.refusesUnknown)
	s.run("config-required", s.refusesMissing)
	s.run("config", s.accepts)
	for _, role := range s.describe.GetRoles() {
		switch role {
		case pluginv1.Role_ROLE_COLLECTOR:
			s.run("collect", s.collects)
			s.run("collect-cancel", s.cancels)
		case pluginv1.Role_ROLE_NOTIFIER:
			s.run("notify", s.notifies)
		case pluginv1.Role_ROLE_QUERY_ENGINE:
			s.run("query", s.answers)
			s.run("query-errors", s.refusesQueries)
			s.run("query-tables", s.namesTables)
			s.run("query-cancel", s.cancelsQuery)
		}
	}
	s.run("stop", s.stops)
	s.run("stdin", s.endsWithStdin)
	return s.results
}

func (s *suite) run(name string, fn func() (string, error)) bool {
	if slices.Contains(s.o.Skip, name) {
		s.results = append(s.results, Result{Name: name, OK: true, Skipped: true})
		return true
	}
	detail, err := fn()
	if errors.Is(err, errNoProgram) {
		s.results = append(s.results, Result{Name: name, OK: true, Skipped: true, Detail: err.Error()})
		return true
	}
	if err != nil {
		detail = err.Error()
	}
	s.results = append(s.results, Result{Name: name, OK: err == nil, Detail: detail})
	return err == nil
}

// with starts the plugin for one check.
func (s *suite) with(fn func(ctx context.Context, p *session) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute+s.o.Watch)
	defer cancel()
	p, err := s.target.start(ctx)
	if err != nil {
		return "", err
	}
	defer p.kill()
	detail, err := fn(ctx, p)
	if out := p.noise.String(); err == nil && out != "" {
		err = fmt.Errorf("standard output must stay silent after the handshake, and held %q", cut(out))
	}
	return detail, err
}

func (s *suite) configure(ctx context.Context, p *session, config json.RawMessage) ([]*pluginv1.Problem, error) {
	dir, err := os.MkdirTemp(p.dir, "state")
	if err != nil {
		return nil, err
	}
	return p.configure(ctx, "probe.probe.probe", config, dir, s.o.Interval)
}

func (s *suite) ready(ctx context.Context, p *session) error {
	problems, err := s.configure(ctx, p, s.o.Config)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if len(problems) > 0 {
		return fmt.Errorf("the configuration is refused: %s %v: %s", problems[0].GetSummary(), problems[0].GetPath(), problems[0].GetDetail())
	}
	return nil
}

func (s *suite) describes() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		d, err := p.plugin().Describe(ctx, &pluginv1.DescribeRequest{})
		if err != nil {
			return "", err
		}
		again, err := p.plugin().Describe(ctx, &pluginv1.DescribeRequest{})
		switch {
		case err != nil:
			return "", err
		case !proto.Equal(d, again):
			return "", errors.New("two answers differ")
		case d.GetName() == "" || d.GetVersion() == "" || len(d.GetRoles()) == 0:
			return "", errors.New("name, version and roles must be there")
		}
		for _, t := range d.GetResourceTypes() {
			if strings.Count(t.GetType(), "::") != 2 {
				return "", fmt.Errorf("resource type %q is not Vendor::Service::Type", t.GetType())
			}
			if len(t.GetSchema()) > 0 {
				if _, err := compile(t.GetType(), t.GetSchema()); err != nil {
					return "", fmt.Errorf("schema of %s: %w", t.GetType(), err)
				}
			}
		}
		s.describe = d
		return fmt.Sprintf("%s %s", d.GetName(), d.GetVersion()), nil
	})
}

func (s *suite) describesByHand() (string, error) {
	out, err := s.target.byHand(s.ctx)
	if err != nil {
		return "", err
	}
	var d pluginv1.DescribeResponse
	if err := protojson.Unmarshal(out, &d); err != nil {
		return "", fmt.Errorf("`describe` prints no description: %w", err)
	}
	if !proto.Equal(&d, s.describe) {
		return "", errors.New("what is printed differs from what the call answers")
	}
	return "", nil
}

func (s *suite) refusesUnknown() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		var config map[string]any
		if err := json.Unmarshal(s.o.Config, &config); err != nil {
			return "", fmt.Errorf("the configuration that was given is no JSON object: %w", err)
		}
		const name = "an_attribute_that_nobody_has"
		config[name] = 1
		raw, err := json.Marshal(config)
		if err != nil {
			return "", err
		}
		return "", s.refused(ctx, p, raw, name)
	})
}

func (s *suite) refusesMissing() (string, error) {
	n := 0
	for _, a := range s.describe.GetConfig().GetAttributes() {
		if !a.GetRequired() {
			continue
		}
		n++
		_, err := s.with(func(ctx context.Context, p *session) (string, error) {
			var config map[string]any
			if err := json.Unmarshal(s.o.Config, &config); err != nil {
				return "", err
			}
			delete(config, a.GetName())
			raw, err := json.Marshal(config)
			if err != nil {
				return "", err
			}
			return "", s.refused(ctx, p, raw, a.GetName())
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d required attributes", n), nil
}

// refused wants a problem at an attribute.
func (s *suite) refused(ctx context.Context, p *session, config json.RawMessage, attribute string) error {
	problems, err := s.configure(ctx, p, config)
	if err != nil {
		return fmt.Errorf("configure must answer with problems, not fail: %w", err)
	}
	for _, pr := range problems {
		if len(pr.GetPath()) > 0 && pr.GetPath()[0] == attribute {
			return nil
		}
	}
	return fmt.Errorf("no problem is reported at %q", attribute)
}

func (s *suite) accepts() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) { return "", s.ready(ctx, p) })
}

// listen takes what a collector says for a while, slowly at first, and checks it.
func (s *suite) listen(ctx context.Context, p *session, cursor []byte) (*transcript, error) {
	h, err := newTranscript(s.describe)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Watch)
	defer cancel()
	stream, err := p.collector().Collect(ctx, &pluginv1.CollectRequest{Cursor: cursor})
	if err != nil {
		return h, err
	}
	for n := 0; ; n++ {
		m, err := stream.Recv()
		// The end of our own deadline may be told before our context knows of it.
		if code := status.Code(err); errors.Is(err, io.EOF) || ctx.Err() != nil || err != nil && (code == codes.DeadlineExceeded || code == codes.Canceled) {
			return h, nil
		}
		if err != nil {
			return h, fmt.Errorf("collect: %w; standard error: %s", err, cut(p.stderr.String()))
		}
		if err := h.take(m); err != nil {
			return h, err
		}
		if n < 5 {
			// A reader that is behind must lose nothing.
			t := time.NewTimer(20 * time.Millisecond)
			<-t.C
		}
	}
}

func (s *suite) collects() (string, error) {
	var first *transcript
	detail, err := s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		var err error
		first, err = s.listen(ctx, p, nil)
		return first.counts(), err
	})
	if err != nil || first.cursor == nil {
		return detail, err
	}
	// From its own cursor it must go on without failing.
	_, err = s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		_, err := s.listen(ctx, p, first.cursor)
		return "", err
	})
	return detail, err
}

func (s *suite) cancels() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		call, cancel := context.WithCancel(ctx)
		stream, err := p.collector().Collect(call, &pluginv1.CollectRequest{})
		if err != nil {
			cancel()
			return "", err
		}
		_, _ = stream.Recv()
		cancel()
		// The plugin must be free for another run: Stop returns once Collect has.
		start := time.Now()
		stop, done := context.WithTimeout(ctx, 3*time.Second)
		defer done()
		if _, err := p.plugin().Stop(stop, &pluginv1.StopRequest{GraceMs: 2500}); err != nil {
			return "", fmt.Errorf("the call of Collect goes on after its stream was cancelled: %w", err)
		}
		if d := time.Since(start); d > time.Second {
			return "", fmt.Errorf("the call of Collect took %s to return after its stream was cancelled; a second is allowed", d.Round(time.Millisecond))
		}
		return "", nil
	})
}

func (s *suite) notifies() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		var ns []*pluginv1.Notification
		for _, id := range []string{"probe-1", "probe-2", "probe-1"} {
			doc := fmt.Sprintf(`{"id":%q,"time":"2026-01-01T00:00:00Z","source":"regent://probe","route":"probe","instance":"probe.probe.probe","class":"health","status":"changed","title":"A probe","text":"This is a probe.","groupKey":"probe","changes":[],"generation":1}`, id)
			ns = append(ns, &pluginv1.Notification{Id: id, Json: []byte(doc), Attempt: 1})
		}
		r, err := p.notifier().Notify(ctx, &pluginv1.NotifyRequest{Notifications: ns})
		if err != nil {
			return "", err
		}
		if len(r.GetResults()) != len(ns) {
			return "", fmt.Errorf("%d answers for %d notifications", len(r.GetResults()), len(ns))
		}
		var outcomes []string
		for _, x := range r.GetResults() {
			if x.GetOutcome() == pluginv1.NotifyResult_OUTCOME_UNSPECIFIED {
				return "", errors.New("an answer has no outcome")
			}
			outcomes = append(outcomes, strings.ToLower(strings.TrimPrefix(x.GetOutcome().String(), "OUTCOME_")))
		}
		return strings.Join(outcomes, ", "), nil
	})
}

func (s *suite) stops() (string, error) {
	return s.with(func(ctx context.Context, p *session) (string, error) {
		if err := s.ready(ctx, p); err != nil {
			return "", err
		}
		start := time.Now()
		call, cancel := context.WithTimeout(ctx, stopGrace)
		defer cancel()
		_, err := p.plugin().Stop(call, &pluginv1.StopRequest{GraceMs: stopGrace.Milliseconds()})
		if err != nil && status.Code(err) != codes.Unavailable {
			return "", err
		}
		return time.Since(start).Round(time.Millisecond).String(), nil
	})
}

func (s *suite) endsWithStdin() (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	p, err := s.target.start(ctx)
	if err != nil {
		return "", err
	}
	defer p.kill()
	if err := p.hangUp(); err != nil {
		return "", err
	}
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case <-p.gone:
		return "", nil
	case <-t.C:
		return "", errors.New("the plugin goes on after its standard input was closed: it would outlive a daemon that dies")
	}
}

func cut(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
