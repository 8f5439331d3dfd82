package objectstore

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Error says what was not done, and why.
type Error struct {
	Class string // one of contract.Store…
	Doing string
	// absent: what was asked for is not there.
	absent bool
	cause  error
}

// What can be wrong with an answer.
var (
	errUnconfirmed    = errors.New("the store did not say of every object that it is gone")
	errUnintelligible = errors.New("the store's answer can't be understood; is its endpoint that of an S3-compatible store?")
)

func (e *Error) Error() string {
	return e.Doing + ": " + e.cause.Error()
}

// Unwrap gives what was returned by the network or the context, nil of what the store answered.
func (e *Error) Unwrap() error { return e.cause }

// Absent tells whether an error says that an object is not there. No other error says so: a
// store that is down, or denies, says nothing of the object.
func Absent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.absent
}

// Class gives the class of an error, empty for nil.
func Class(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Class
	}
	return contract.StoreFailing
}

// failed sorts an error by who it is from. What the store answers is told by its code and
// status alone: its sentences may name keys.
func failed(doing string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return &Error{Class: own.Class, Doing: doing, absent: own.absent, cause: own.cause}
	}
	var answer minio.ErrorResponse // of one object of many it is a code without a status
	if errors.As(err, &answer) && answer.Code != "" {
		return answered(doing, answer.Code, answer.StatusCode)
	}
	class := contract.StoreUnreachable
	if errors.Is(err, errUnconfirmed) || errors.Is(err, errUnintelligible) {
		class = contract.StoreFailing
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // it names the URL, and so the key
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(errors.New("the store did not answer in time"), context.DeadlineExceeded)
	}
	return &Error{Class: class, Doing: doing, cause: err}
}

func answered(doing, code string, status int) *Error {
	e := &Error{Class: contract.StoreFailing, Doing: doing}
	switch {
	case code == minio.NoSuchBucket:
		e.Class, e.cause = contract.StoreNoBucket, errors.New("the store has no such bucket; make it, or correct the Tenant's objectStore")
	case code == minio.NoSuchKey, code == minio.NoSuchUpload:
		e.absent, e.cause = true, errors.New("the store has no such object")
	case status == http.StatusForbidden, status == http.StatusUnauthorized, code == minio.AccessDenied:
		e.Class, e.cause = contract.StoreDenied, errors.New("the store does not take the credentials for this ("+word(code)+"); correct the Secret, or grant what is missing")
	case code == "AuthorizationHeaderMalformed", status == http.StatusMovedPermanently:
		e.Class, e.cause = contract.StoreMisplaced, errors.New("the store says that the bucket is in another location than the Region's register says")
	default:
		e.cause = errors.New("the store answered " + word(code))
	}
	return e
}

// word lets a code of the store through when it looks like one.
func word(code string) string {
	if len(code) == 0 || len(code) > 64 {
		return "an error"
	}
	for _, r := range code {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return "an error"
		}
	}
	return code
}

// Of gives the store's error among others; false when there is none.
func Of(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
