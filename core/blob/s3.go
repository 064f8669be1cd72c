package blob

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Options say where a bucket is and who we are there.
type Options struct {
	// Endpoint is a URL, "https://minio.example.com:9000", or only its host; empty for AWS.
	Endpoint string
	// Region may be empty where there is an endpoint; the server is asked then.
	Region string
	Bucket string
	// Prefix comes before all keys; it has no slash at its end.
	Prefix string
	// AccessKey and SecretKey may both be empty: then they come from where AWS's own tools look, the
	// environment, ~/.aws/credentials and the role of the machine.
	AccessKey, SecretKey, SessionToken string
	// PathStyle puts the bucket's name into the path instead of the host's name.
	PathStyle bool
	// CAFile holds certificates to trust besides the system's.
	CAFile string
	// Insecure allows an endpoint without TLS.
	Insecure bool
	// Timeout is how long a request may go without a byte in either direction; 0 is 30 seconds.
	// What the system has buffered to send is not seen to move.
	Timeout time.Duration
}

// String leaves the secrets out.
func (o Options) String() string { return "s3://" + strings.TrimSuffix(o.Bucket+"/"+o.Prefix, "/") }

// GoString leaves the secrets out.
func (o Options) GoString() string { return o.String() }

const (
	// attempts are made of what may pass, with pauses that double from firstPause to longestPause, of
	// which a random part is waited: some six seconds in all.
	attempts     = 6
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
	// stalls of these attempts may end because nothing moved: each of them took its time already.
	stalls = 3
	// patience is the time where none is set.
	patience = 30 * time.Second
	// partBytes is what one request writes or less, so that what is tried again is not all.
	partBytes = 64 << 20
	// maxParts is the limit of S3.
	maxParts = 10_000
)

// S3Bucket is a Bucket on a server that speaks S3.
type S3Bucket struct {
	o         Options
	name      string
	endpoint  string
	client    *minio.Core
	transport *http.Transport

	attempts                int
	first, longest, patient time.Duration
	part                    int64

	mu sync.Mutex
	// held has the keys that are being put; the channels close when they are not any more.
	held map[string]chan struct{}
}

// S3 returns a bucket on a server. It does not connect; Check does.
func S3(o Options) (*S3Bucket, error) {
	b := &S3Bucket{o: o, name: o.String(), attempts: attempts, first: firstPause, longest: longestPause, patient: cmp.Or(o.Timeout, patience), part: partBytes, held: map[string]chan struct{}{}}
	if o.Prefix != "" {
		if err := CheckKey(o.Prefix); err != nil {
			return nil, fmt.Errorf("bucket %s: prefix: %w", b.name, err)
		}
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return nil, fmt.Errorf("bucket %s: the access key and the secret key belong together", b.name)
	}
	endpoint, err := o.endpoint()
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	b.endpoint = endpoint.String()
	b.transport = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: 5 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		// Objects come as they are stored.
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if o.CAFile != "" {
		if b.transport.TLSClientConfig.RootCAs, err = certificates(o.CAFile); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", b.name, err)
		}
	}
	creds := credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	if o.AccessKey == "" {
		creds = newFound()
	}
	style := minio.BucketLookupDNS
	if o.PathStyle {
		style = minio.BucketLookupPath
	}
	b.client, err = minio.NewCore(endpoint.Host, &minio.Options{
		Creds: creds, Secure: endpoint.Scheme == "https", Region: o.Region, BucketLookup: style, Transport: b.transport,
		// We try again ourselves: theirs would do it to requests that cannot succeed, and without a
		// bound on each.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: endpoint %s: %w", b.name, b.endpoint, err)
	}
	return b, nil
}

// endpoint reads the endpoint.
func (o Options) endpoint() (*url.URL, error) {
	switch {
	case o.Bucket == "":
		return nil, errors.New("there is no name of a bucket")
	case o.Endpoint == "" && o.Region == "":
		return nil, errors.New("neither an endpoint nor, for AWS, a region is given")
	case o.Endpoint == "":
		return &url.URL{Scheme: "https", Host: "s3." + o.Region + ".amazonaws.com"}, nil
	}
	text := o.Endpoint
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the endpoint is not a URL such as https://s3.example.com: %w", err)
	case u.User != nil:
		return nil, errors.New("the endpoint holds credentials; give them as access key and secret key")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("endpoint %q is not a URL such as https://s3.example.com, with a host and nothing after it", o.Endpoint)
	case u.Scheme == "http" && !o.Insecure:
		return nil, fmt.Errorf("endpoint %s has no TLS: use https, or allow it with insecure", o.Endpoint)
	}
	u.Path = ""
	return u, nil
}

// certificates reads a file in PEM and adds it to what the system trusts.
func certificates(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate in PEM", name)
	}
	return pool, nil
}

// String returns "s3://bucket/prefix".
func (b *S3Bucket) String() string { return b.name }

// Close closes idle connections. The bucket can still be used.
func (b *S3Bucket) Close() { b.transport.CloseIdleConnections() }

// full is the key as the server knows it.
func (b *S3Bucket) full(key string) string {
	if b.o.Prefix == "" {
		return key
	}
	return b.o.Prefix + "/" + key
}

// Check returns an error where the bucket is not there, or may not be listed by us.
func (b *S3Bucket) Check(ctx context.Context) error {
	_, err := b.page(ctx, "", "", 1)
	return err
}

// Open implements Bucket. What is read is of one version of the object: one that is written meanwhile
// makes reading fail.
func (b *S3Bucket) Open(ctx context.Context, key string) (Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("open in %s: %w", b.name, err)
	}
	info, err := b.head(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	return &remote{b: b, ctx: ctx, key: key, etag: info.ETag, size: info.Size}, nil
}

// head asks what an object is. An answer to HEAD has no body and so does not say what is wrong; where it
// is not clear that is asked again with GET.
func (b *S3Bucket) head(ctx context.Context, doing, key string) (info minio.ObjectInfo, err error) {
	err = b.try(ctx, doing, key, func(ctx context.Context, _ func()) (err error) {
		info, err = b.client.StatObject(ctx, b.o.Bucket, b.full(key), minio.StatObjectOptions{})
		if status := minio.ToErrorResponse(err).StatusCode; err == nil || status < 300 || status >= 500 {
			return err
		}
		body, _, _, reason := b.client.GetObject(ctx, b.o.Bucket, b.full(key), minio.GetObjectOptions{})
		if reason == nil {
			// It came into being just now, or the server refuses only HEAD: what HEAD said counts.
			return errors.Join(err, body.Close())
		}
		return reason
	})
	return info, err
}

// remote is an open object; each ReadAt is a request.
type remote struct {
	b    *S3Bucket
	ctx  context.Context
	key  string
	etag string
	size int64
}

// Size implements Object.
func (r *remote) Size() int64 { return r.size }

// Close implements Object.
func (r *remote) Close() error { return nil }

// ReadAt implements Object.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s in %s: offset %d", r.key, r.b.name, off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	end := error(nil)
	if int64(len(p)) > r.size-off {
		p, end = p[:r.size-off], io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	err := r.b.try(r.ctx, "read", r.key, func(ctx context.Context, moved func()) error {
		var o minio.GetObjectOptions
		if err := o.SetRange(off, off+int64(len(p))-1); err != nil {
			return err
		}
		// Some gateways have no ETags; there the size has to do.
		if r.etag != "" {
			if err := o.SetMatchETag(r.etag); err != nil {
				return err
			}
		}
		body, info, header, err := r.b.client.GetObject(ctx, r.b.o.Bucket, r.b.full(r.key), o)
		if err != nil {
			return err
		}
		defer body.Close()
		if info.ETag != r.etag {
			return errChanged
		}
		sent, whole := header.Get("Content-Range"), off == 0 && int64(len(p)) == r.size
		if want := fmt.Sprintf("bytes %d-%d/%d", off, off+int64(len(p))-1, r.size); sent != want && (sent != "" || !whole) {
			return fmt.Errorf("%w: asked for %s, it sent %q", errRange, want, sent)
		}
		_, err = io.ReadFull(&moving{body, moved}, p)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), end
}

// moving tells of each read that brought something.
type moving struct {
	io.Reader
	moved func()
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if n > 0 {
		m.moved()
	}
	return n, err
}

// Delete implements Bucket.
func (b *S3Bucket) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("delete in %s: %w", b.name, err)
	}
	err := b.try(ctx, "delete", key, func(ctx context.Context, _ func()) error {
		return b.client.RemoveObject(ctx, b.o.Bucket, b.full(key), minio.RemoveObjectOptions{})
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// pageKeys is what one answer lists at most; it is the limit of S3.
const pageKeys = 1000

// List implements Bucket.
func (b *S3Bucket) List(ctx context.Context, prefix string, fn func(Info) error) error {
	for after := ""; ; {
		page, err := b.page(ctx, prefix, after, pageKeys)
		if err != nil {
			return err
		}
		for _, o := range page {
			key := strings.TrimPrefix(strings.TrimPrefix(o.Key, b.o.Prefix), "/")
			if b.o.Prefix == "" {
				key = o.Key
			}
			if CheckKey(key) != nil {
				continue
			}
			if err := fn(Info{Key: key, Bytes: o.Size, Modified: o.LastModified}); err != nil {
				return err
			}
		}
		if len(page) < pageKeys {
			return nil
		}
		after = page[len(page)-1].Key
	}
}

// page lists up to n objects after one.
func (b *S3Bucket) page(ctx context.Context, prefix, after string, n int) (page []minio.ObjectInfo, err error) {
	full := prefix
	if b.o.Prefix != "" {
		full = b.o.Prefix + "/" + prefix
	}
	err = b.try(ctx, "list", prefix, func(ctx context.Context, moved func()) error {
		page = page[:0]
		noOwner := false
		for o := range b.client.ListObjectsIter(ctx, b.o.Bucket, minio.ListObjectsOptions{Prefix: full, Recursive: true, StartAfter: after, MaxKeys: n, FetchOwner: &noOwner}) {
			if o.Err != nil {
				return o.Err
			}
			moved()
			if page = append(page, o); len(page) == n {
				break
			}
		}
		return ctx.Err()
	})
	return page, err
}
