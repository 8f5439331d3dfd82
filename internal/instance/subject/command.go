package subject

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// Other directories than the contract's, for tests and for running outside of a pod.
const (
	EnvSubjectDir  = "SWITCHBOARD_SUBJECT_DIR"
	EnvDownloadDir = "SWITCHBOARD_DOWNLOAD_DIR"
)

// Command is `instance subject`: the request in contract.EnvRequest, its result, or why
// there is none, in the termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	result, err := command(ctx, log)
	return termination.Report(contract.Result{Subject: &result}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.SubjectResult, error) {
	request, err := readRequest()
	if err != nil {
		return contract.SubjectResult{}, err
	}
	p, err := readPerson(request)
	if err != nil {
		return contract.SubjectResult{}, err
	}
	if p.Objects, err = objectstore.FromEnvironment(); err != nil && request.Type == contract.RequestAccess {
		return contract.SubjectResult{}, err // any other request is carried out without it, and says what is left
	}
	pool, err := store.Open(ctx, log)
	if err != nil {
		return contract.SubjectResult{}, err
	}
	defer pool.Close()
	result, err := Run(ctx, pool, request, os.Getenv(contract.EnvTenant), p)
	if err != nil {
		return contract.SubjectResult{}, fmt.Errorf("request %s: %w", request.Name, err)
	}
	log.Info("request", "request", request.UID, "type", request.Type, "sequence", result.Sequence,
		"found", len(result.Found), "done", len(result.Done), "refused", len(result.Refused))
	return result, nil
}

func readRequest() (contract.Request, error) {
	var request contract.Request
	value := os.Getenv(contract.EnvRequest)
	if value == "" {
		return request, fmt.Errorf("reading the request: %s is not set; it holds the request as JSON", contract.EnvRequest)
	}
	d := json.NewDecoder(bytes.NewBufferString(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return request, fmt.Errorf("reading the request from %s: %w", contract.EnvRequest, err)
	}
	return request, nil
}

func readPerson(request contract.Request) (p Person, err error) {
	dir := cmp.Or(os.Getenv(EnvSubjectDir), contract.DirSubject)
	if p.Addresses, err = person.Read(dir); err != nil {
		return p, err
	}
	if p.Keys, err = addresshash.Load(addresshash.Dir()); err != nil {
		return p, err
	}
	switch request.Type {
	case contract.RequestAccess:
		p.Token, err = readValue(cmp.Or(os.Getenv(EnvDownloadDir), contract.DirDownload), contract.FileToken)
		return p, err
	case contract.RequestRectification:
		return p, readCorrection(dir, &p)
	}
	return p, nil
}

// maxName is how long a contact's name may be, in characters.
const maxName = 200

func readCorrection(dir string, p *Person) (err error) {
	if p.NewName, err = readValue(dir, contract.FileNewName); err != nil {
		return err
	}
	if utf8.RuneCountInString(p.NewName) > maxName || strings.ContainsFunc(p.NewName, unicode.IsControl) || !utf8.ValidString(p.NewName) {
		return fmt.Errorf("key %s: a name has at most %d characters, on one line", contract.FileNewName, maxName)
	}
	phone, err := readValue(dir, contract.FileNewPhone)
	if err != nil || phone == "" {
		return err
	}
	a, err := person.Parse(contract.KindPhone, phone)
	if err != nil {
		return fmt.Errorf("key %s: %w", contract.FileNewPhone, err)
	}
	p.NewPhone = a.Value
	return nil
}

// readValue reads a file of at most 4 KiB; empty when it is not there.
func readValue(dir, name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading key %s: %w", name, err)
	case len(content) > 4096:
		return "", fmt.Errorf("reading key %s: it has %d bytes, at most 4096 are taken", name, len(content))
	}
	return strings.TrimSpace(string(content)), nil
}
