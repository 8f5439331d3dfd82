package provider

import (
	"strings"
	"unicode/utf8"
)

// MaxText is the longest text of a guest's that is kept, in characters. No provider's limit is as high.
const MaxText = 16_000

// Storable makes a guest's words such that PostgreSQL can hold them. A message is not
// refused for a byte or a length.
func Storable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(text) > MaxText {
		text = string([]rune(text)[:MaxText])
	}
	return text
}
