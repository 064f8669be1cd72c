package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// S3 says where a bucket is that speaks S3. Its keys may come from sensitive variables, so it is never
// printed.
type S3 struct {
	// Endpoint is the service's URL; empty means that of AWS in the region.
	Endpoint string
	Region   string
	Bucket   string
	// Prefix stands before every key.
	Prefix string
	// AccessKey and SecretKey, and SessionToken where they are temporary. Without them they come from where
	// the tools of AWS look.
	AccessKey, SecretKey, SessionToken string
	// PathStyle puts the bucket into the path instead of the host name.
	PathStyle bool
	// CAFile is a file of certificates to trust besides the system's; Insecure allows plain HTTP.
	CAFile   string
	Insecure bool
}

// rawS3 is an s3 block as it stands.
type rawS3 struct {
	Endpoint     hcl.Expression `hcl:"endpoint,optional"`
	Region       hcl.Expression `hcl:"region,optional"`
	Bucket       hcl.Expression `hcl:"bucket"`
	Prefix       hcl.Expression `hcl:"prefix,optional"`
	AccessKey    hcl.Expression `hcl:"access_key,optional"`
	SecretKey    hcl.Expression `hcl:"secret_key,optional"`
	SessionToken hcl.Expression `hcl:"session_token,optional"`
	PathStyle    bool           `hcl:"path_style,optional"`
	CAFile       hcl.Expression `hcl:"ca_file,optional"`
	Insecure     bool           `hcl:"insecure,optional"`
	Range        hcl.Range      `hcl:",def_range"`
}

// s3 reads an s3 block.
func (l *loader) s3(raw *rawS3) *S3 {
	s := &S3{PathStyle: raw.PathStyle, Insecure: raw.Insecure}
	for _, f := range []struct {
		e  hcl.Expression
		to *string
	}{{raw.Endpoint, &s.Endpoint}, {raw.Region, &s.Region}, {raw.Bucket, &s.Bucket}, {raw.Prefix, &s.Prefix}} {
		if text, _, ok := l.text(f.e); ok {
			*f.to = text
		}
	}
	for _, f := range []struct {
		e  hcl.Expression
		to *string
	}{{raw.AccessKey, &s.AccessKey}, {raw.SecretKey, &s.SecretKey}, {raw.SessionToken, &s.SessionToken}} {
		if text, ok := l.secret(f.e); ok {
			*f.to = text
		}
	}
	if text, rng, ok := l.text(raw.CAFile); ok {
		s.CAFile = l.path(text, rng)
	}
	if (s.AccessKey == "") != (s.SecretKey == "") {
		l.errorf(raw.Range, "Incomplete keys", "access_key and secret_key belong together; without both, they come from where the tools of AWS look: the environment, ~/.aws/credentials, the role of the machine.")
	}
	if l.unset(raw.Endpoint) && l.unset(raw.Region) {
		l.errorf(raw.Range, "Bucket without a place", "Set endpoint to the service's URL, or region for a bucket of AWS.")
	}
	return s
}

// secret reads a text that may come from a sensitive variable.
func (l *loader) secret(e hcl.Expression) (string, bool) {
	if e == nil {
		return "", false
	}
	v, diags := e.Value(l.eval)
	if diags.HasErrors() {
		l.add(diags)
		return "", false
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		// It comes of a variable without a value, which was reported where the variable is.
		return "", false
	}
	if v.Type() != cty.String {
		l.errorf(e.Range(), "Text expected", "A text in quotes is wanted here, not %s.", v.Type().FriendlyName())
		return "", false
	}
	return v.AsString(), true
}
