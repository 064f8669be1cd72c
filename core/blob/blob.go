package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotFound says that there is no object under a key.
var ErrNotFound = errors.New("no such object")

// Info is what a bucket knows of an object without opening it.
type Info struct {
	Key      string
	Bytes    int64
	Modified time.Time
}

// Object is an open object.
type Object interface {
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
	// List calls fn for the objects whose keys begin with prefix, in the order of their keys.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// String names the bucket for messages: a folder's path, or "s3://bucket/prefix".
	String() string
}
