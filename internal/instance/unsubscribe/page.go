package unsubscribe

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// State is what a page says.
type State int

// The states of a link. Invalid is said of every token that is not one, alike.
const (
	Asked    State = iota
	Done           // on all channels
	DoneHere       // on one
	Invalid
	Failed
)

// FieldName and FieldValue are what a POST must say (RFC 8058, section 3.1); the page's
// button says it too.
const (
	FieldName  = "List-Unsubscribe"
	FieldValue = "One-Click"
)

// words are a page's, in one language. None of them says who the guest is.
type words struct {
	Lang, Title          string
	Ask, Button          string
	Done, DoneHere, Back string
	Invalid, Failed      string
}

var languages = []words{
	{
		"en", "Messages", "Do you want no more messages from us?", "Stop messages", "You will get no more messages.",
		"You will get no more messages on this channel.",
		"If you change your mind, write START to us.", "This link does not work. To end messages, answer one of them with STOP.",
		"That did not work just now. Try again in a minute, or answer a message with STOP.",
	},
	{
		"de", "Nachrichten", "Möchten Sie keine Nachrichten mehr von uns?", "Nachrichten beenden", "Sie bekommen keine Nachrichten mehr.",
		"Sie bekommen auf diesem Weg keine Nachrichten mehr.",
		"Wenn Sie es sich anders überlegen, schreiben Sie uns START.", "Dieser Link funktioniert nicht. Um Nachrichten zu beenden, antworten Sie auf eine davon mit STOP.",
		"Das ging gerade nicht. Versuchen Sie es in einer Minute noch einmal, oder antworten Sie auf eine Nachricht mit STOP.",
	},
	{
		"es", "Mensajes", "¿No quiere recibir más mensajes nuestros?", "No recibir más mensajes", "No recibirá más mensajes.",
		"No recibirá más mensajes por este canal.",
		"Si cambia de opinión, escríbanos START.", "Este enlace no funciona. Para no recibir más mensajes, responda STOP a uno de ellos.",
		"No ha sido posible ahora. Inténtelo de nuevo dentro de un minuto, o responda STOP a un mensaje.",
	},
	{
		"fr", "Messages", "Vous ne voulez plus recevoir de messages de notre part ?", "Ne plus recevoir de messages", "Vous ne recevrez plus de messages.",
		"Vous ne recevrez plus de messages par ce canal.",
		"Si vous changez d’avis, écrivez-nous START.", "Ce lien ne fonctionne pas. Pour ne plus recevoir de messages, répondez STOP à l’un d’eux.",
		"Cela n’a pas fonctionné. Réessayez dans une minute, ou répondez STOP à un message.",
	},
}

var matcher = func() language.Matcher {
	var tags []language.Tag
	for _, l := range languages {
		tags = append(tags, language.MustParse(l.Lang))
	}
	return language.NewMatcher(tags)
}()

// maxAccept bounds what is read of Accept-Language, in bytes.
const maxAccept = 256

func wordsFor(accept string) words {
	if len(accept) > maxAccept {
		accept = accept[:strings.LastIndexByte(accept[:maxAccept], ',')+1]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return languages[0]
	}
	_, index, _ := matcher.Match(tags...)
	return languages[index]
}

//go:embed page.css
var style string

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// policy lets the page load nothing, run nothing, stand in no other page, and be sent
// back to where it came from alone.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// Write answers with a page, in the language that the request prefers.
func Write(w http.ResponseWriter, r *http.Request, status int, state State) error {
	said := wordsFor(strings.Join(r.Header.Values("Accept-Language"), ","))
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		words
		Style                 template.CSS
		Asking                bool
		Ended, Problem        string
		FieldName, FieldValue string
	}{
		said, template.CSS(style), state == Asked, //nolint:gosec // our own style sheet
		map[State]string{Done: said.Done, DoneHere: said.DoneHere}[state], map[State]string{Invalid: said.Invalid, Failed: said.Failed}[state],
		FieldName, FieldValue,
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", said.Lang)
	h.Set("Content-Security-Policy", policy)
	h.Set("Vary", "Accept-Language")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that went away can't be told
	return nil
}
