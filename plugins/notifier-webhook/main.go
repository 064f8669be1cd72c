// Command notifier-webhook posts notifications over HTTP: as CloudEvents 1.0 (structured, binary or
// batched), in the form of Alertmanager's webhook, or as a Slack message.
//
// Every request carries the delivery's id as Idempotency-Key. With a secret it also carries
// Regent-Signature: t=UNIX,v1=HEX, where HEX is the HMAC-SHA256 of "UNIX." followed by the body.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/regent-dev/regent/sdk"
)

type config struct {
	URL     string            `config:"url,required" doc:"Where to post to." sensitive:"true" format:"url"`
	Format  string            `config:"format" doc:"What to post." choices:"cloudevents,cloudevents-binary,cloudevents-batch,alertmanager,slack" default:"cloudevents"`
	Headers map[string]string `config:"headers" doc:"Headers to add." sensitive:"true"`
	Secret  string            `config:"secret" doc:"Key of the signature header; no signature without." sensitive:"true"`
	Timeout time.Duration     `config:"timeout" doc:"How long one request may take." default:"10s"`
	TLS     tlsConfig         `config:"tls" doc:"How to connect over https."`
}

type tlsConfig struct {
	CAFile     string `config:"ca_file" doc:"Certificates to trust instead of the system's." format:"path"`
	CertFile   string `config:"cert_file" doc:"Client certificate." format:"path"`
	KeyFile    string `config:"key_file" doc:"Key of the client certificate." format:"path"`
	ServerName string `config:"server_name" doc:"Name to expect in the server's certificate."`
	MinVersion string `config:"min_version" doc:"Oldest version of TLS to speak." choices:"1.2,1.3" default:"1.2"`
}

type notifier struct {
	cfg    config
	client *http.Client
	write  func(sdk.Notification) (body []byte, header http.Header, err error)
	now    func() time.Time
}

func open(_ context.Context, cfg config, _ sdk.Env) (sdk.Notifier, error) {
	var errs []error
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		// The address may hold a secret and is not repeated.
		errs = append(errs, sdk.Invalid("url", errors.New("is not an http or https address")))
	}
	if cfg.Timeout <= 0 {
		errs = append(errs, sdk.Invalid("timeout", errors.New("must be greater than zero")))
	}
	t, tlsErr := cfg.TLS.build()
	if tlsErr != nil {
		errs = append(errs, tlsErr)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = t
	// The daemon sends several at once; the default keeps two connections and opens the others anew.
	transport.MaxIdleConnsPerHost = 32
	return &notifier{
		cfg: cfg, write: formats[cfg.Format], now: time.Now,
		client: &http.Client{Transport: transport, Timeout: cfg.Timeout, CheckRedirect: sameHost},
	}, nil
}

// sameHost follows redirects within the host only: headers and body may hold secrets.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirects")
	}
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

func (t *tlsConfig) build() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.MinVersion == "1.3" {
		out.MinVersion = tls.VersionTLS13
	}
	var errs []error
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		out.RootCAs = x509.NewCertPool()
		if err == nil && !out.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s holds no certificate", t.CAFile)
		}
		errs = append(errs, sdk.Invalid("tls.ca_file", err))
	}
	switch {
	case t.CertFile != "" && t.KeyFile != "":
		c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		errs = append(errs, sdk.Invalid("tls.cert_file", err))
		out.Certificates = []tls.Certificate{c}
	case t.CertFile != "" || t.KeyFile != "":
		errs = append(errs, sdk.Invalid("tls.key_file", errors.New("cert_file and key_file belong together")))
	}
	return out, errors.Join(errs...)
}

// Notify posts one notification.
func (n *notifier) Notify(ctx context.Context, no sdk.Notification) sdk.Result {
	body, header, err := n.write(no)
	if err != nil {
		return sdk.Rejected(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return sdk.Rejected(errors.New("the address is not usable"))
	}
	req.Header = header
	req.Header.Set("Idempotency-Key", no.ID)
	req.Header.Set("User-Agent", "regent-notifier-webhook/"+info.Version)
	for k, v := range n.cfg.Headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
	}
	if n.cfg.Secret != "" {
		req.Header.Set("Regent-Signature", sign(n.cfg.Secret, n.now(), body))
	}
	res, err := n.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			// Its text repeats the address.
			err = ue.Err
		}
		return sdk.Retry(fmt.Errorf("post: %w", err), 0)
	}
	defer res.Body.Close()
	// A receiver may answer at any length.
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 2048))
	detail := res.Status
	if s := strings.TrimSpace(string(answer)); s != "" {
		detail += ": " + s
	}
	return judge(res.StatusCode, res.Header.Get("Retry-After"), detail, n.now())
}

// judge says what an answer means.
func judge(code int, retryAfter, detail string, now time.Time) sdk.Result {
	switch {
	case code >= 200 && code < 300:
		return sdk.Delivered(detail)
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code == http.StatusTooEarly || code >= 500:
		return sdk.Retry(errors.New(detail), after(retryAfter, now))
	}
	return sdk.Rejected(errors.New(detail))
}

// after reads Retry-After: seconds or a date (RFC 9110, section 10.2.3).
func after(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil && t.After(now) {
		return min(t.Sub(now), 24*time.Hour)
	}
	return 0
}

func sign(secret string, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

var info = sdk.Info{Name: "webhook", Version: "0.1.0", Summary: "Posts notifications over HTTP as CloudEvents, to Alertmanager's receivers, or to Slack."}

func main() { sdk.ServeNotifier(info, open) }
