package blob

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
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
		t.Skip("a second S3 server; `make soak` installs and runs it, or REGENT_VERSITYGW names one")
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
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ReadAt(make([]byte, 10), 20); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// TestS3Environment has no credentials in the options, and no region.
func TestS3Environment(t *testing.T) {
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_PROFILE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		// Nothing listens there, as on a machine without a role.
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/role",
	} {
		t.Setenv(name, value)
	}
	var signed atomic.Value
	p := &proxy{before: func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		signed.Store(r.Header.Get("Authorization"))
		return false
	}}
	o := Options{Endpoint: p.start(t, server(t)), Bucket: "lake", PathStyle: true, Insecure: true}
	for _, who := range []string{"AKENV", "AKFILE", ""} {
		switch who {
		case "AKFILE":
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte("[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s3cr3t\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		case "":
			if err := os.RemoveAll(filepath.Join(home, ".aws")); err != nil {
				t.Fatal(err)
			}
		}
		b, err := S3(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		if who == "" {
			before := p.requests.Load()
			holdsError(t, b, ErrDenied, "AWS_ACCESS_KEY_ID")
			if p.requests.Load() != before {
				t.Error("it asks without credentials")
			}
			continue
		}
		put(t, b, "a", []byte("x"))
		if s, _ := signed.Load().(string); !strings.Contains(s, "Credential="+who+"/") {
			t.Errorf("signed %q, want by %s", s, who)
		}
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
