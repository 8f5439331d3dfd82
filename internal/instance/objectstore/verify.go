package objectstore

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// maxAnswer bounds what is read of an answer that is no object, in bytes.
const maxAnswer = 64 << 10

// unsigned stands for the digest of a body that TLS alone protects; here it is empty.
const unsigned = "UNSIGNED-PAYLOAD"

// verifiedFor is how long nobody asks again: buckets don't move, but may begin to keep versions.
const verifiedFor = time.Hour

var location = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`)

// Verify refuses a bucket that is elsewhere (Misplaced), and one that keeps what is deleted
// (Versioned). Nothing may be stored before it has succeeded.
func (s *Store) Verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	where, err := s.Location(ctx)
	if err != nil {
		return err
	}
	if where != s.place.Location {
		return &Error{Class: contract.StoreMisplaced, Doing: "comparing the bucket's location", cause: fmt.Errorf(
			"the store says that the bucket is in %s, and the Region's register that store %s is in %s; name a bucket of that location", where, s.place.Name, s.place.Location)}
	}
	versions, err := s.client.GetBucketVersioning(ctx, s.place.Bucket)
	if err != nil {
		// Stores that know nothing of versions keep none.
		if answer := minio.ToErrorResponse(err); answer.StatusCode == http.StatusNotImplemented {
			return nil
		}
		return failed("asking whether the bucket keeps versions", err)
	}
	if versions.Status != "" {
		return &Error{Class: contract.StoreVersioned, Doing: "asking whether the bucket keeps versions", cause: errors.New(
			"it does, or did: what is deleted would stay there; name a bucket that never had versioning")}
	}
	return nil
}

// verified is Verify, once in a while.
func (s *Store) verified(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.good) {
		return nil
	}
	if err := s.Verify(ctx); err != nil {
		return err
	}
	s.good = time.Now().Add(verifiedFor)
	return nil
}

// Location asks the store where the bucket is. minio-go's own question takes a store that
// denies for one in us-east-1.
func (s *Store) Location(ctx context.Context) (string, error) {
	const doing = "asking where the bucket is"
	at := *s.endpoint
	at.Path, at.RawQuery = "/"+s.place.Bucket+"/", "location="
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", failed(doing, err)
	}
	secret, err := s.secrets.Retrieve()
	if err != nil {
		return "", failed(doing, err)
	}
	request.Header.Set("X-Amz-Content-Sha256", unsigned)
	response, err := s.http.RoundTrip(signer.SignV4(*request, secret.AccessKeyID, secret.SecretAccessKey, secret.SessionToken, s.place.Location))
	if err != nil {
		return "", failed(doing, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", failed(doing, err)
	}
	if response.StatusCode != http.StatusOK {
		var answer struct{ Code, Region string }
		_ = xml.Unmarshal(body, &answer)                                                       // without a code the HTTP status tells
		if location.MatchString(answer.Region) && response.StatusCode < http.StatusForbidden { // signed for another region than the bucket's
			return answer.Region, nil
		}
		return "", answered(doing, answer.Code, response.StatusCode)
	}
	var constraint string
	if err := xml.Unmarshal(body, &constraint); err != nil {
		return "", failed(doing, errUnintelligible)
	}
	switch { // two names from before there were others
	case constraint == "":
		return "us-east-1", nil
	case constraint == "EU":
		return "eu-west-1", nil
	case !location.MatchString(constraint):
		return "", failed(doing, errUnintelligible)
	}
	return constraint, nil
}
