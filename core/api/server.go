package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/regent-dev/regent/core/query"
	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
)

// Role is what a caller may do; each includes those before it.
type Role int

// The roles of a token.
const (
	RoleNone Role = iota
	RoleRead
	RoleOperate
	RoleAdmin
)

// Token is a bearer token, known by the SHA-256 of its text in hexadecimal.
type Token struct {
	Name   string
	Role   Role
	SHA256 string
}

// Listener is a TCP address to listen on.
type Listener struct {
	Address           string
	CertFile, KeyFile string
	// Insecure allows a loopback address without TLS.
	Insecure bool
}

// Backend is what the API asks of the daemon.
type Backend struct {
	Store      *store.Store
	Log        *slog.Logger
	Now        func() time.Time
	Status     func(ctx context.Context) (Status, error)
	Instances  func() []Instance
	Generation func() Generation
	// Modules returns the policies of the generation in force as text.
	Modules func() Modules
	// Ready returns nil once the daemon records and judges.
	Ready   func() error
	Reload  func(ctx context.Context) error
	Retry   func(ctx context.Context, delivery string) error
	Confirm func(ctx context.Context, inst record.Instance, scope string) (bool, error)
	// Events looks up events of journal and lake.
	Events func(ctx context.Context, f store.EventFilter) ([]store.EventRow, string, error)
	// EventsAfter returns events with numbers above one, in their order.
	EventsAfter func(ctx context.Context, number int64, limit int) ([]store.EventRow, error)
	// Import queues records of the past.
	Import func(ctx context.Context, inst record.Instance, m record.Message) error
	// Export writes recorded rows to w.
	Export func(ctx context.Context, o Export, w io.Writer) error
	// Snapshot takes a snapshot now; ErrUnknown says that there is none of the name.
	Snapshot func(ctx context.Context, name string) ([]ChannelFile, error)
	// ForgetLakeFile takes a broken file out of the lake; ErrUnknown says that it is none.
	ForgetLakeFile func(ctx context.Context, path, by string) error
	// Audit records a call that changed something.
	Audit  func(ctx context.Context, a Audit) error
	Gather prometheus.Gatherer
	// Query answers questions in SQL.
	Query  func(ctx context.Context, r query.Request) (*query.Result, error)
	Causes Causes
}

// Audit is one call that changed something.
type Audit struct {
	Action  string
	Actor   string
	Address string
	Target  string
	Err     error
}

// Server serves the API.
type Server struct {
	b       Backend
	tokens  []Token
	handler http.Handler
}

// New returns a server for a backend.
func New(b Backend, version string, tokens []Token) *Server {
	s := &Server{b: b, tokens: tokens}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Regent", version)
	config.DocsPath = ""
	// No $schema members and Link headers: answers are what the types say.
	config.CreateHooks = nil
	// A misspelt filter that is passed over would answer with everything.
	config.RejectUnknownQueryParameters = true
	api := humago.New(mux, config)
	s.register(api)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := b.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("POST /v1/import", s.imports)
	mux.HandleFunc("GET /v1/history/{table}", s.history)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.Gather, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			w = &unrouted{ResponseWriter: w, r: r}
		}
		mux.ServeHTTP(w, r)
	})
	return s
}

// refuse answers with a problem in the form that all operations use (RFC 9457).
func refuse(w http.ResponseWriter, code int, why string) {
	b, err := json.Marshal(huma.ErrorModel{Title: http.StatusText(code), Status: code, Detail: why})
	if err != nil {
		http.Error(w, why, code)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	// Whoever asked may be gone; there is nobody else to tell.
	_, _ = w.Write(append(b, '\n'))
}

// unrouted gives the multiplexer's own answers the form of all others: that there is no such path, and
// which methods a path has.
type unrouted struct {
	http.ResponseWriter
	r       *http.Request
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (u *unrouted) WriteHeader(code int) {
	if code < 400 {
		u.ResponseWriter.WriteHeader(code)
		return
	}
	u.refused = true
	why := fmt.Sprintf("there is no %s", u.r.URL.Path)
	if allow := u.Header().Get("Allow"); allow != "" {
		why = fmt.Sprintf("%s has %s, not %s", u.r.URL.Path, allow, u.r.Method)
	}
	refuse(u.ResponseWriter, code, why)
}

// Write implements http.ResponseWriter.
func (u *unrouted) Write(p []byte) (int, error) {
	if u.refused {
		return len(p), nil
	}
	return u.ResponseWriter.Write(p)
}

// caller is who makes a request.
type caller struct {
	role    Role
	name    string
	address string
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// ServeUnix serves on a Unix socket that only the daemon's user may open, until ctx ends.
func (s *Server) ServeUnix(ctx context.Context, path string) error {
	// 104 is the shortest limit among the systems that Go runs on; beyond it bind fails with words
	// that name no length.
	if len(path) > 104 {
		return fmt.Errorf("socket path %s has %d bytes; at most 104 are possible, so choose a shorter data_dir or api listen address", path, len(path))
	}
	// A daemon that was killed leaves its socket. Anything else there is somebody's.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("listen on %s: there is a file that is no socket; move it away or choose another socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("protect socket: %w", err)
	}
	return s.serve(ctx, l, func(r *http.Request) (caller, int, string) {
		return caller{role: RoleAdmin, name: "local"}, 0, ""
	}, nil)
}

// ServeTCP serves on a TCP address, until ctx ends.
func (s *Server) ServeTCP(ctx context.Context, o Listener) error {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", o.Address, err)
	}
	loopback := host == "localhost"
	if ip := net.ParseIP(host); ip != nil {
		loopback = ip.IsLoopback()
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return fmt.Errorf("listen address %s: tls_cert and tls_key belong together", o.Address)
	}
	if o.CertFile == "" && (!o.Insecure || !loopback) {
		return fmt.Errorf("listen address %s needs tls_cert and tls_key; without them only a loopback address with insecure = true is possible", o.Address)
	}
	var secure *tls.Config
	if o.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return fmt.Errorf("listen address %s: tls_cert %s, tls_key %s: %w", o.Address, o.CertFile, o.KeyFile, err)
		}
		secure = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", o.Address, err)
	}
	own := l.Addr().String()
	return s.serve(ctx, l, func(r *http.Request) (caller, int, string) {
		if secure == nil {
			if why := foreign(r, own, host); why != "" {
				return caller{}, http.StatusForbidden, why
			}
		}
		return s.bearer(r)
	}, secure)
}

// foreign says why a request on an insecure listener is not for it. It guards against DNS rebinding
// and against pages of other origins.
func foreign(r *http.Request, own, host string) string {
	_, port, _ := net.SplitHostPort(own)
	allowed := func(h string) bool {
		h = strings.ToLower(h)
		return h == own || h == net.JoinHostPort(strings.ToLower(host), port) || h == net.JoinHostPort("localhost", port)
	}
	if !allowed(r.Host) {
		return fmt.Sprintf("host %q is not this listener", r.Host)
	}
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" || !allowed(u.Host) {
			return fmt.Sprintf("origin %q is not this listener", o)
		}
	}
	return ""
}

// bearer finds the token of a request. Probes and nothing else go without.
func (s *Server) bearer(r *http.Request) (caller, int, string) {
	if r.URL.Path == "/-/healthy" || r.URL.Path == "/-/ready" {
		return caller{role: RoleRead, name: "probe"}, 0, ""
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return caller{}, http.StatusUnauthorized, "a bearer token is needed"
	}
	sum := sha256.Sum256([]byte(text))
	digest := hex.EncodeToString(sum[:])
	found := -1
	for i, t := range s.tokens {
		// All are compared, so that the time tells neither how much of a digest fits nor which.
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(t.SHA256)), []byte(digest)) == 1 {
			found = i
		}
	}
	switch {
	case found < 0:
		return caller{}, http.StatusUnauthorized, "the bearer token is not known"
	case s.tokens[found].Role < RoleRead:
		return caller{}, http.StatusForbidden, "the token has no role"
	}
	return caller{role: s.tokens[found].Role, name: s.tokens[found].Name}, 0, ""
}

func (s *Server) serve(ctx context.Context, l net.Listener, who func(*http.Request) (caller, int, string), secure *tls.Config) error {
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		TLSConfig:         secure,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(s.b.Log.Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, code, why := who(r)
			if code != 0 {
				if code == http.StatusUnauthorized {
					w.Header().Set("WWW-Authenticate", `Bearer realm="regent"`)
				}
				refuse(w, code, why)
				return
			}
			c.address, _, _ = net.SplitHostPort(r.RemoteAddr)
			s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
		}),
	}
	done := make(chan error, 1)
	go func() {
		if secure != nil {
			done <- srv.ServeTLS(l, "", "")
			return
		}
		done <- srv.Serve(l)
	}()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			srv.Close()
		}
		<-done
		return ctx.Err()
	}
}
