package standin

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSegments(t *testing.T) {
	if n := utf8.RuneCountInString(gsmBasic); n != 127 { // 128 places, of which one is the escape
		t.Errorf("the GSM alphabet has %d characters, want 127", n)
	}
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"one septet":                     {"x", 1},
		"160 septets":                    {strings.Repeat("ä", 160), 1},
		"161 septets":                    {strings.Repeat("ä", 161), 2},
		"306 septets":                    {strings.Repeat("x", 306), 2},
		"307 septets":                    {strings.Repeat("x", 307), 3},
		"80 of two septets":              {strings.Repeat("€", 80), 1},
		"81 of two septets":              {strings.Repeat("€", 81), 2},
		"70 units":                       {strings.Repeat("я", 70), 1},
		"71 units":                       {strings.Repeat("я", 71), 2},
		"135 units":                      {strings.Repeat("я", 135), 3},
		"one emoji in 69 of the GSM's":   {strings.Repeat("x", 69) + "🙂", 2},
		"an emoji counts for two":        {strings.Repeat("🙂", 35), 1},
		"all that one message may carry": {strings.Repeat("x", 1600), 11},
	} {
		if got := segments(c.body); got != c.want {
			t.Errorf("%s: %d segments, want %d", name, got, c.want)
		}
	}
}
