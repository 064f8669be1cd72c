package blob

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
)

// digestHeader is where an object keeps the digest of what it was written from.
const digestHeader = "Sha256"

// abandonFor bounds the request that gives an unfinished upload up.
const abandonFor = 10 * time.Second

// Put implements Bucket. The server checks what arrived by its MD5 and SHA-256, and is asked afterwards
// whether it has it.
func (b *S3Bucket) Put(ctx context.Context, key, file string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("put into %s: %w", b.name, err)
	}
	src, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.name, notObject(err))
	}
	defer src.Close()
	info, err := src.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", file)
	}
	if err != nil {
		return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.name, err)
	}
	release, err := b.hold(ctx, key)
	if err != nil {
		return fmt.Errorf("put %s into %s: %w", key, b.name, err)
	}
	defer release()
	size := info.Size()
	whole, err := sums(io.NewSectionReader(src, 0, size), size)
	if err != nil {
		return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.name, err)
	}
	if size <= b.part {
		err = b.putWhole(ctx, key, src, size, whole)
	} else {
		err = b.putParts(ctx, key, src, size, whole)
	}
	if err != nil {
		return err
	}
	return b.verify(ctx, key, size, whole)
}

// hold makes those wait that put under one key at once, each of whom would find the object of another when
// it looks after its own.
func (b *S3Bucket) hold(ctx context.Context, key string) (release func(), err error) {
	for {
		b.mu.Lock()
		other := b.held[key]
		if other == nil {
			mine := make(chan struct{})
			b.held[key] = mine
			b.mu.Unlock()
			return func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				delete(b.held, key)
				close(mine)
			}, nil
		}
		b.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// sum is what a request pins of its body.
type sum struct{ md5Base64, sha256Hex string }

func sums(r io.Reader, size int64) (sum, error) {
	m, s := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(m, s), r)
	if err == nil && n != size {
		err = fmt.Errorf("it changed while it was read: it had %d bytes, then %d", size, n)
	}
	return sum{base64.StdEncoding.EncodeToString(m.Sum(nil)), hex.EncodeToString(s.Sum(nil))}, err
}

func (b *S3Bucket) options(whole sum) minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{digestHeader: whole.sha256Hex},
		// The SHA-256 of the whole body is signed instead of one per chunk.
		DisableContentSha256: true,
	}
}

func (b *S3Bucket) putWhole(ctx context.Context, key string, src io.ReaderAt, size int64, whole sum) error {
	return b.try(ctx, "put", key, func(ctx context.Context, moved func()) error {
		body := &moving{io.NewSectionReader(src, 0, size), moved}
		_, err := b.client.PutObject(ctx, b.o.Bucket, b.full(key), body, size, whole.md5Base64, whole.sha256Hex, b.options(whole))
		return err
	})
}

// putParts writes a large object in parts, each tried again on its own; the object comes into being with
// the last request.
func (b *S3Bucket) putParts(ctx context.Context, key string, src io.ReaderAt, size int64, whole sum) (err error) {
	var upload string
	err = b.try(ctx, "put", key, func(ctx context.Context, _ func()) (err error) {
		upload, err = b.client.NewMultipartUpload(ctx, b.o.Bucket, b.full(key), b.options(whole))
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		// What was uploaded would be kept, and be paid for.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonFor)
		defer cancel()
		if abort := b.client.AbortMultipartUpload(ctx, b.o.Bucket, b.full(key), upload); abort != nil {
			err = errors.Join(err, fmt.Errorf("the unfinished upload %s stays in %s: %w; a lifecycle rule for unfinished uploads removes such", upload, b.name, abort))
		}
	}()
	length := max(b.part, (size+maxParts-1)/maxParts)
	var parts []minio.CompletePart
	for off := int64(0); off < size; off += length {
		n := min(length, size-off)
		part, err := sums(io.NewSectionReader(src, off, n), n)
		if err != nil {
			return fmt.Errorf("put %s into %s: what is to be written: %w", key, b.name, err)
		}
		number := len(parts) + 1
		err = b.try(ctx, "put part "+strconv.Itoa(number)+" of", key, func(ctx context.Context, moved func()) error {
			body := &moving{io.NewSectionReader(src, off, n), moved}
			done, err := b.client.PutObjectPart(ctx, b.o.Bucket, b.full(key), upload, number, body, n,
				minio.PutObjectPartOptions{Md5Base64: part.md5Base64, Sha256Hex: part.sha256Hex, DisableContentSha256: true})
			if err == nil {
				parts = append(parts, minio.CompletePart{PartNumber: number, ETag: done.ETag})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return b.try(ctx, "put", key, func(ctx context.Context, _ func()) error {
		_, err := b.client.CompleteMultipartUpload(ctx, b.o.Bucket, b.full(key), upload, parts, minio.PutObjectOptions{})
		if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
			// An earlier attempt went through whose answer was lost, or it is asked about below.
			return nil
		}
		return err
	})
}

// verify asks whether the object is there as it was written.
func (b *S3Bucket) verify(ctx context.Context, key string, size int64, whole sum) error {
	info, err := b.head(ctx, "look after putting", key)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("put %s into %s: %w: the server took it, and does not have it; look for a rule there that removes objects, or use another server", key, b.name, ErrLost)
	}
	if err != nil {
		return err
	}
	// Servers without metadata of the user's own are held to the size.
	kept := info.UserMetadata[digestHeader]
	if info.Size != size || kept != "" && kept != whole.sha256Hex {
		return fmt.Errorf("put %s into %s: %w: the server took %d bytes with SHA-256 %s, and has %d bytes, written as %q; does somebody else write there?",
			key, b.name, ErrLost, size, whole.sha256Hex, info.Size, kept)
	}
	return nil
}
