package standin

import (
	"strings"
	"unicode/utf16"
)

// The default alphabet of GSM 03.38 and its extension, whose characters count
// double.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// segments counts the SMS that a body takes: 160 septets in one or 153 in each of
// several, or 70 and 67 units of UCS-2 when a character is outside GSM 03.38.
func segments(body string) int {
	septets := 0
	for _, r := range body {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			septets++
		case strings.ContainsRune(gsmExtended, r):
			septets += 2
		default:
			return split(len(utf16.Encode([]rune(body))), 70, 67)
		}
	}
	return split(septets, 160, 153)
}

func split(length, alone, each int) int {
	if length <= alone {
		return 1
	}
	return (length + each - 1) / each
}
