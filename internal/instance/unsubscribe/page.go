package unsubscribe

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"net/http"
	"strings"
	"sync"

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

var matcher = sync.OnceValue(func() language.Matcher {
	var tags []language.Tag
	for _, l := range languages {
		tags = append(tags, language.MustParse(l.Lang))
	}
	return language.NewMatcher(tags)
})

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
	_, index, _ := matcher().Match(tags...)
	return languages[index]
}

//go:embed page.css
var style string

//go:embed page.html
var source string

// policy lets the page load nothing, run nothing, stand in no other page, and be sent
// back to where it came from alone.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// body is what a page says in a state. A template engine would do it too, but it looks methods up by name, and then no linker can
// leave out what nobody calls: each pod would take 4 MiB more. All words are ours, and none is the guest's.
func (w words) body(state State) string {
	p := func(role, text string) string { return "<p" + role + ">" + html.EscapeString(text) + "</p>\n" }
	switch state {
	case Asked:
		return p("", w.Ask) + `<form method="post"><input type="hidden" name="` + FieldName + `" value="` + FieldValue + `"><button>` +
			html.EscapeString(w.Button) + "</button></form>\n"
	case Done:
		return p(status, w.Done) + p("", w.Back)
	case DoneHere:
		return p(status, w.DoneHere) + p("", w.Back)
	case Invalid:
		return p(alert, w.Invalid)
	default:
		return p(alert, w.Failed)
	}
}

// What a screen reader says of itself.
const (
	status = ` role="status"`
	alert  = ` role="alert"`
)

// Write answers with a page, in the language that the request prefers.
func Write(w http.ResponseWriter, r *http.Request, code int, state State) {
	said := wordsFor(strings.Join(r.Header.Values("Accept-Language"), ","))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", said.Lang)
	h.Set("Content-Security-Policy", policy)
	h.Set("Vary", "Accept-Language")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	w.WriteHeader(code)
	page := strings.NewReplacer("{lang}", said.Lang, "{title}", html.EscapeString(said.Title), "{style}", style, "{body}", said.body(state))
	_, _ = page.WriteString(w, source) // a client that went away can't be told
}
