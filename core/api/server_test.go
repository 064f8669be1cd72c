package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/regent-dev/regent/core/cause"
	"github.com/regent-dev/regent/core/pipeline"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	"github.com/regent-dev/regent/core/verdict"
)

// t0 is the time of every test.
var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// daemon is what the API asks of one, over a real store.
type daemon struct {
	Backend
	mu     sync.Mutex
	audits []Audit
	// ready, reload and retry are what the functions of those names answer.
	ready, reload error
	retry         func(ctx context.Context, id string) error
}

// journal looks events up in the store.
type journal struct{ s *store.Store }

func (j journal) Events(ctx context.Context, f store.EventFilter) (page []store.EventRow, next string, err error) {
	err = j.s.View(ctx, func(tx *store.Tx) (err error) { page, next, err = tx.Events(f); return err })
	return page, next, err
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	reg := prometheus.NewRegistry()
	pipeline.NewMetrics(reg)
	d := &daemon{}
	causes := cause.New(cause.Options{Store: s, Events: journal{s}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return t0 }})
	d.Backend = Backend{
		Causes: causes,
		Store:  s, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return t0 },
		Status:     func(context.Context) (Status, error) { return Status{Version: "1"}, nil },
		Instances:  func() []Instance { return []Instance{} },
		Generation: func() Generation { return Generation{Number: 7} },
		Modules: func() Modules {
			return Modules{Generation: 7, Files: []Module{{Path: "p.rego", Text: "package compliance.p\n"}}, Overrides: map[verdict.PolicyID]Override{"compliance.p": {Parameters: json.RawMessage(`{"n":1}`)}}}
		},
		Ready:  func() error { return d.ready },
		Reload: func(context.Context) error { return d.reload },
		Retry: func(ctx context.Context, id string) error {
			if d.retry != nil {
				return d.retry(ctx, id)
			}
			return nil
		},
		Confirm: func(_ context.Context, inst record.Instance, scope string) (bool, error) {
			return inst == "held" && scope == "s", nil
		},
		Audit: func(ctx context.Context, a Audit) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.audits = append(d.audits, a)
			return nil
		},
		Events: func(ctx context.Context, f store.EventFilter) (rows []store.EventRow, next string, err error) {
			err = s.View(ctx, func(tx *store.Tx) (err error) {
				rows, next, err = tx.Events(f)
				return err
			})
			return rows, next, err
		},
		EventsAfter: s.EventsAfter,
		Gather:      reg,
	}
	return d
}

func (d *daemon) audited() []Audit {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.audits
	d.audits = nil
	return out
}

func token(name string, role Role) Token {
	sum := sha256.Sum256([]byte(name + "-secret"))
	return Token{Name: name, Role: role, SHA256: hex.EncodeToString(sum[:])}
}

var tokens = []Token{
	token("nobody", RoleNone), token("reader", RoleRead), token("operator", RoleOperate), token("admin", RoleAdmin),
	{Name: "upper", Role: RoleRead, SHA256: strings.ToUpper(token("upper", 0).SHA256)},
	{Name: "empty", Role: RoleAdmin},
}

// free returns a loopback address that nobody listens on.
func free(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve runs a listener until the test ends and waits for it to answer.
func serve(t *testing.T, network, address string, run func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the listener does not stop")
		}
	})
	for range 500 {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("serve: %v", err)
		default:
		}
		if c, err := net.Dial(network, address); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody answers")
}

// insecure serves a daemon on loopback without TLS and returns its address.
func insecure(t *testing.T, d *daemon) string {
	t.Helper()
	address := free(t, "127.0.0.1")
	s := New(d.Backend, "1.2.3", tokens)
	serve(t, "tcp", address, func(ctx context.Context) error { return s.ServeTCP(ctx, Listener{Address: address, Insecure: true}) })
	return address
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

// ask sends a request, changed by whatever is wanted.
func ask(t *testing.T, method, url, body string, change ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin-secret")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

// problem holds an answer against the form of every error, and returns what it says.
func problem(t *testing.T, what string, a answer, code int) string {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
		Errors        []struct{ Message, Location string }
	}
	if a.code != code || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("%s: %d %s, want %d: %s", what, a.code, a.header.Get("Content-Type"), code, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.code || p.Title != http.StatusText(a.code) || p.Detail == "" {
		t.Errorf("%s: not a problem (%v): %s", what, err, a.body)
	}
	for _, e := range p.Errors {
		p.Detail += "; " + e.Location + ": " + e.Message
	}
	return p.Detail
}

func TestTokens(t *testing.T) {
	t.Parallel()
	address := insecure(t, newDaemon(t))
	for _, c := range []struct {
		method, path, authorization string
		code                        int
	}{
		{"GET", "/v1/status", "", 401},
		{"GET", "/v1/status", "Bearer wrong", 401},
		{"GET", "/v1/status", "Bearer ", 401},
		{"GET", "/v1/status", "Bearer", 401},
		{"GET", "/v1/status", "Basic cmVhZGVyOnJlYWRlci1zZWNyZXQ=", 401},
		{"GET", "/v1/status", "reader-secret", 401},
		{"GET", "/v1/status", "Bearer reader-secret ", 200},
		{"GET", "/v1/status", "Bearer reader-secre", 401},
		// The digest is not the token, and a token without a digest lets nobody in.
		{"GET", "/v1/status", "Bearer " + token("reader", 0).SHA256, 401},
		{"GET", "/v1/status", "Bearer reader-secret", 200},
		{"GET", "/v1/status", "bearer upper-secret", 200},
		{"GET", "/v1/status", "Bearer nobody-secret", 403},
		{"GET", "/metrics", "", 401},
		{"GET", "/metrics", "Bearer nobody-secret", 403},
		{"GET", "/metrics", "Bearer reader-secret", 200},
		{"GET", "/openapi.json", "", 401},
		{"GET", "/openapi.json", "Bearer reader-secret", 200},
		{"POST", "/-/reload", "", 401},
		{"POST", "/-/reload", "Bearer reader-secret", 403},
		{"POST", "/-/reload", "Bearer operator-secret", 200},
		{"POST", "/-/reload", "Bearer admin-secret", 200},
		{"POST", "/v1/alarms/x/ack", "Bearer reader-secret", 403},
		{"POST", "/v1/deliveries/x/retry", "Bearer reader-secret", 403},
		{"POST", "/v1/sweeps/confirm?instance=held&scope=s", "Bearer reader-secret", 403},
		{"GET", "/-/healthy", "", 200},
		{"GET", "/-/ready", "", 200},
		{"GET", "/-/healthy/../../v1/status", "", 401},
	} {
		what := fmt.Sprintf("%s %s with %q", c.method, c.path, c.authorization)
		body := ""
		if strings.HasSuffix(c.path, "/ack") {
			body = "{}"
		}
		a := ask(t, c.method, "http://"+address+c.path, body, header("Authorization", c.authorization))
		if c.code == 200 {
			if a.code != 200 {
				t.Errorf("%s: %d %s", what, a.code, a.body)
			}
			continue
		}
		problem(t, what, a, c.code)
		if got := a.header.Get("WWW-Authenticate") != ""; got != (c.code == 401) {
			t.Errorf("%s: WWW-Authenticate is there: %v", what, got)
		}
	}
}

// TestHostAndOrigin plays the page in somebody's browser that talks to the loopback address.
func TestHostAndOrigin(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	address := insecure(t, d)
	_, port, _ := net.SplitHostPort(address)
	for _, c := range []struct {
		host, origin string
		ok           bool
	}{
		{address, "", true},
		{"localhost:" + port, "", true},
		{"LOCALHOST:" + port, "", true},
		{address, "http://" + address, true},
		{address, "http://localhost:" + port, true},
		{"evil.example:" + port, "", false},
		{"evil.example", "", false},
		{"localhost", "", false},
		{"127.0.0.1:1", "", false},
		{"localhost." + port, "", false},
		{address, "http://evil.example", false},
		{address, "http://evil.example:" + port, false},
		{address, "http://localhost:1", false},
		{address, "https://" + address, false},
		{address, "null", false},
		{address, "://", false},
		{address, "http://" + address + "@evil.example", false},
	} {
		for _, path := range []string{"/-/reload", "/-/healthy"} {
			method, want := "POST", 1
			if path == "/-/healthy" {
				method, want = "GET", 0
			}
			what := fmt.Sprintf("%s with host %q, origin %q", path, c.host, c.origin)
			a := ask(t, method, "http://"+address+path, "", func(r *http.Request) { r.Host = c.host }, header("Origin", c.origin))
			if !c.ok {
				problem(t, what, a, 403)
				want = 0
			} else if a.code != 200 {
				t.Errorf("%s: %d %s", what, a.code, a.body)
			}
			if got := len(d.audited()); got != want {
				t.Errorf("%s: %d calls went through", what, got)
			}
		}
	}
}

func TestListenRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	_, otherKey := certificate(t, t.TempDir())
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := New(newDaemon(t).Backend, "1", tokens)
	for _, c := range []struct {
		l    Listener
		want []string
	}{
		{Listener{Address: "127.0.0.1:0"}, []string{"needs tls_cert"}},
		{Listener{Address: "0.0.0.0:0", Insecure: true}, []string{"needs tls_cert", "loopback"}},
		{Listener{Address: ":0", Insecure: true}, []string{"needs tls_cert"}},
		{Listener{Address: "[::]:0", Insecure: true}, []string{"needs tls_cert"}},
		{Listener{Address: "192.0.2.1:0", Insecure: true}, []string{"needs tls_cert"}},
		{Listener{Address: "localhost.evil.example:0", Insecure: true}, []string{"needs tls_cert"}},
		{Listener{Address: "127.0.0.1", Insecure: true}, []string{"127.0.0.1", "missing port"}},
		{Listener{Address: "127.0.0.1:0", CertFile: cert}, []string{"belong together"}},
		{Listener{Address: "127.0.0.1:0", KeyFile: key, Insecure: true}, []string{"belong together"}},
		{Listener{Address: "127.0.0.1:0", CertFile: cert + ".none", KeyFile: key}, []string{cert + ".none", "no such file"}},
		{Listener{Address: "127.0.0.1:0", CertFile: junk, KeyFile: key}, []string{junk, "127.0.0.1:0"}},
		{Listener{Address: "127.0.0.1:0", CertFile: cert, KeyFile: otherKey}, []string{otherKey, "does not match"}},
		{Listener{Address: taken.Addr().String(), Insecure: true}, []string{taken.Addr().String(), "in use"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := s.ServeTCP(ctx, c.l)
		cancel()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", c.l, err, want)
			}
		}
	}
}

// certificate makes a key and a certificate of its own signing for 127.0.0.1.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	c, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c}, key: {Type: "PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, t.TempDir())
	address := free(t, "127.0.0.1")
	s := New(newDaemon(t).Backend, "1", tokens)
	serve(t, "tcp", address, func(ctx context.Context) error {
		return s.ServeTCP(ctx, Listener{Address: address, CertFile: cert, KeyFile: key})
	})
	b, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	get := func(c *tls.Config, authorization string) (int, error) {
		hc := &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
		defer hc.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		res, err := hc.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return res.StatusCode, nil
	}
	for authorization, want := range map[string]int{"Bearer reader-secret": 200, "Bearer wrong": 401} {
		if code, err := get(&tls.Config{RootCAs: pool}, authorization); code != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", authorization, code, err, want)
		}
	}
	if _, err := get(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}, "Bearer reader-secret"); err == nil {
		t.Error("TLS 1.1 is good enough")
	}
	// A token must never be asked for, or taken, in the clear.
	if a := ask(t, "GET", "http://"+address+"/v1/status", ""); a.code != 400 {
		t.Errorf("without TLS: %d %s", a.code, a.body)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	s := New(d.Backend, "1", nil)
	path := filepath.Join(t.TempDir(), "regent.sock")

	// A socket that a killed daemon left is replaced.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	serve(t, "unix", path, func(ctx context.Context) error { return s.ServeUnix(ctx, path) })
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: the socket is for the daemon's user", info.Mode(), err)
	}
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	defer hc.CloseIdleConnections()
	res, err := hc.Post("http://regent/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if diff := cmp.Diff([]Audit{{Action: "regent:Reload", Actor: "local"}}, d.audited()); res.StatusCode != 200 || diff != "" {
		t.Errorf("%d: %s", res.StatusCode, diff)
	}

	// Anything else in its place is somebody's.
	mine := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ServeUnix(t.Context(), mine); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
	if b, err := os.ReadFile(mine); err != nil || string(b) != "mine" {
		t.Errorf("the file that stood there: %q, %v", b, err)
	}
	if err := s.ServeUnix(t.Context(), "/"+strings.Repeat("x", 120)); err == nil || !strings.Contains(err.Error(), "at most 104") {
		t.Errorf("a long path: %v", err)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.ready = errors.New("still reading policies")
	address := insecure(t, d)
	if a := ask(t, "GET", "http://"+address+"/-/healthy", ""); a.code != 200 || a.body != "healthy\n" {
		t.Errorf("healthy: %d %q", a.code, a.body)
	}
	if a := ask(t, "GET", "http://"+address+"/-/ready", ""); a.code != 503 || !strings.Contains(a.body, "still reading policies") {
		t.Errorf("not ready: %d %q", a.code, a.body)
	}
	d.ready = nil
	if a := ask(t, "GET", "http://"+address+"/-/ready", ""); a.code != 200 || a.body != "ready\n" {
		t.Errorf("ready: %d %q", a.code, a.body)
	}
	if a := ask(t, "HEAD", "http://"+address+"/-/healthy", ""); a.code != 200 {
		t.Errorf("HEAD: %d", a.code)
	}
}

// TestMetrics holds what is exposed against both formats and against the rule for names:
// regent_<package>_<noun>_<unit>.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	// A metric with labels shows once it has a value.
	reg := d.Gather.(*prometheus.Registry)
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "regent_api_test_total", Help: "A \"quoted\" \\ line."}, []string{"who"})
	count.WithLabelValues("a\n\"b\\").Inc()
	reg.MustRegister(count)
	address := insecure(t, d)
	open := ask(t, "GET", "http://"+address+"/metrics", "", header("Accept", "application/openmetrics-text; version=1.0.0"))
	if !strings.HasPrefix(open.header.Get("Content-Type"), "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(open.body, "\n# EOF\n") {
		t.Errorf("OpenMetrics: %s …%q", open.header.Get("Content-Type"), open.body[max(0, len(open.body)-40):])
	}
	plain := ask(t, "GET", "http://"+address+"/metrics", "")
	if !strings.HasPrefix(plain.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("text: %s", plain.header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(plain.body))
	if err != nil {
		t.Fatal(err)
	}
	if got := families["regent_api_test_total"].GetMetric()[0].GetLabel()[0].GetValue(); got != "a\n\"b\\" {
		t.Errorf("a label came as %q", got)
	}
	described := make(chan *prometheus.Desc, 100)
	reg.Describe(described)
	close(described)
	rule := regexp.MustCompile(`^regent_(pipeline|api)(_[a-z]+)+_(total|seconds|bytes|ratio)$`)
	name := regexp.MustCompile(`fqName: "([^"]*)", help: "([^"]*)`)
	n := 0
	for desc := range described {
		n++
		m := name.FindStringSubmatch(desc.String())
		switch {
		case m == nil:
			t.Fatalf("no name in %s", desc)
		case !rule.MatchString(m[1]):
			t.Errorf("%s is not regent_<package>_<noun>_<unit>", m[1])
		case !strings.HasSuffix(m[2], ".") && m[1] != "regent_api_test_total":
			t.Errorf("%s: help %q is no sentence", m[1], m[2])
		}
	}
	if n < 5 {
		t.Errorf("only %d metrics were looked at", n)
	}
}

// TestStopUnderCall: a call under way is finished when the daemon stops.
func TestStopUnderCall(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	d.Status = func(ctx context.Context) (Status, error) {
		close(begun)
		<-finish
		return Status{Version: "late"}, ctx.Err()
	}
	s := New(d.Backend, "1", tokens)
	address := free(t, "127.0.0.1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.ServeTCP(ctx, Listener{Address: address, Insecure: true}) }()
	for range 500 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	go func() {
		<-begun
		cancel()
		time.Sleep(50 * time.Millisecond)
		close(finish)
	}()
	if a := ask(t, "GET", "http://"+address+"/v1/status", ""); a.code != 200 || !bytes.Contains([]byte(a.body), []byte("late")) {
		t.Errorf("%d %s", a.code, a.body)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
