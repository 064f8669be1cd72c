package policy

import (
	"context"
	"errors"

	"github.com/regent-dev/regent/core/record"
)

// ErrAmbiguous is what a Reader's Find returns where a look-up resolves to several resources. The
// evaluation that made it ends in ERROR.
var ErrAmbiguous = errors.New("several resources have this type and id")

// Found is what a look-up of a resource found. OK is false where there is none.
type Found struct {
	Key   record.Key
	Value *Value
	// Hash is the content hash of the item.
	Hash record.Digest
	OK   bool
}

// Reader is what policies see of other resources. Its methods may be called from several goroutines.
// Errors other than ErrAmbiguous end the evaluation in ERROR.
type Reader interface {
	// Find resolves a resource as seen from another one: in its account and region, then in its
	// account, then anywhere if that is unique, else ErrAmbiguous.
	Find(ctx context.Context, from record.Key, resourceType, id string) (Found, error)
	// Get finds the resource with exactly this key.
	Get(ctx context.Context, key record.Key) (Found, error)
	// All returns the recorded resources of a type, at most limit of them.
	All(ctx context.Context, resourceType string, limit int) ([]Found, error)
}
