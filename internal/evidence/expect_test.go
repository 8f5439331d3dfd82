package evidence

import (
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// TestWhatIsKnownFromElsewhereIsHeldAgainstTheChain gives the verifier what a ledger knows.
func TestWhatIsKnownFromElsewhereIsHeldAgainstTheChain(t *testing.T) {
	known := func(c []Sealed) Expectation {
		e := Expectation{
			Tenant: "hotel-berlin", Anchor: &contract.ChainLink{Sequence: 5, Digest: c[4].Digest}, Countersigned: map[int64]string{},
			Policies: map[Policy]bool{{"guests", strings.Repeat("ab", 32)}: true},
		}
		for _, s := range c[:5] {
			e.Countersigned[s.Sequence] = s.Digest
		}
		return e
	}
	// anew seals everything from a receipt on, changed, as who owns the database can.
	anew := func(from int, change func(*Receipt)) func([]Sealed) []Sealed {
		return func(c []Sealed) []Sealed {
			for i := from; i < len(c); i++ {
				r, err := Decode([]byte(c[i].Body))
				if err != nil {
					t.Fatal(err)
				}
				if i == from {
					change(&r)
				}
				head := contract.ChainLink{}
				if i > 0 {
					head = contract.ChainLink{Sequence: c[i-1].Sequence, Digest: c[i-1].Digest}
				}
				if c[i], err = Seal(r, head); err != nil {
					t.Fatal(err)
				}
			}
			return c
		}
	}
	for name, c := range map[string]struct {
		tamper func([]Sealed) []Sealed
		want   []Code
		ok     bool
	}{
		"nothing was done":                      {func(c []Sealed) []Sealed { return c }, []Code{AnchorOlder}, true},
		"all was sealed anew":                   {anew(0, func(r *Receipt) { r.Generation = 9 }), []Code{Resealed, AnchorOlder}, false},
		"it was sealed anew from the fourth on": {anew(3, func(r *Receipt) { r.Generation = 9 }), []Code{Resealed, AnchorOlder}, false},
		"what is not countersigned was":         {anew(5, func(r *Receipt) { r.Generation = 9 }), []Code{AnchorOlder}, true},
		"the policy was swapped":                {anew(2, func(r *Receipt) { r.PolicyDigest = strings.Repeat("99", 32) }), []Code{SwappedPolicy, Resealed, AnchorOlder}, false},
		"another policy's name":                 {anew(2, func(r *Receipt) { r.Policy = "staff" }), []Code{SwappedPolicy, Resealed, AnchorOlder}, false},
		"the newest is of rules not known yet":  {anew(6, func(r *Receipt) { r.PolicyDigest = strings.Repeat("99", 32) }), []Code{UnknownPolicy, AnchorOlder}, true},
		"another tenant's":                      {anew(6, func(r *Receipt) { r.Tenant = "hotel-boston" }), []Code{OtherTenant, AnchorOlder}, false},
		"a request of a person has no policy":   {anew(6, func(r *Receipt) { r.Kind, r.Policy, r.PolicyDigest = KindRequest, "", "" }), []Code{AnchorOlder}, true},
		"one was edited in place":               {func(c []Sealed) []Sealed { c[1] = edit(c[1]); return c }, []Code{Edited, AnchorOlder}, false},
		"one was edited, and given its digest":  {func(c []Sealed) []Sealed { c[1] = reseal(t, edit(c[1])); return c }, []Code{Replaced, Resealed, AnchorOlder}, false},
		"the newest were cut off":               {func(c []Sealed) []Sealed { return c[:3] }, []Code{HeadTruncated}, false},
		"the oldest were cut off":               {func(c []Sealed) []Sealed { return c[2:] }, []Code{StartTruncated, AnchorOlder}, false},
		"all are gone":                          {func([]Sealed) []Sealed { return nil }, []Code{HeadTruncated}, false},
	} {
		t.Run(name, func(t *testing.T) {
			chain := chainOf(t, 7)
			v := NewVerifierOf(known(chain))
			for _, s := range c.tamper(slices.Clone(chain)) {
				v.Add(s)
			}
			report := v.Finish()
			var got []Code
			for _, f := range report.Findings {
				got = append(got, f.Code)
			}
			if !slices.Equal(got, c.want) || report.OK() != c.ok {
				t.Errorf("found %v, OK %t; want %v", report.Findings, report.OK(), c.want)
			}
		})
	}
}
