package provider

import "strings"

// MaxText is the longest text of a guest's that is kept, in characters. No provider's limit is as high.
const MaxText = 16_000

// Storable makes a guest's words such that PostgreSQL can hold them. A message is not
// refused for a byte or a length.
func Storable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	return first(MaxText, text)
}

// first are the first characters of a text, at most so many.
func first(most int, text string) string {
	n := 0
	for at := range text {
		if n == most {
			return text[:at]
		}
		n++
	}
	return text
}
