package meta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

var apiVersion = regexp.MustCompile(`^v[1-9][0-9]{0,2}\.[0-9]{1,2}$`)

// Graph calls the Graph API with a channel's access token.
type Graph struct {
	BaseURL string // an origin
	Version string // v23.0
	Site    provider.Site
	http    *http.Client
}

// NewGraph makes one and checks what can be checked without the network.
func NewGraph(baseURL, version, caBundle string, site provider.Site) (*Graph, error) {
	if !apiVersion.MatchString(version) {
		return nil, errors.New("apiVersion is no version of the Graph API, as in v23.0")
	}
	if err := provider.CheckOrigin("apiBaseURL", baseURL); err != nil {
		return nil, err
	}
	client, err := provider.NewHTTP(caBundle)
	return &Graph{BaseURL: baseURL, Version: version, Site: site, http: client}, err
}

// Error is what the Graph API says of a failure; zero for none.
// https://developers.facebook.com/docs/graph-api/guides/error-handling
type Error struct {
	Code    int `json:"code"`
	Subcode int `json:"error_subcode"`
}

// Answer is what the Graph API says.
type Answer struct {
	Status int // of HTTP
	Header http.Header
	Body   []byte
	Error  *Error
}

// OK is false for a failure.
func (a Answer) OK() bool { return a.Error == nil && a.Status == http.StatusOK }

// Code is the error's, 0 when there is none.
func (a Answer) Code() Error {
	if a.Error == nil {
		return Error{}
	}
	return *a.Error
}

func read(status int, header http.Header, body []byte) Answer {
	a := Answer{Status: status, Header: header, Body: body}
	var failure struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(body, &failure); err == nil {
		a.Error = failure.Error
	}
	return a
}

// Post sends a message to a path below the version, as JSON. It fails as provider.Attempt does.
func (g *Graph) Post(ctx context.Context, path string, document any) (Answer, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return Answer{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	request, err := g.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return Answer{}, &provider.NotSentError{Cause: err}
	}
	status, header, got, err := provider.Attempt(g.http, request)
	if err != nil {
		return Answer{}, err
	}
	return read(status, header, got), nil
}

// Get reads an object at a path below the version.
func (g *Graph) Get(ctx context.Context, path string) (Answer, error) {
	request, err := g.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Answer{}, err
	}
	status, header, got, err := provider.Do(g.http, request)
	if err != nil {
		return Answer{}, err
	}
	return read(status, header, got), nil
}

// Field is one of a form.
type Field = provider.Field

// Upload sends a form with a file to a path below the version. It fails as provider.Attempt does.
func (g *Graph) Upload(ctx context.Context, path string, fields []Field, name string, f provider.File) (Answer, error) {
	request, err := g.request(ctx, http.MethodPost, path, nil)
	if err != nil {
		return Answer{}, &provider.NotSentError{Cause: err}
	}
	status, header, got, err := provider.Upload(g.http, request, fields, name, f)
	if err != nil {
		return Answer{}, err
	}
	return read(status, header, got), nil
}

func (g *Graph) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	token, err := g.Site.Credential(contract.FileAccessToken)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, g.BaseURL+"/"+g.Version+"/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// busy are the codes of limits and of servers that are down, with which nothing was taken: 2 says that a service is down, 4
// that the app is asked too much at once.
var busy = map[int]bool{2: true, 4: true}

// misconfigured are the codes of a mistake in the Channel, its Secret or the account's settings: 190 and 102 of the access
// token, 3, 10 and 200 of its rights, 33 of an id.
var misconfigured = map[int]bool{3: true, 10: true, 33: true, 102: true, 190: true, 200: true}

// Codes are those that a product has besides.
type Codes struct{ Busy, Misconfigured map[int]bool }

// Failed says what an answer that is no success means; nil for a refusal of this one
// message, which is the product's to explain. product goes into sentences.
func (a Answer) Failed(product string, also Codes) error {
	code := a.Code().Code
	switch {
	case a.Status == http.StatusTooManyRequests || busy[code] || also.Busy[code]:
		return &provider.NotSentError{After: provider.RetryAfter(a.Header), Cause: fmt.Errorf("%s asks to be asked later (HTTP %d, code %d)", product, a.Status, code)}
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusNotFound || misconfigured[code] || also.Misconfigured[code]:
		// A mistake of configuration, not of this message: it waits until that is mended.
		return &provider.NotSentError{Cause: fmt.Errorf("%s does not accept the channel's access token and IDs (HTTP %d, code %d); "+
			"correct the Channel or its Secret", product, a.Status, code)}
	case a.Status >= 500 || a.Status == http.StatusRequestTimeout || a.Status < http.StatusBadRequest:
		return &provider.UnknownError{Cause: fmt.Errorf("%s answered HTTP %d", product, a.Status)}
	case code == 0:
		return &provider.RefusedError{Code: fmt.Sprintf("http-%d", a.Status), Reason: product + " gave no code"}
	}
	return nil
}

// Check asks for the object at a path, which must be the one with that id. It fails as provider.Checker says.
func (g *Graph) Check(ctx context.Context, path, id string) error {
	for _, key := range []string{contract.FileAccessToken, contract.FileAppSecret, contract.FileVerifyToken} {
		if _, err := g.Site.Credential(key); err != nil {
			return &provider.CredentialsError{Problem: contract.ProblemUnreadable}
		}
	}
	request, err := g.request(ctx, http.MethodGet, path+"?fields=id", nil)
	if err != nil {
		return err
	}
	status, header, body, err := provider.Do(g.http, request)
	if err != nil {
		return err
	}
	a := read(status, header, body)
	if !a.OK() {
		return a.problem()
	}
	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &object); err != nil || object.ID != id {
		return &provider.CredentialsError{Problem: contract.ProblemElsewhere}
	}
	return nil
}

// expired is the subcode of an access token whose time is over.
const expired = 463

// problem says what a failure to read an object means.
func (a Answer) problem() error {
	e := a.Code()
	wrong := func(problem string) error {
		return &provider.CredentialsError{Problem: problem, Code: strconv.Itoa(e.Code)}
	}
	switch {
	case (e.Code == 190 || e.Code == 102) && e.Subcode == expired:
		return wrong(contract.ProblemExpired)
	case e.Code == 190 || e.Code == 102 || a.Status == http.StatusUnauthorized:
		return wrong(contract.ProblemRefused)
	case e.Code == 3 || e.Code == 10 || e.Code >= 200 && e.Code <= 299:
		return wrong(contract.ProblemNotAllowed)
	case e.Code == 100 || e.Code == 33 || e.Code == 803: // no such object, or none that this token may see
		return wrong(contract.ProblemElsewhere)
	}
	return fmt.Errorf("asking Meta: HTTP %d, code %d", a.Status, e.Code)
}
