package blob

import (
	"errors"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// errNoCredentials is for those who gave none, where the client would ask on as nobody in particular.
var errNoCredentials = errors.New("no credentials: none are set, nor in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) nor in ~/.aws/credentials, and this machine has no role that gives them")

// metadataTimeout bounds the request for the role of a machine, which on others goes nowhere.
const metadataTimeout = 5 * time.Second

// found looks for credentials where AWS's own tools do.
type found struct{ credentials.Chain }

func newFound() *credentials.Credentials {
	return credentials.New(&found{credentials.Chain{Providers: []credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}},
	}}})
}

// Retrieve implements credentials.Provider.
func (f *found) Retrieve() (credentials.Value, error) { return f.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext implements credentials.Provider.
func (f *found) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	v, err := f.Chain.RetrieveWithCredContext(c)
	if err == nil && v.AccessKeyID == "" {
		err = errNoCredentials
	}
	return v, err
}
