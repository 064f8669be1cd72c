package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/regent-dev/regent/core/record"
)

// What can be wrong with a bucket. Each error of this package that is none of these is of a machine or
// a server that does something nobody foresaw.
var (
	// ErrNotFound says that there is no object under a key.
	ErrNotFound = errors.New("no such object")
	// ErrNoBucket says that the bucket or the folder itself is not there.
	ErrNoBucket = errors.New("no such bucket")
	// ErrKey says that a key is none.
	ErrKey = errors.New("not a key")
	// ErrFull says that there is no room.
	ErrFull = errors.New("no room left")
	// ErrReadOnly says that a folder may not be written.
	ErrReadOnly = errors.New("not writable")
	// ErrDenied says that a server refuses the credentials, or what they may do.
	ErrDenied = errors.New("access denied")
	// ErrUnavailable says that a server failed or did not answer, as often as it was tried.
	ErrUnavailable = errors.New("not available")
	// ErrLost says that an object was gone, or another, right after it was written.
	ErrLost = errors.New("lost after it was written")
	// ErrDamaged says that an object is not what it should be; the error is a *Damage.
	ErrDamaged = errors.New("damaged")
)

// Info is what a bucket knows of an object without opening it.
type Info struct {
	Key      string
	Bytes    int64
	Modified time.Time
}

// Object is an open object.
type Object interface {
	// ReaderAt may be called by several at once. The context that the object was opened with ends
	// reading.
	io.ReaderAt
	io.Closer
	// Size is in bytes.
	Size() int64
}

// Bucket holds objects.
type Bucket interface {
	// Put writes an object from a local file, in place of any other with its key, and returns when it is
	// durable. The file stays where it is.
	Put(ctx context.Context, key, file string) error
	// Open opens an object. ErrNotFound says that there is none.
	Open(ctx context.Context, key string) (Object, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List calls fn for the objects whose keys begin with prefix, in the order of their keys. What has
	// a name that is no key was put there by somebody else and is left out.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// String names the bucket for messages: a folder's path, or "s3://bucket/prefix".
	String() string
}

// Damage is an object whose bytes are not those that were once written.
type Damage struct {
	Bucket, Key string
	// WantBytes and Want are what was written.
	WantBytes int64
	Want      record.Digest
	// GotBytes is what is there; Got is its digest, not set where the size said enough.
	GotBytes int64
	Got      record.Digest
}

// Error says what was expected and what is there.
func (d *Damage) Error() string {
	is := fmt.Sprintf("%d bytes", d.GotBytes)
	if !d.Got.IsZero() {
		is += " with SHA-256 " + d.Got.String()
	}
	return fmt.Sprintf("%s in %s is damaged: it has %s, and was written with %d bytes and SHA-256 %s; restore it from a copy", d.Key, d.Bucket, is, d.WantBytes, d.Want)
}

// Unwrap makes it an ErrDamaged.
func (d *Damage) Unwrap() error { return ErrDamaged }
