package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/unsubscribe"
)

// maxForm bounds the form of an unsubscribe link, in bytes.
const maxForm = 4 << 10

type unsubscribeLink struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// makeUnsubscribeLink gives staff a link for a guest, on all channels or on one.
func (s *Server) makeUnsubscribeLink(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in optOutRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	scope, err := scopeOf(ctx, c.tx, in.Channel)
	if err != nil {
		return reply{}, err
	}
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return reply{}, err
	}
	hashes, version, err := linkHashes(ctx, c.tx, keys, id)
	if err != nil {
		return reply{}, err
	}
	token, err := unsubscribe.Token(keys, id, scope, hashes, version)
	if err != nil {
		return reply{}, err
	}
	link := s.origin + unsubscribe.Path + token
	return reply{status: http.StatusCreated, body: unsubscribeLink{link, map[string]string{
		"List-Unsubscribe": "<" + link + ">", "List-Unsubscribe-Post": unsubscribe.FieldName + "=" + unsubscribe.FieldValue,
	}}}, nil
}

// linkHashes gives the hashes, under the current key, by which a guest is opted out.
func linkHashes(ctx context.Context, tx pgx.Tx, keys *addresshash.Keys, contact uuid.UUID) (hashes [][]byte, version int, err error) {
	rows, err := tx.Query(ctx, `SELECT a.kind, a.address FROM sb.contact c LEFT JOIN sb.contact o ON o.id = c.id OR o.person = c.person LEFT JOIN sb.contact_address a ON a.contact_id = o.id
		WHERE c.id = $1 ORDER BY a.kind, a.address_hash`, contact)
	if err != nil {
		return nil, 0, fmt.Errorf("reading a guest's addresses: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Kind, Address *string }])
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading a guest's addresses: %w", err)
	case len(found) == 0:
		return nil, 0, notFound("contact")
	case found[0].Kind == nil:
		return nil, 0, fail(http.StatusConflict, typeUnreachable, "The guest has no address any more. Wait until the guest writes again.")
	}
	var addresses []person.Address
	for _, f := range found {
		if f.Kind == nil { // another contact of the same person, without any
			continue
		}
		// A number and the WhatsApp id that it stands for are one.
		if a := (person.Address{Kind: *f.Kind, Value: *f.Address}).Aliases()[0]; !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	for _, a := range addresses {
		var hash []byte
		hash, version = keys.Hash(a.Kind, a.Value)
		hashes = append(hashes, hash)
	}
	return hashes, version, nil
}

// askUnsubscribe shows the page of a link. Programs that look at links before people do
// change nothing by it.
func (s *Server) askUnsubscribe(w http.ResponseWriter, r *http.Request) {
	s.answerLink(w, r, func(context.Context, unsubscribe.Link) (int, unsubscribe.State, error) {
		return http.StatusOK, unsubscribe.Asked, nil
	})
}

// unsubscribe ends messages. What is so already, and whoever is not known, is answered
// alike.
func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	s.answerLink(w, r, func(ctx context.Context, l unsubscribe.Link) (int, unsubscribe.State, error) {
		if !oneClick(w, r) {
			return http.StatusBadRequest, unsubscribe.Asked, nil
		}
		if _, err := s.pool.Exec(ctx, "SELECT sb.link_consent($1, $2, $3, $4)", l.Scope, l.Contact, l.Hashes, l.KeyVersion); err != nil {
			return 0, 0, fmt.Errorf("opting out by a link: %w", err)
		}
		if l.Scope == unsubscribe.AllChannels {
			return http.StatusOK, unsubscribe.Done, nil
		}
		return http.StatusOK, unsubscribe.DoneHere, nil
	})
}

func (s *Server) answerLink(w http.ResponseWriter, r *http.Request, do func(context.Context, unsubscribe.Link) (int, unsubscribe.State, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	status, state, err := s.readLink(ctx, w, r, do)
	if err == nil {
		err = logAccess(ctx, s.pool, r, nil, nil, status)
	}
	if err != nil {
		p := problemOf(err)
		s.log.Error("a request failed", "route", r.Pattern, "status", p.Status, "error", err.Error())
		status, state = p.Status, unsubscribe.Failed
	}
	unsubscribe.Write(w, r, status, state)
}

// readLink opens a link's token and goes on. Guesses are bounded by the address that they
// come from; a link that is one counts as none.
func (s *Server) readLink(ctx context.Context, w http.ResponseWriter, r *http.Request,
	do func(context.Context, unsubscribe.Link) (int, unsubscribe.State, error),
) (int, unsubscribe.State, error) {
	now, address := time.Now(), httpserve.ClientIP(r).String()
	if wait := s.ips.try(address, now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return http.StatusTooManyRequests, unsubscribe.Failed, nil
	}
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return 0, 0, err
	}
	link, err := unsubscribe.Parse(keys, r.PathValue("token"))
	if errors.Is(err, unsubscribe.ErrInvalid) {
		return http.StatusNotFound, unsubscribe.Invalid, nil
	}
	if err != nil {
		return 0, 0, err
	}
	s.ips.forgive(address, now)
	return do(ctx, link)
}

// oneClick says whether a form is the one that RFC 8058, section 3.1, asks for.
func oneClick(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return false
	}
	switch media {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case "multipart/form-data":
		err = r.ParseMultipartForm(maxForm) //nolint:gosec // the body is bounded above
	default:
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body)
	return err == nil && r.PostForm.Get(unsubscribe.FieldName) == unsubscribe.FieldValue
}
