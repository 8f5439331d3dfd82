package evidence

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// TestABackupOlderThanTheFirstReceipt: the chain begins with the restore's, which was sealed
// on what is known from elsewhere.
func TestABackupOlderThanTheFirstReceipt(t *testing.T) {
	known := contract.ChainLink{Sequence: 2, Digest: strings.Repeat("ab", 32)}
	s, err := Seal(Receipt{Kind: KindRestore, Tenant: "hotel-berlin", Restored: &contract.Restored{Epoch: 1, Known: known}}, known)
	if err != nil {
		t.Fatal(err)
	}
	for sentence, c := range map[string]struct {
		countersigned map[int64]string
		want          Code
		ok            bool
	}{
		"what it was sealed on is countersigned": {map[int64]string{2: known.Digest}, Restored, true},
		"nobody has seen what it was sealed on":  {map[int64]string{1: known.Digest}, StartTruncated, false},
		"another receipt is countersigned there": {map[int64]string{2: Genesis}, StartTruncated, false},
	} {
		v := NewVerifierOf(Expectation{Countersigned: c.countersigned})
		v.Add(s)
		if report := v.Finish(); report.OK() != c.ok || len(report.Findings) != 1 || report.Findings[0].Code != c.want {
			t.Errorf("%s: %+v", sentence, report.Findings)
		}
	}
}
