package blob

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
)

var (
	errStalled = errors.New("no byte moved")
	// errChanged and errRange are answers that are not what was asked for.
	errChanged = errors.New("the object was written again while it was read")
	errRange   = errors.New("the server does not send the part that it is asked for")
)

// try does f until it succeeds, cannot succeed, or failed often enough. Each time f has a context that
// ends when nothing moved for too long; f tells by moved what does.
func (b *S3Bucket) try(ctx context.Context, doing, key string, f func(ctx context.Context, moved func()) error) error {
	pause := b.first
	stalled := 0
	for n := 1; ; n++ {
		err := b.once(ctx, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w", doing, b.at(key), context.Cause(ctx))
		}
		passes := passing(err)
		if errors.Is(err, errStalled) {
			stalled++
		}
		if !passes || n == b.attempts || stalled == stalls {
			return b.explain(doing, key, err, passes, n)
		}
		// A random part of the pause keeps those apart that failed together.
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", doing, b.at(key), errors.Join(context.Cause(ctx), err))
		}
		pause = min(2*pause, b.longest)
	}
}

func (b *S3Bucket) once(ctx context.Context, f func(ctx context.Context, moved func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(b.patient, func() { cancel(errStalled) })
	defer timer.Stop()
	err := f(ctx, func() { timer.Reset(b.patient) })
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w for %s", errStalled, b.patient)
	}
	return err
}

// passing reports whether the same request may succeed later.
func passing(err error) bool {
	var (
		answer      minio.ErrorResponse
		certificate *tls.CertificateVerificationError
		local       *fs.PathError
	)
	switch {
	case errors.As(err, &answer):
		switch answer.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests:
			return true
		case http.StatusNotImplemented, http.StatusInsufficientStorage, http.StatusHTTPVersionNotSupported:
			return false
		}
		// These say in the 400s that the server is busy, or that the bytes changed on their way.
		return answer.StatusCode >= 500 || slices.Contains([]string{"RequestTimeout", "SlowDown", "InternalError", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}, answer.Code)
	case errors.Is(err, errChanged), errors.Is(err, errRange), errors.Is(err, errNoCredentials), errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &certificate), errors.As(err, &local):
		return false
	}
	return true
}

// at names an object, or the bucket.
func (b *S3Bucket) at(key string) string {
	if key == "" {
		return b.name
	}
	return key + " in " + b.name
}

// explain says what is wrong and the way out.
func (b *S3Bucket) explain(doing, key string, err error, passes bool, n int) error {
	at := doing + " " + b.at(key)
	if passes {
		tried := fmt.Sprintf("tried %d times", n)
		return fmt.Errorf("%s: %w, %s: %w; look after the server at %s and the network between", at, ErrUnavailable, tried, err, b.endpoint)
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: %w; name the CA of the server at %s as CA file", at, err, b.endpoint)
	case errors.Is(err, errNoCredentials):
		return fmt.Errorf("%s: %w: %w", at, ErrDenied, err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s: %w; the server at %s has no TLS: mend it, or use an endpoint with http://", at, err, b.endpoint)
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s: %w", at, err)
	}
	said := fmt.Errorf("%s (status %d): %w", answer.Code, answer.StatusCode, err)
	switch answer.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%s: %w; if it should be there, restore it from a copy or an older version", at, ErrNotFound)
	case minio.NoSuchBucket:
		return fmt.Errorf("%s: %w: %w; make the bucket %s at %s, or correct its name", at, ErrNoBucket, said, b.o.Bucket, b.endpoint)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "InvalidSecurity", "CredentialsNotSupported", "XAdminUserNotFound":
		return fmt.Errorf("%s: %w: %w; the credentials are wrong or have ended: check the access key and the secret key", at, ErrDenied, said)
	case "RequestTimeTooSkewed", "RequestExpired":
		return fmt.Errorf("%s: %w: %w; the clock of this machine says %s and the server's differs: set it right, by NTP", at, ErrDenied, said, time.Now().UTC().Format(time.RFC3339))
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion":
		other := "another region"
		if answer.Region != "" && answer.Region != b.o.Region {
			other = "region " + answer.Region
		}
		return fmt.Errorf("%s: %w; the bucket is in %s: correct the region and the endpoint", at, said, other)
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return fmt.Errorf("%s: %w: %w; make room there, or raise the quota", at, ErrFull, said)
	case "InvalidObjectState":
		return fmt.Errorf("%s: %w; the object was moved to an archive: restore it there, and exempt this prefix from the rule that moves objects", at, said)
	}
	switch answer.StatusCode {
	case http.StatusInsufficientStorage:
		return fmt.Errorf("%s: %w: %w; make room there, or raise the quota", at, ErrFull, said)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: %w: %w; check the credentials, and that they may get, put, delete and list objects in %s", at, ErrDenied, said, b.name)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", at, errChanged)
	}
	return fmt.Errorf("%s: %w; the server at %s refuses what should be allowed: does it speak S3?", at, said, b.endpoint)
}
