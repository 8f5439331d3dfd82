package objectstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// EnvDir names another directory than contract.DirObjectStore, for tests and for running
// outside of a pod.
const EnvDir = "SWITCHBOARD_OBJECT_STORE_DIR"

// maxSecret bounds a file of credentials, in bytes. Session tokens are long.
const maxSecret = 16 << 10

// secrets reads credentials laid out as contract.DirObjectStore, again for every request.
type secrets struct{ dir string }

func (s *secrets) credentials() *credentials.Credentials { return credentials.New(s) }

// RetrieveWithCredContext implements credentials.Provider.
func (s *secrets) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return s.Retrieve()
}

// Retrieve implements credentials.Provider.
func (s *secrets) Retrieve() (credentials.Value, error) {
	dir := s.dir
	// The kubelet's link at this moment, so that the files are of one version of the Secret.
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		dir = target
	}
	v := credentials.Value{SignerType: credentials.SignatureV4}
	for _, f := range []struct {
		name     string
		into     *string
		optional bool
	}{
		{contract.FileAccessKeyID, &v.AccessKeyID, false},
		{contract.FileSecretAccessKey, &v.SecretAccessKey, false},
		{contract.FileSessionToken, &v.SessionToken, true},
	} {
		word, err := read(filepath.Join(dir, f.name))
		if f.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && word == "" && !f.optional {
			err = errors.New("it is empty")
		}
		if err != nil {
			return v, &Error{Class: contract.StoreUnreadable, Doing: "reading the object store's credentials", cause: fmt.Errorf("key %s: %w", f.name, err)}
		}
		*f.into = word
	}
	return v, nil
}

// IsExpired implements credentials.Provider.
func (s *secrets) IsExpired() bool { return true }

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", errors.Unwrap(err) // without the path: what matters is the key's name
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return strings.TrimSpace(string(b)), err
}
