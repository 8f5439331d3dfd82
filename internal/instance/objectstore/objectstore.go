// Package objectstore keeps a tenant's bytes in an S3-compatible store.
//
// A Store refuses to work with a bucket that is in another location than the Region's
// register says, or that keeps what is deleted, and says so before anything is stored
// there (Verify). What it is told to remove counts as removed only when the store has
// confirmed it, object by object; a store that is down has confirmed nothing.
//
// Errors are *Error: a class for status and metrics, and a sentence without keys,
// credentials or addresses in it.
package objectstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

const (
	// MaxBatch is how many objects Remove takes at once: the protocol's own bound.
	MaxBatch = 1000
	// partSize is what of a stream is in memory at a time. A store takes 10,000 parts of
	// one object: 156 GiB.
	partSize = 16 << 20
	// streamPart is that of Stream: the least that the protocol allows.
	streamPart = 5 << 20
	// attempts of a request whose failure may be of the moment.
	attempts = 3
	// askTimeout bounds a request that carries no stream.
	askTimeout = 30 * time.Second
)

// Store is a tenant's part of a bucket. It is safe for concurrent use.
type Store struct {
	place    contract.ObjectStore
	endpoint *url.URL
	secrets  *secrets
	http     http.RoundTripper
	client   *minio.Core

	mu   sync.Mutex
	good time.Time // until when the bucket counts as verified
}

// Object is what a listing tells.
type Object struct {
	Key     string // without the tenant's prefix
	Size    int64  // bytes
	Changed time.Time
}

// FromEnvironment opens the store that contract.EnvObjectStore names; nil when it is not set:
// the tenant has none.
func FromEnvironment() (*Store, error) {
	return FromEnvironmentAt(cmp.Or(os.Getenv(EnvDir), contract.DirObjectStore))
}

// FromEnvironmentAt is FromEnvironment with credentials from dir.
func FromEnvironmentAt(dir string) (*Store, error) {
	value := os.Getenv(contract.EnvObjectStore)
	if value == "" {
		return nil, nil
	}
	var place contract.ObjectStore
	if err := json.Unmarshal([]byte(value), &place); err != nil {
		return nil, &Error{Class: contract.StoreUnreadable, Doing: "reading " + contract.EnvObjectStore, cause: errors.New("it is not the JSON of an object store")}
	}
	return Open(place, dir)
}

// Open makes a client. It asks the store nothing yet. Credentials are read from dir for
// every request, so that their rotation needs no restart.
func Open(place contract.ObjectStore, dir string) (*Store, error) {
	endpoint, err := url.Parse(place.Endpoint)
	if err != nil || endpoint.Scheme != "https" || endpoint.Host == "" || endpoint.User != nil || strings.Trim(endpoint.Path, "/") != "" || endpoint.RawQuery != "" {
		return nil, &Error{Class: contract.StoreUnreadable, Doing: "opening the object store", cause: errors.New("its endpoint must be an https origin such as https://s3.eu-central-1.example")}
	}
	if place.Bucket == "" || place.Location == "" {
		return nil, &Error{Class: contract.StoreUnreadable, Doing: "opening the object store", cause: errors.New("bucket or location is missing")}
	}
	if place.Prefix != "" && !strings.HasSuffix(place.Prefix, "/") {
		place.Prefix += "/"
	}
	s := &Store{place: place, endpoint: endpoint, secrets: &secrets{dir: dir}}
	if s.http, err = transport(place.CABundle); err != nil {
		return nil, &Error{Class: contract.StoreUnreadable, Doing: "reading the object store's caBundle", cause: err}
	}
	// The region is part of every signature: a store in another one takes none of them.
	s.client, err = minio.NewCore(endpoint.Host, &minio.Options{
		Creds: s.secrets.credentials(), Secure: true, Transport: s.http, Region: place.Location, MaxRetries: attempts,
	})
	if err != nil {
		return nil, &Error{Class: contract.StoreUnreadable, Doing: "opening the object store", cause: err}
	}
	return s, nil
}

// Name is the store's in the Region's register.
func (s *Store) Name() string { return s.place.Name }

// Put verifies the bucket, stores what is read under key and gives its size. size is in bytes, -1 when it is not
// known. Of an upload that fails nothing can be read, ever; parts of one that was killed are
// removed by Abandon.
func (s *Store) Put(ctx context.Context, key string, from io.Reader, size int64) (int64, error) {
	return s.put(ctx, key, from, size, partSize)
}

// Stream is Put for what is of unknown size and, most of the time, small: it has 5 MiB of it in memory at most.
func (s *Store) Stream(ctx context.Context, key string, from io.Reader) (int64, error) {
	return s.put(ctx, key, from, -1, streamPart)
}

func (s *Store) put(ctx context.Context, key string, from io.Reader, size int64, part uint64) (int64, error) {
	if err := s.verified(ctx); err != nil {
		return 0, err
	}
	info, err := s.client.Client.PutObject(ctx, s.place.Bucket, s.place.Prefix+key, from, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: part, NumThreads: 1, SendContentMd5: true,
	})
	if err != nil {
		return 0, failed("storing an object", err)
	}
	return info.Size, nil
}

// Get reads an object. One that is not there is an error for which Absent is true.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	body, _, _, err := s.client.GetObject(ctx, s.place.Bucket, s.place.Prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, failed("reading an object", err)
	}
	return &reader{body: body}, nil
}

// Remove removes objects, at most MaxBatch, and gives those that the store has confirmed to be
// gone. One that was not there is gone. The error is of the first that is not.
func (s *Store) Remove(ctx context.Context, keys []string) (gone []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempts*askTimeout)
	defer cancel()
	doomed := func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: s.place.Prefix + key}) {
				return
			}
		}
	}
	results, err := s.client.RemoveObjectsWithIter(ctx, s.place.Bucket, doomed, minio.RemoveObjectsOptions{})
	if err != nil {
		return nil, failed("removing objects", err)
	}
	for r := range results {
		switch {
		case r.Err == nil && r.ObjectName != "", r.Err != nil && minio.ToErrorResponse(r.Err).Code == minio.NoSuchKey && r.ObjectName != "":
			gone = append(gone, strings.TrimPrefix(r.ObjectName, s.place.Prefix))
		case err == nil && r.Err != nil:
			err = failed("removing objects", r.Err)
		}
	}
	if err == nil && len(gone) < len(keys) {
		err = failed("removing objects", cmp.Or(ctx.Err(), errUnconfirmed))
	}
	return gone, err
}

// List gives the objects whose keys begin with prefix, in the order of their keys. It ends with the
// first error.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range s.client.ListObjectsIter(ctx, s.place.Bucket, minio.ListObjectsOptions{Prefix: s.place.Prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Object{}, failed("listing objects", o.Err))
				return
			}
			if !yield(Object{Key: strings.TrimPrefix(o.Key, s.place.Prefix), Size: o.Size, Changed: o.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil { // a listing that was cut short is not a short listing
			yield(Object{}, failed("listing objects", err))
		}
	}
}

// Abandon removes the parts of uploads under prefix that began before a time and were never
// completed: no listing shows them. It gives how many uploads these were.
func (s *Store) Abandon(ctx context.Context, prefix string, before time.Time) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	count := 0
	for u := range s.client.ListIncompleteUploads(ctx, s.place.Bucket, s.place.Prefix+prefix, true) {
		if u.Err != nil {
			return count, failed("listing uploads", u.Err)
		}
		if !u.Initiated.Before(before) {
			continue
		}
		if err := s.client.AbortMultipartUpload(ctx, s.place.Bucket, u.Key, u.UploadID); err != nil {
			if failed := failed("removing an upload", err); !Absent(failed) {
				return count, failed
			}
		}
		count++
	}
	if err := ctx.Err(); err != nil {
		return count, failed("listing uploads", err)
	}
	return count, nil
}

// reader tells of a stream that breaks as the other calls do.
type reader struct{ body io.ReadCloser }

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed("reading an object", err)
	}
	return n, err
}

func (r *reader) Close() error {
	if err := r.body.Close(); err != nil {
		return fmt.Errorf("ending the reading of an object: %w", err)
	}
	return nil
}
