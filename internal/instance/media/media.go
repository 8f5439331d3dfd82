// Package media says which files come and go with messages: which types, by what their bytes
// are and not by what anybody calls them, how large, and in which word staff are told why one
// is not there.
package media

import (
	"mime"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
)

const (
	// MaxInbound bounds a file that a guest sends, in bytes: what WhatsApp takes of a video.
	MaxInbound = 16 << 20
	// MaxOutbound bounds a file that staff send, in bytes. It is in memory as a whole. What a channel takes may be less: see Limit.
	MaxOutbound = 16 << 20
	// MaxFiles bounds the files of one message.
	MaxFiles = 10
	// MaxSource bounds what a provider calls a file, in bytes.
	MaxSource = 2048
	// Head is how much of a file is looked at to tell its type, in bytes.
	Head = 3072
	// maxName bounds a file's name, in characters.
	maxName = 120
)

// Why a file is not there, as staff are told.
const (
	TooLarge       = "too-large"
	TypeNotAllowed = "type-not-allowed"
	Empty          = "empty"
	Gone           = "gone"          // the provider does not have it any more
	WrongAddress   = "wrong-address" // it is not where this provider keeps files
	Unavailable    = "unavailable"   // it could not be fetched, again and again
	Expired        = "expired"       // its time was over before it could be fetched
)

// allowed are the types that are kept. None of them is run by what opens it: no HTML, no SVG, no scripts, no office documents, no
// archives, no programs.
var allowed = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true, "image/heic": true, "image/heif": true,
	"image/avif": true, "image/bmp": true, "image/tiff": true,
	"audio/mpeg": true, "audio/mp4": true, "audio/x-m4a": true, "audio/aac": true, "audio/amr": true, "audio/ogg": true, "audio/wav": true,
	"video/mp4": true, "video/3gpp": true, "video/3gpp2": true, "video/quicktime": true, "video/webm": true, "video/mpeg": true, "video/x-m4v": true,
	"application/pdf": true, "text/plain": true, "text/vcard": true,
}

// TypeOf tells the type of a file by its first bytes, Head of them or all; false when it is none that is kept.
func TypeOf(head []byte) (string, bool) {
	if len(head) > Head {
		head = head[:Head]
	}
	kind, _, err := mime.ParseMediaType(mimetype.Detect(head).String())
	return kind, err == nil && allowed[kind]
}

// Name makes a name for a file that can be shown and saved anywhere: the last part of a path, without what does not
// print. An empty one stays empty.
func Name(given string) string {
	given = strings.ToValidUTF8(given, "")
	if at := strings.LastIndexAny(given, `/\`); at >= 0 {
		given = given[at+1:]
	}
	given = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`"<>|:*?%`, r) {
			return -1
		}
		return r
	}, given)
	given = strings.Trim(given, ". ")
	if utf8.RuneCountInString(given) > maxName {
		ending := path.Ext(given)
		if utf8.RuneCountInString(ending) > 10 {
			ending = ""
		}
		given = string([]rune(given)[:maxName-utf8.RuneCountInString(ending)]) + ending
	}
	return given
}

// endings are the usual ends of names, by type.
var endings = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/heic": ".heic", "image/heif": ".heif",
	"image/avif": ".avif", "image/bmp": ".bmp", "image/tiff": ".tiff", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/x-m4a": ".m4a",
	"audio/aac": ".aac", "audio/amr": ".amr", "audio/ogg": ".ogg", "audio/wav": ".wav", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"video/3gpp2": ".3g2", "video/quicktime": ".mov", "video/webm": ".webm", "video/mpeg": ".mpg", "video/x-m4v": ".m4v",
	"application/pdf": ".pdf", "text/plain": ".txt", "text/vcard": ".vcf",
}

// FileName names a file that is saved: as it is called, or by id; with the end that belongs to its type, so that what opens it
// is chosen by what it is.
func FileName(name, id, mediaType string) string {
	if name == "" {
		name = id
	}
	ending := endings[mediaType]
	if ending == "" || strings.EqualFold(path.Ext(name), ending) || mediaType == "image/jpeg" && strings.EqualFold(path.Ext(name), ".jpeg") {
		return name
	}
	return name + ending
}
