package blob

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// listen serves on a socket.
func listen(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	// It complains of what the tests do to it.
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// server runs an S3 server on a socket, with the bucket "lake".
func server(t testing.TB, options ...gofakes3.Option) string {
	t.Helper()
	s := listen(t, gofakes3.New(s3mem.New(), options...).Server())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/lake", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	return s.URL
}

// remote opens a bucket, with pauses that suit tests.
func remoteBucket(t testing.TB, o Options) *S3Bucket {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket = "lake"
	}
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = "AKREGENT", "s3cr3t"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	o.PathStyle, o.Insecure = true, true
	b, err := S3(o)
	if err != nil {
		t.Fatal(err)
	}
	b.first, b.longest, b.patient = time.Millisecond, 5*time.Millisecond, 5*time.Second
	t.Cleanup(b.Close)
	return b
}

func TestS3(t *testing.T) {
	t.Parallel()
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		suite(t, func(t *testing.T) Bucket { return remoteBucket(t, Options{Endpoint: server(t)}) })
	})
	t.Run("prefix and parts", func(t *testing.T) {
		t.Parallel()
		suite(t, func(t *testing.T) Bucket {
			b := remoteBucket(t, Options{Endpoint: server(t), Prefix: "deep/prefix"})
			b.part = 70_000
			return b
		})
	})
}

// TestS3Versity runs the suite against a server that checks signatures, where one is named.
func TestS3Versity(t *testing.T) {
	program := os.Getenv("REGENT_VERSITYGW")
	if program == "" {
		t.Skip("REGENT_VERSITYGW names no program of github.com/versity/versitygw")
	}
	t.Parallel()
	for name, args := range map[string][]string{"metadata": {"--sidecar", t.TempDir()}, "no metadata": {"--nometa"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			versity(t, program, args, name == "metadata")
		})
	}
}

func versity(t *testing.T, program string, args []string, parts bool) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	args = append([]string{"--port", address, "--access", "AKREGENT", "--secret", "s3cr3t", "--quiet", "posix"}, append(args, dir)...)
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not start: %s", out.String())
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "lake"), 0o755); err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + address
	var n atomic.Int64
	t.Run("bucket", func(t *testing.T) {
		suite(t, func(t *testing.T) Bucket {
			b := remoteBucket(t, Options{Endpoint: endpoint, Prefix: fmt.Sprint("suite", n.Add(1))})
			b.part = 5 << 20
			return b
		})
	})
	// Without metadata it has no ETags to name parts by.
	if parts {
		b := remoteBucket(t, Options{Endpoint: endpoint, Prefix: "parts"})
		b.part = 5 << 20
		put(t, b, "large", random(1, 12<<20))
		if got, err := content(t.Context(), b, "large"); err != nil || !bytes.Equal(got, random(1, 12<<20)) {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
	}
	for _, c := range []struct {
		o    Options
		want error
		say  string
	}{
		{Options{SecretKey: "other", AccessKey: "AKREGENT"}, ErrDenied, "check the access key and the secret key"},
		{Options{AccessKey: "AKOTHER", SecretKey: "s3cr3t"}, ErrDenied, "check the access key and the secret key"},
		{Options{Bucket: "missing"}, ErrNoBucket, "make the bucket missing"},
	} {
		c.o.Endpoint = endpoint
		holdsError(t, remoteBucket(t, c.o), c.want, c.say)
	}
}

// holdsError does everything with a bucket, all of which must fail in the same way.
func holdsError(t *testing.T, b *S3Bucket, want error, say string) {
	t.Helper()
	_, openErr := b.Open(t.Context(), "a/b")
	for doing, err := range map[string]error{
		"put": b.Put(t.Context(), "a/b", source(t, []byte("x"))), "open": openErr, "check": b.Check(t.Context()),
		"list": b.List(t.Context(), "", func(Info) error { return nil }),
	} {
		if !errors.Is(err, want) || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), b.String()) {
			t.Errorf("%s: error %v, want %v with the bucket and %q", doing, err, want, say)
		}
		if (doing == "put" || doing == "open") && !strings.Contains(fmt.Sprint(err), "a/b") {
			t.Errorf("%s: error %v, want the key", doing, err)
		}
		if strings.Contains(fmt.Sprint(err), "s3cr3t") {
			t.Errorf("%s: the secret is told: %v", doing, err)
		}
	}
}

// proxy stands between and does harm: before says whether it answered itself, after may change an answer.
type proxy struct {
	before func(n int64, w http.ResponseWriter, r *http.Request) bool
	after  func(n int64, r *http.Response) error
	// requests counts what came.
	requests atomic.Int64
}

func (p *proxy) start(t testing.TB, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	type number struct{}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	forward := &httputil.ReverseProxy{
		// The name of the host is signed and so stays.
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler)
		},
		ModifyResponse: func(r *http.Response) error {
			if p.after == nil {
				return nil
			}
			return p.after(r.Request.Context().Value(number{}).(int64), r)
		},
	}
	return listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := p.requests.Add(1)
		if p.before != nil && p.before(n, w, r) {
			return
		}
		forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), number{}, n)))
	})).URL
}

// answer sends an error as S3 does.
func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>said by the test</Message></Error>`, code)
}

// reset breaks a connection off.
func reset(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// TestS3PassingFaults has every request fail twice in some way, which must not be seen.
func TestS3PassingFaults(t *testing.T) {
	t.Parallel()
	body := random(5, 200_000)
	for _, c := range []struct {
		name string
		// fault does harm to a request.
		fault   func(w http.ResponseWriter, r *http.Request) bool
		after   func(r *http.Response) error
		patient time.Duration
	}{
		{name: "status 500", fault: func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w, 500, "InternalError")
			return true
		}},
		{name: "status 503 without a body", fault: func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(503)
			return true
		}},
		{name: "too many requests", fault: func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w, 429, "SlowDown")
			return true
		}},
		{name: "connection reset", fault: func(w http.ResponseWriter, _ *http.Request) bool {
			reset(w)
			return true
		}},
		{name: "no answer", patient: 100 * time.Millisecond, fault: func(_ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}},
		{name: "bytes changed on the way", fault: func(_ http.ResponseWriter, r *http.Request) bool {
			// What says which parts there are is pinned by SHA-256 only, which this server does not check.
			if b, _ := io.ReadAll(r.Body); len(b) > 0 {
				if r.Header.Get("Content-Md5") != "" {
					b[len(b)/2] ^= 1
				}
				r.Body = io.NopCloser(bytes.NewReader(b))
			}
			return false
		}},
		{name: "answer cut off", fault: func(http.ResponseWriter, *http.Request) bool { return false }, after: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.LimitReader(r.Body, r.ContentLength/2), r.Body}
			}
			return nil
		}},
		{name: "answer that stops", patient: 200 * time.Millisecond, fault: func(http.ResponseWriter, *http.Request) bool { return false }, after: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet {
				ctx := r.Request.Context()
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), readFunc(func([]byte) (int, error) {
					<-ctx.Done()
					return 0, io.ErrUnexpectedEOF
				})), r.Body}
			}
			return nil
		}},
	} {
		for _, part := range []int64{partBytes, 70_000} {
			t.Run(fmt.Sprintf("%s, parts of %d", c.name, part), func(t *testing.T) {
				t.Parallel()
				// Of three requests two fail; those that are tried again come one after another.
				p := &proxy{before: func(n int64, w http.ResponseWriter, r *http.Request) bool { return n%3 != 0 && c.fault(w, r) }}
				if c.after != nil {
					p.after = func(n int64, r *http.Response) error {
						if n%3 == 0 {
							return nil
						}
						return c.after(r)
					}
				}
				b := remoteBucket(t, Options{Endpoint: p.start(t, server(t))})
				b.part = part
				if c.patient > 0 {
					b.patient = c.patient
				}
				put(t, b, "events/a", body)
				if got, err := content(t.Context(), b, "events/a"); err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes, error %v", len(got), err)
				}
				if got := keys(t, b, "events/"); len(got) != 1 {
					t.Errorf("there are %q", got)
				}
				if err := b.Delete(t.Context(), "events/a"); err != nil {
					t.Error(err)
				}
				if got := keys(t, b, ""); len(got) != 0 {
					t.Errorf("there are %q", got)
				}
			})
		}
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestS3LastingFaults has every request fail for ever.
func TestS3LastingFaults(t *testing.T) {
	t.Parallel()
	say := func(status int, code string) func(int64, http.ResponseWriter, *http.Request) bool {
		return func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				w.WriteHeader(status)
			} else {
				answer(w, status, code)
			}
			return true
		}
	}
	for _, c := range []struct {
		name   string
		before func(int64, http.ResponseWriter, *http.Request) bool
		want   error
		say    string
		// tries is how many requests an operation makes at most: a GET tells what a HEAD does not.
		tries int64
	}{
		{"status 500", say(500, "InternalError"), ErrUnavailable, "tried 6 times", 6},
		{"reset", func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			reset(w)
			return true
		}, ErrUnavailable, "tried 6 times", 6},
		{"no answer", func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}, ErrUnavailable, "no byte moved for 50ms", 6},
		{"wrong secret", say(403, "SignatureDoesNotMatch"), ErrDenied, "check the access key and the secret key", 2},
		{"wrong key", say(403, "InvalidAccessKeyId"), ErrDenied, "check the access key and the secret key", 2},
		{"not allowed", say(403, "AccessDenied"), ErrDenied, "may get, put, delete and list", 2},
		{"the clock", say(403, "RequestTimeTooSkewed"), ErrDenied, "NTP", 2},
		{"another region", say(400, "AuthorizationHeaderMalformed"), nil, "correct the region", 2},
		{"no bucket", say(404, "NoSuchBucket"), ErrNoBucket, "make the bucket lake", 2},
		{"full", say(507, "XMinioStorageFull"), ErrFull, "make room there", 2},
		{"no S3", func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return true
		}, nil, "does it speak S3?", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &proxy{before: c.before}
			b := remoteBucket(t, Options{Endpoint: p.start(t, server(t))})
			b.patient = 50 * time.Millisecond
			want := c.want
			if want == nil {
				_, want = b.Open(t.Context(), "a/b")
				for _, e := range []error{ErrUnavailable, ErrDenied, ErrNotFound, ErrNoBucket, ErrFull} {
					if want == nil || errors.Is(want, e) {
						t.Fatalf("error %v", want)
					}
				}
				if !strings.Contains(want.Error(), c.say) {
					t.Errorf("error %v, want one with %q", want, c.say)
				}
				return
			}
			holdsError(t, b, want, c.say)
			before := p.requests.Load()
			_, err := b.Open(t.Context(), "a")
			if n := p.requests.Load() - before; n > c.tries {
				t.Errorf("%d requests for one Open, want at most %d: %v", n, c.tries, err)
			}
		})
	}
}

// TestS3NothingListens has no server at all.
func TestS3NothingListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	holdsError(t, remoteBucket(t, Options{Endpoint: "http://" + l.Addr().String()}), ErrUnavailable, l.Addr().String())
}

// TestS3Skew has a server whose clock is an hour ahead.
func TestS3Skew(t *testing.T) {
	t.Parallel()
	url := server(t, gofakes3.WithTimeSource(gofakes3.FixedTimeSource(time.Now().Add(time.Hour))))
	holdsError(t, remoteBucket(t, Options{Endpoint: url}), ErrDenied, "set it right, by NTP")
}

func TestS3NoBucket(t *testing.T) {
	t.Parallel()
	holdsError(t, remoteBucket(t, Options{Endpoint: server(t), Bucket: "missing"}), ErrNoBucket, "make the bucket missing")
}

// TestS3Forgets has a server that takes objects and does not have them, or has others.
func TestS3Forgets(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"takes it and drops it": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusOK)
				return true
			}
			return false
		},
		"has the one of before": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				if b, _ := io.ReadAll(r.Body); string(b) == "new" {
					w.WriteHeader(http.StatusOK)
					return true
				} else {
					r.Body = io.NopCloser(bytes.NewReader(b))
				}
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server(t)
			put(t, remoteBucket(t, Options{Endpoint: url}), "other", []byte("x"))
			p := &proxy{before: func(_ int64, w http.ResponseWriter, r *http.Request) bool { return before(w, r) }}
			b := remoteBucket(t, Options{Endpoint: p.start(t, url)})
			if strings.HasPrefix(name, "has") {
				put(t, b, "a", []byte("old"))
			}
			err := b.Put(t.Context(), "a", source(t, []byte("new")))
			if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "put a into s3://lake") {
				t.Errorf("error %v, want ErrLost with the key and the bucket", err)
			}
		})
	}
}

// TestS3WrittenWhileRead has an object that becomes another between two reads.
func TestS3WrittenWhileRead(t *testing.T) {
	t.Parallel()
	b := remoteBucket(t, Options{Endpoint: server(t)})
	put(t, b, "a", random(1, 1000))
	o, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	put(t, b, "a", random(2, 1000))
	if _, err := o.ReadAt(make([]byte, 10), 10); !errors.Is(err, errChanged) {
		t.Errorf("error %v, want that it changed", err)
	}
}

// TestS3AbandonsParts has an upload in parts fail, of which nothing may stay.
func TestS3AbandonsParts(t *testing.T) {
	t.Parallel()
	var aborted atomic.Int64
	p := &proxy{before: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2":
			answer(w, 403, "AccessDenied")
			return true
		case r.Method == http.MethodDelete && r.URL.Query().Has("uploadId"):
			aborted.Add(1)
		}
		return false
	}}
	b := remoteBucket(t, Options{Endpoint: p.start(t, server(t))})
	b.part = 1000
	if err := b.Put(t.Context(), "a", source(t, random(1, 5000))); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "part 2 of a") {
		t.Errorf("error %v", err)
	}
	if aborted.Load() != 1 {
		t.Errorf("given up %d times", aborted.Load())
	}
}

// TestS3ManyKeys lists more than one answer holds.
func TestS3ManyKeys(t *testing.T) {
	t.Parallel()
	url := server(t)
	b := remoteBucket(t, Options{Endpoint: url, Prefix: "p"})
	file := source(t, []byte("x"))
	for i := range 2*pageKeys + 1 {
		if err := b.putWhole(t.Context(), fmt.Sprintf("k/%05d", i), must(os.Open(file)), 1, must(sums(strings.NewReader("x"), 1))); err != nil {
			t.Fatal(err)
		}
	}
	p := &proxy{}
	got := keys(t, remoteBucket(t, Options{Endpoint: p.start(t, url), Prefix: "p"}), "k/")
	for i, k := range got {
		if k != fmt.Sprintf("k/%05d", i) {
			t.Fatalf("key %d is %s", i, k)
		}
	}
	if len(got) != 2*pageKeys+1 || p.requests.Load() > 3 {
		t.Errorf("%d keys in %d requests", len(got), p.requests.Load())
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestS3TLS has a server with a certificate of a CA of its own.
func TestS3TLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	b := remoteBucket(t, Options{Endpoint: s.URL})
	if err := b.Check(t.Context()); err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "CA file") {
		t.Errorf("error %v, want one that names the CA file", err)
	}
	ca := source(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	b = remoteBucket(t, Options{Endpoint: s.URL, CAFile: ca})
	put(t, b, "a", []byte("x"))
	if got, err := content(t.Context(), b, "a"); string(got) != "x" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	plain := server(t)
	b = remoteBucket(t, Options{Endpoint: strings.Replace(plain, "http:", "https:", 1)})
	if err := b.Check(t.Context()); err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has no TLS") {
		t.Errorf("error %v, want one that says that there is no TLS", err)
	}
}

func TestS3Options(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o   Options
		say string
	}{
		{Options{Endpoint: "https://h"}, "no name of a bucket"},
		{Options{Bucket: "b"}, "region"},
		{Options{Bucket: "b", Endpoint: "http://h"}, "insecure"},
		{Options{Bucket: "b", Endpoint: "ftp://h"}, "not a URL"},
		{Options{Bucket: "b", Endpoint: "https://h/path"}, "not a URL"},
		{Options{Bucket: "b", Endpoint: "https://AK:s3cr3t@h"}, "holds credentials"},
		{Options{Bucket: "b", Endpoint: "https://h", AccessKey: "a"}, "belong together"},
		{Options{Bucket: "b", Endpoint: "https://h", Prefix: "/a"}, "prefix"},
		{Options{Bucket: "b", Endpoint: "https://h", CAFile: "/nowhere"}, "CA file"},
		{Options{Bucket: "b", Endpoint: "https://h", CAFile: source(t, []byte("no pem"))}, "no certificate"},
	} {
		if _, err := S3(c.o); err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v: error %v, want %q", c.o, err, c.say)
		}
	}
	o := Options{Bucket: "b", Region: "eu-west-1", SecretKey: "s3cr3t", AccessKey: "a", SessionToken: "s3cr3t"}
	b, err := S3(o)
	if err != nil || b.endpoint != "https://s3.eu-west-1.amazonaws.com" {
		t.Errorf("%v, error %v", b, err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", o, o, o, o); strings.Contains(s, "s3cr3t") {
		t.Errorf("the secret is told: %s", s)
	}
}
