package api

import (
	"strings"
	"unicode"
)

const (
	maxSearch = 100 // characters
	minDigits = 3   // of an address: fewer are in most
)

// readSearch makes of what was typed the words, as PostgreSQL takes them, with which names are to begin, or the digits in which
// an address is to end; nil for either that there is none of.
func readSearch(typed string) (words, digits *string, err error) {
	if err := checkText("q", typed, 1, maxSearch); err != nil {
		return nil, nil, err
	}
	parts := strings.FieldsFunc(typed, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	if len(parts) == 0 {
		return nil, nil, badRequest("The parameter q has neither letters nor digits.")
	}
	all := "'" + strings.Join(parts, "':* & '") + "':*" // no part has a quote
	if number := strings.Join(parts, ""); len(number) >= minDigits && strings.Trim(number, "0123456789") == "" {
		digits = &number
	}
	return &all, digits, nil
}
