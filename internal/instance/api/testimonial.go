package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of a testimonial's texts, in characters, as sb.testimonial has them.
const (
	maxTestimonial = 4000
	maxConsent     = 4000
	maxShown       = 200
)

// maxTestimonials bounds the testimonials of one guest in an answer.
const maxTestimonials = 100

// How sb.testimonial_record says what is missing.
const (
	codeNoGuest    = "SB601"
	codeNoEvidence = "SB602"
	codeConsentOld = "SB603"
)

// givenBy are ways in which consent is given and withdrawn, as sb.testimonial has them.
var givenBy = []string{"message", "writing", "phone", "inPerson"}

// language is a tag of BCP 47, as sb.testimonial has it.
var language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// testimonial is what a guest said for publication, with the consent to it. Of one that was withdrawn, words, namedAs, shown and
// consent are null.
type testimonial struct {
	ID            uuid.UUID  `json:"id"`
	Contact       *uuid.UUID `json:"contact"` // null when the guest's contact has expired
	Words         *string    `json:"words"`
	NamedAs       *string    `json:"namedAs"` // null also for who is not named
	Shown         *string    `json:"shown"`
	Consent       *string    `json:"consent"` // the wording
	ConsentDigest string     `json:"consentDigest"`
	Language      string     `json:"language"` // of the wording
	ConsentedAt   time.Time  `json:"consentedAt"`
	Given         string     `json:"given"`
	Message       *uuid.UUID `json:"message"` // that gave it
	RecordedAt    time.Time  `json:"recordedAt"`
	RecordedBy    *uuid.UUID `json:"recordedBy"`
	WithdrawnAt   *time.Time `json:"withdrawnAt"`
	WithdrawnBy   *uuid.UUID `json:"withdrawnBy"` // null also when a request for erasure ended it
	WithdrawnHow  *string    `json:"withdrawnHow"`
	DoubtedAt     *time.Time `json:"doubtedAt"` // a restore brought it back; not given to sites until confirmed
}

type testimonialList struct {
	Testimonials []testimonial `json:"testimonials"`
	NextCursor   *string       `json:"nextCursor"`
}

// selectTestimonial reads what staff may see; row security leaves out what has expired.
const selectTestimonial = `SELECT t.id, t.contact_id, t.words, t.named_as, t.shown, t.consent, encode(COALESCE(t.consent_digest, sha256(convert_to(t.consent, 'UTF8'))), 'hex'),
	t.language, t.consented_at, t.given, t.message_id, t.recorded_at, t.recorded_by, t.withdrawn_at, t.withdrawn_by, t.withdrawn_how, t.doubted_at
	FROM sb.testimonial t `

func scanTestimonial(row pgx.CollectableRow) (testimonial, error) {
	t, err := pgx.RowToStructByPos[testimonial](row)
	for _, at := range []*time.Time{&t.ConsentedAt, &t.RecordedAt, t.WithdrawnAt, t.DoubtedAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return t, err
}

func listTestimonials(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, _ := c.tx.Query(ctx, selectTestimonial+"WHERE (t.recorded_at, t.id) < ($1, $2) ORDER BY t.recorded_at DESC, t.id DESC LIMIT $3", p.at, p.id, p.limit+1)
	all, err := pgx.CollectRows(rows, scanTestimonial)
	if err != nil {
		return reply{}, fmt.Errorf("listing testimonials: %w", err)
	}
	list := testimonialList{Testimonials: append([]testimonial{}, all[:min(p.limit, len(all))]...)}
	if len(all) > p.limit {
		last := list.Testimonials[p.limit-1]
		list.NextCursor = writeCursor(last.RecordedAt, last.ID)
	}
	return reply{status: http.StatusOK, body: list}, nil
}

// listContactTestimonials gives those of all contacts that are the same person.
func listContactTestimonials(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if _, err := findContact(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	rows, _ := c.tx.Query(ctx, selectTestimonial+`WHERE t.contact_id = $1 OR t.contact_id IN (SELECT o.id FROM sb.contact g JOIN sb.contact o ON o.person = g.person WHERE g.id = $1)
		ORDER BY t.recorded_at DESC, t.id DESC LIMIT $2`, id, maxTestimonials)
	all, err := pgx.CollectRows(rows, scanTestimonial)
	if err != nil {
		return reply{}, fmt.Errorf("listing a guest's testimonials: %w", err)
	}
	return reply{status: http.StatusOK, body: testimonialList{Testimonials: append([]testimonial{}, all...)}}, nil
}

type postTestimonialRequest struct {
	Words       string     `json:"words"`
	NamedAs     *string    `json:"namedAs"`
	Shown       string     `json:"shown"`
	Consent     string     `json:"consent"`
	Language    string     `json:"language"`
	Given       string     `json:"given"`
	ConsentedAt *time.Time `json:"consentedAt"`
	Message     *uuid.UUID `json:"message"` // whose time is consentedAt
}

func (in postTestimonialRequest) check(now time.Time) error {
	if err := errors.Join(checkText("words", in.Words, 1, maxTestimonial), checkText("shown", in.Shown, 1, maxShown), checkText("consent", in.Consent, 1, maxConsent)); err != nil {
		return err
	}
	switch {
	case !language.MatchString(in.Language):
		return badRequest(`The field "language" says in which language the guest was asked, as a tag such as en or pt-BR.`)
	case !slices.Contains(givenBy, in.Given):
		return badRequest(`The field "given" says how the guest consented; use one of ` + strings.Join(givenBy, ", ") + ".")
	case (in.Given == "message") != (in.Message != nil):
		return badRequest(`Send "message", the id of the guest's message, when consent was given by one, and only then.`)
	case (in.Message == nil) != (in.ConsentedAt != nil):
		return badRequest(`Send "consentedAt", when the guest consented, unless it was by a message, whose time is taken.`)
	case in.ConsentedAt != nil && (in.ConsentedAt.IsZero() || in.ConsentedAt.After(now.Add(maxAhead))):
		return badRequest(`The field "consentedAt" lies in the future; send when the guest consented.`)
	case in.NamedAs != nil:
		return checkText("namedAs", *in.NamedAs, 1, maxName)
	}
	return nil
}

// postTestimonial records what a guest lets the tenant show, and the consent to it: without that there is none.
func postTestimonial(ctx context.Context, c *call) (reply, error) {
	contact, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &contact
	var in postTestimonialRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := in.check(time.Now()); err != nil {
		return reply{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	_, err = c.tx.Exec(ctx, "SELECT sb.testimonial_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		id, contact, in.Words, in.NamedAs, in.Shown, in.Consent, in.Language, in.Given, in.Message, in.ConsentedAt, c.staff.ID)
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		switch pg.Code {
		case codeNoGuest:
			return reply{}, notFound("contact")
		case codeNoEvidence:
			return reply{}, notFound("message from the guest")
		case codeConsentOld:
			return reply{}, fail(http.StatusUnprocessableEntity, typeExpired, "The consent is older than the tenant keeps testimonials; ask the guest anew.")
		}
	}
	if err != nil {
		return reply{}, fmt.Errorf("recording a testimonial: %w", err)
	}
	made, err := findTestimonial(ctx, c, id)
	return reply{status: http.StatusCreated, body: made}, err
}

func findTestimonial(ctx context.Context, c *call, id uuid.UUID) (testimonial, error) {
	rows, _ := c.tx.Query(ctx, selectTestimonial+"WHERE t.id = $1", id)
	t, err := pgx.CollectExactlyOneRow(rows, scanTestimonial)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, notFound("testimonial")
	}
	if err != nil {
		return t, fmt.Errorf("reading a testimonial: %w", err)
	}
	// The access log tells of the guest, among what else was looked at of them.
	if c.object = t.Contact; c.object == nil {
		c.object = &t.ID
	}
	return t, nil
}

type withdrawTestimonialRequest struct {
	How string `json:"how"`
}

// withdrawTestimonial takes a testimonial away on the guest's word. Again changes nothing.
func withdrawTestimonial(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "testimonial")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in withdrawTestimonialRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if !slices.Contains(givenBy, in.How) {
		return reply{}, badRequest(`The field "how" says how the guest withdrew it; use one of ` + strings.Join(givenBy, ", ") + ".")
	}
	if _, err := c.tx.Exec(ctx, "SELECT sb.testimonial_withdraw($1, $2, $3)", id, c.staff.ID, in.How); err != nil {
		return reply{}, fmt.Errorf("withdrawing a testimonial: %w", err)
	}
	left, err := findTestimonial(ctx, c, id)
	return reply{status: http.StatusOK, body: left}, err
}

// confirmTestimonial says that the consent to one stands which a restore brought back.
func confirmTestimonial(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "testimonial")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var stands bool
	if err := c.tx.QueryRow(ctx, "SELECT sb.testimonial_confirm($1)", id).Scan(&stands); err != nil {
		return reply{}, fmt.Errorf("confirming a testimonial: %w", err)
	}
	if !stands {
		return reply{}, fail(http.StatusNotFound, typeUnspecific, "There is no such testimonial, or it was withdrawn: ask the guest anew.")
	}
	confirmed, err := findTestimonial(ctx, c, id)
	return reply{status: http.StatusOK, body: confirmed}, err
}

// publishable is what a client's site may show.
type publishable struct {
	ID          uuid.UUID `json:"id"`
	Words       string    `json:"words"`
	NamedAs     *string   `json:"namedAs"`
	Shown       string    `json:"shown"`
	ConsentedAt time.Time `json:"consentedAt"`
}

type publishableList struct {
	Testimonials []publishable `json:"testimonials"`
	NextCursor   *string       `json:"nextCursor"`
}

// listPublishable gives testimonials whose consent stands, and nobody's id. A cache may keep the answer, and asks each time whether it
// is the same still.
func listPublishable(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, _ := c.tx.Query(ctx, `SELECT t.id, t.words, t.named_as, t.shown, t.consented_at FROM sb.testimonial t
		WHERE t.withdrawn_at IS NULL AND t.doubted_at IS NULL AND (t.consented_at, t.id) < ($1, $2) ORDER BY t.consented_at DESC, t.id DESC LIMIT $3`, p.at, p.id, p.limit+1)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[publishable])
	if err != nil {
		return reply{}, fmt.Errorf("listing what may be shown: %w", err)
	}
	list := publishableList{Testimonials: append([]publishable{}, all[:min(p.limit, len(all))]...)}
	for i := range list.Testimonials {
		list.Testimonials[i].ConsentedAt = list.Testimonials[i].ConsentedAt.UTC()
	}
	if len(all) > p.limit {
		last := list.Testimonials[p.limit-1]
		list.NextCursor = writeCursor(last.ConsentedAt, last.ID)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return reply{}, fmt.Errorf("writing what may be shown: %w", err)
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	status := http.StatusOK
	if slices.ContainsFunc(strings.Split(c.http.Header.Get("If-None-Match"), ","), func(known string) bool {
		known = strings.TrimSpace(known)
		return strings.TrimPrefix(known, "W/") == tag || known == "*"
	}) {
		status = http.StatusNotModified
	}
	return reply{status: status, stream: func(w http.ResponseWriter) error {
		w.Header().Set("Etag", tag)
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("Vary", "Authorization")
		if status == http.StatusNotModified {
			w.WriteHeader(status)
			return nil
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			panic(http.ErrAbortHandler) // a client that went away can't be told
		}
		return nil
	}}, nil
}
