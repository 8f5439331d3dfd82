package api

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/buger/jsonparser"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	maxBody      = 64 << 10 // bytes of a request's body
	maxLogged    = 512      // bytes of a header kept in the access log
	defaultLimit = 50
	maxLimit     = 200
)

// decode reads a JSON object into the struct that into points to, and refuses
// whatever is not exactly that.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return fail(http.StatusUnsupportedMediaType, typeUnspecific, "Send the body as JSON in UTF-8, with the header Content-Type: application/json.")
	}
	return decodeObject(http.MaxBytesReader(w, r.Body, maxBody), into)
}

// decodeObject is decode for a body that is JSON and bounded.
func decodeObject(body io.Reader, into any) error {
	b, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fail(http.StatusRequestEntityTooLarge, typeUnspecific, fmt.Sprintf("The body is larger than %d bytes; send less.", maxBody))
	}
	if err != nil {
		return badRequest("The body ended before its length; send it again.")
	}
	if !utf8.Valid(b) {
		return badRequest("The body is not UTF-8; encode it so.")
	}
	object, ok := provider.ReadJSON(b)
	if !ok {
		if _, kind, _, err := jsonparser.Get(b); err == nil && kind == jsonparser.Object {
			return badRequest("The body has something after its JSON object, or lists and objects too deep in each other; send one object alone.")
		}
		return badRequest("The body is not valid JSON; send an object with the fields " + fields(reflect.TypeOf(into).Elem()) + ".")
	}
	if err := checkFields(object, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return badRequest(explain(err, into))
	}
	return nil
}

// checkFields refuses an object with a field that a struct has not, or with one twice: which of them would count?
func checkFields(v provider.JSON, t reflect.Type) error {
	known := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" {
			known[name] = f.Type
		}
	}
	for name, v := range v.Members {
		of, ok := known[string(name)]
		switch {
		case !ok:
			return badRequest(fmt.Sprintf("There is no field %q here; the fields are %s.", shorten(string(name), 80), fields(t)))
		case of == nil:
			return badRequest(fmt.Sprintf("The field %q is there twice; send it once.", name))
		}
		known[string(name)] = nil
		if err := checkWithin(v, of); err != nil {
			return err
		}
	}
	return nil
}

// checkWithin checks the objects in a field of a type.
func checkWithin(v provider.JSON, t reflect.Type) error {
	switch {
	case t.Kind() == reflect.Pointer:
		return checkWithin(v, t.Elem())
	case reflect.PointerTo(t).Implements(unmarshaler):
		return nil
	case t.Kind() == reflect.Struct:
		return checkFields(v, t)
	case t.Kind() == reflect.Slice:
		for member := range v.List {
			if err := checkWithin(member, t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// explain says what is wrong with a body, without repeating its values.
func explain(err error, into any) string {
	names := fields(reflect.TypeOf(into).Elem())
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return "The body must be a JSON object with the fields " + names + "."
	case errors.As(err, &wrong):
		return fmt.Sprintf("The field %q must be a %s, not a %s.", wrong.Field, wrong.Type, wrong.Value)
	}
	return "The body is not valid JSON; send an object with the fields " + names + "."
}

func fields(t reflect.Type) string {
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		names = append(names, jsonName(t.Field(i)))
	}
	return strings.Join(names, ", ")
}

// checkText refuses text that can't be stored or is out of bounds, in characters.
func checkText(field, text string, least, most int) error {
	switch n := utf8.RuneCountInString(text); {
	case n < least || strings.TrimSpace(text) == "" && least > 0:
		return badRequest(fmt.Sprintf("The field %q is empty; give it 1 to %d characters.", field, most))
	case n > most:
		return badRequest(fmt.Sprintf("The field %q has %d characters; at most %d are allowed.", field, n, most))
	case !utf8.ValidString(text): // a query's; decode has checked bodies
		return badRequest(fmt.Sprintf("The field %q is not UTF-8; encode it so.", field))
	case strings.ContainsRune(text, 0):
		return badRequest(fmt.Sprintf("The field %q has a NUL character; leave it out.", field))
	}
	return nil
}

// pathID reads the {id} of the route.
func pathID(r *http.Request, what string) (uuid.UUID, error) {
	text := r.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, notFound(what)
	}
	return id, nil
}

// page is where a list goes on, newest first: after the row of cursor.
type page struct {
	limit int
	at    time.Time // of the last row seen; far ahead at the start
	id    uuid.UUID
}

// start sorts after everything that can be stored.
var start = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// readPage reads limit and cursor, and refuses parameters other than these and also.
func readPage(r *http.Request, also ...string) (page, error) {
	p := page{limit: defaultLimit, at: start, id: uuid.Max}
	query := r.URL.Query()
	for name, values := range query {
		known := name == "limit" || name == "cursor"
		for _, a := range also {
			known = known || name == a
		}
		if !known || len(values) != 1 {
			return p, badRequest("A query parameter is unknown or given twice; the parameters are " + strings.Join(append([]string{"limit", "cursor"}, also...), ", ") + ".")
		}
	}
	if text := query.Get("limit"); query.Has("limit") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return p, badRequest(fmt.Sprintf("The parameter limit must be a number from 1 to %d.", maxLimit))
		}
		p.limit = n
	}
	if query.Has("cursor") {
		at, id, ok := readCursor(query.Get("cursor"))
		if !ok {
			return p, badRequest("The parameter cursor is none that this list gave; leave it out to start anew.")
		}
		p.at, p.id = at, id
	}
	return p, nil
}

// A cursor is 8 bytes of microseconds since 1970 and 16 bytes of an id.
func writeCursor(at time.Time, id uuid.UUID) *string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(at.UnixMicro()))
	text := base64.RawURLEncoding.EncodeToString(append(b, id[:]...))
	return &text
}

func readCursor(text string) (time.Time, uuid.UUID, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 24 {
		return time.Time{}, uuid.Nil, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() //nolint:gosec // any bits are a time; the bounds follow
	if at.Year() < 1900 || at.After(start) {
		return time.Time{}, uuid.Nil, false
	}
	return at, uuid.UUID(b[8:]), true
}

// logged is a header's value as the access log keeps it.
func logged(r *http.Request, header string) *string {
	value := r.Header.Get(header)
	if value == "" {
		return nil
	}
	value = shorten(strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), "\uFFFD"), maxLogged)
	return &value
}

// shorten cuts text to at most limit bytes, between characters.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
