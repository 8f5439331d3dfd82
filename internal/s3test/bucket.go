package s3test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Admin is a client of the store's owner, for what an instance never does.
func (s *Server) Admin(t testing.TB) *minio.Core {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.ca)
	c, err := minio.NewCore(fmt.Sprintf("127.0.0.1:%d", s.port), &minio.Options{
		Creds: credentials.NewStaticV4(accessKeyID, s.secret, ""), Secure: true, Region: s.location,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *Server) make(t testing.TB, bucket string) {
	t.Helper()
	c := s.Admin(t)
	there, err := c.BucketExists(t.Context(), bucket)
	if err == nil && !there {
		err = c.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{Region: s.location})
	}
	if err != nil {
		t.Fatalf("making bucket %s: %v", bucket, err)
	}
}

// Age makes an object look as if it had last changed that long ago.
func (s *Server) Age(t testing.TB, bucket, key string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(filepath.Join(s.dir, "buckets", bucket, filepath.FromSlash(key)), then, then); err != nil {
		t.Fatal(err)
	}
}

func walk(root fs.FS, each func(path string, content io.Reader) error) error {
	return fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		f, err := root.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return each(path, f)
	})
}
