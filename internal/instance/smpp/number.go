package smpp

import (
	"regexp"
	"strings"
)

// shortest is how many digits a number in E.164 has at least where it does not say that it is one: fewer are a short code.
const shortest = 8

var digits = regexp.MustCompile(`^[1-9][0-9]{4,14}$`)

// dialled says whether an address is digits alone.
func dialled(address string) bool {
	return address != "" && strings.Trim(address, "0123456789") == ""
}

// keepsZero are countries whose national numbers keep their leading zero in E.164: Italy, with the Vatican, and San Marino.
var keepsZero = map[string]bool{"39": true, "378": true, "379": true}

// number gives an address of the message centre's as we know it: in E.164, where it is that, or can be told to be by the country of
// national numbers ("": they stay as they came).
func number(ton byte, address, country string) string {
	if digits.MatchString(address) && (ton == tonInternational || ton == tonUnknown && len(address) >= shortest) {
		return "+" + address
	}
	if country == "" || !dialled(address) {
		return address
	}
	e164 := ""
	switch abroad, is := strings.CutPrefix(address, "00"); {
	case is && ton == tonUnknown:
		e164 = abroad
	case ton == tonNational, ton == tonUnknown && address[0] == '0':
		e164 = country + withoutTrunk(address, country)
	}
	if digits.MatchString(e164) && len(e164) >= shortest {
		return "+" + e164
	}
	return address
}

// withoutTrunk takes away what is dialled before a national number at home alone.
func withoutTrunk(address, country string) string {
	switch {
	case country == "1" && len(address) == 11:
		return strings.TrimPrefix(address, "1")
	case keepsZero[country]:
		return address
	}
	return strings.TrimPrefix(address, "0")
}

// nationalForms are what number made of a number of the country while none was set.
func nationalForms(e164, country string) []string {
	rest, is := strings.CutPrefix(e164, "+"+country)
	switch {
	case country == "" || !is || rest == "":
		return nil
	case country == "1":
		return []string{rest, "1" + rest, "00" + e164[1:]}
	case keepsZero[country]:
		return []string{rest, "00" + e164[1:]}
	}
	return []string{rest, "0" + rest, "00" + e164[1:]}
}
