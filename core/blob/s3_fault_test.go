package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
)

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

// TestS3Kill kills a process while it sends an object.
func TestS3Kill(t *testing.T) {
	if endpoint := os.Getenv("REGENT_BLOB_SENDS"); endpoint != "" {
		b, err := S3(Options{Endpoint: endpoint, Region: "us-east-1", Bucket: "lake", AccessKey: "a", SecretKey: "s", PathStyle: true, Insecure: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		killedChild(b, os.Getenv("REGENT_BLOB_SOURCE"))
	}
	t.Parallel()
	sending := make(chan struct{}, 1)
	p := &proxy{before: func(n int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && n%7 == 0 {
			body, read := r.Body, 0
			r.Body = struct {
				io.Reader
				io.Closer
			}{readFunc(func(b []byte) (int, error) {
				if read++; read == 20 {
					select {
					case sending <- struct{}{}:
					default:
					}
					// Long enough to be killed in between.
					time.Sleep(20 * time.Millisecond)
				}
				return body.Read(b)
			}), body}
		}
		return false
	}}
	url := server(t)
	endpoint, file := p.start(t, url), source(t, random(3, 4<<20))
	b := remoteBucket(t, Options{Endpoint: url})
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestS3Kill$")
		cmd.Env = append(os.Environ(), "REGENT_BLOB_SENDS="+endpoint, "REGENT_BLOB_SOURCE="+file)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-sending:
		case <-time.After(20 * time.Second):
			t.Error("the child sends nothing")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		for _, key := range append(strings.Fields(out.String()), keys(t, b, "")...) {
			if got, err := content(t.Context(), b, key); err != nil || !bytes.Equal(got, random(3, 4<<20)) {
				t.Fatalf("%s: %d bytes, error %v", key, len(got), err)
			}
		}
	}
}
