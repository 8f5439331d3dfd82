package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

var start = time.Date(2026, 3, 1, 2, 30, 0, 123456000, time.UTC)

func example(i int) Receipt {
	overdue := int64(0)
	oldest := start.AddDate(0, 0, i-90)
	return Receipt{
		Kind: KindRetention, Tenant: "hotel-berlin", Policy: "guests", Generation: 3, PolicyDigest: strings.Repeat("ab", 32),
		StartedAt: start.AddDate(0, 0, i), FinishedAt: start.AddDate(0, 0, i).Add(time.Second),
		Categories: []contract.CategoryResult{{
			Category: contract.CategoryMessages, Cutoff: start.AddDate(0, 0, i-90), Deleted: int64(i), OldestLeft: &oldest, Overdue: &overdue,
		}},
	}
}

// chainOf seals n receipts.
func chainOf(t testing.TB, n int) []Sealed {
	t.Helper()
	var head contract.ChainLink
	var chain []Sealed
	for i := range n {
		s, err := Seal(example(i), head)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, s)
		head = contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
	}
	return chain
}

// reseal gives a receipt the digest that its bytes and its link ask for, as a forger would.
func reseal(t testing.TB, s Sealed) Sealed {
	t.Helper()
	digest, err := Digest(s.Previous, []byte(s.Body))
	if err != nil {
		t.Fatal(err)
	}
	s.Digest = digest
	return s
}

func edit(s Sealed) Sealed {
	s.Body = strings.Replace(s.Body, `"deleted":`, `"deleted":9`, 1)
	return s
}

func verify(chain []Sealed, anchor *contract.ChainLink) Report {
	v := NewVerifier(anchor)
	for _, s := range chain {
		v.Add(s)
	}
	return v.Finish()
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	at := func(s Sealed) *contract.ChainLink {
		return &contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
	}
	type outcome struct {
		code     Code
		sequence int64
	}
	for _, tc := range []struct {
		name   string
		tamper func(c []Sealed) ([]Sealed, *contract.ChainLink)
		want   []outcome
		ok     bool
	}{
		{"an untouched chain is whole", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return c, nil }, nil, true},
		{"an untouched chain that ends at its anchor is whole", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return c, at(c[6]) }, nil, true},
		{"an anchor older than the database is told, and nothing is wrong", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return c, at(c[4]) }, []outcome{{AnchorOlder, 5}}, true},
		{"no receipt at all and no anchor", func([]Sealed) ([]Sealed, *contract.ChainLink) { return nil, nil }, []outcome{{Empty, 0}}, true},
		{"all receipts are gone, and there is an anchor", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return nil, at(c[6]) }, []outcome{{HeadTruncated, 7}}, false},
		{"an edited count", func(c []Sealed) ([]Sealed, *contract.ChainLink) { c[2] = edit(c[2]); return c, nil }, []outcome{{Edited, 3}}, false},
		{"an edited count with a digest to match", func(c []Sealed) ([]Sealed, *contract.ChainLink) { c[2] = reseal(t, edit(c[2])); return c, nil }, []outcome{{Replaced, 3}}, false},
		{"an edited newest receipt with a digest to match", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			anchor := at(c[6])
			c[6] = reseal(t, edit(c[6]))
			return c, anchor
		}, []outcome{{Replaced, 7}}, false},
		{"all receipts from the third on are written anew", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			anchor := at(c[6])
			c[2] = reseal(t, edit(c[2]))
			for i := 3; i < len(c); i++ {
				c[i].Previous = c[i-1].Digest
				c[i] = reseal(t, c[i])
			}
			return c, anchor
		}, []outcome{{Replaced, 7}}, false},
		{"one receipt is missing in the middle", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return slices.Delete(c, 2, 3), nil }, []outcome{{Missing, 3}}, false},
		{"several receipts are missing in the middle", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return slices.Delete(c, 2, 5), nil }, []outcome{{Missing, 3}}, false},
		{"the anchored receipt is missing", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			anchor := at(c[2])
			return slices.Delete(c, 2, 3), anchor
		}, []outcome{{Missing, 3}, {Missing, 3}}, false},
		{"the newest receipts are cut off", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return c[:5], at(c[6]) }, []outcome{{HeadTruncated, 7}}, false},
		{"the oldest receipts are cut off", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return c[2:], nil }, []outcome{{StartTruncated, 3}}, false},
		{"numbers are left out although the digests join", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			r, err := Decode([]byte(c[3].Body))
			if err != nil {
				t.Fatal(err)
			}
			forged, err := Seal(r, contract.ChainLink{Sequence: 5, Digest: c[2].Digest})
			if err != nil {
				t.Fatal(err)
			}
			return append(c[:3:3], forged), nil
		}, []outcome{{SequenceGap, 6}}, false},
		{"a receipt is there twice", func(c []Sealed) ([]Sealed, *contract.ChainLink) { return slices.Insert(c, 3, c[2]), nil }, []outcome{{SequenceGap, 3}}, false},
		{"a row bears another number than its receipt", func(c []Sealed) ([]Sealed, *contract.ChainLink) { c[6].Sequence = 8; return c, nil }, []outcome{{SequenceGap, 8}, {Edited, 8}}, false},
		{"the first receipt was sealed on something", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			c[0].Previous = strings.Repeat("11", 32)
			c[0] = reseal(t, c[0])
			return c[:1], nil
		}, []outcome{{Replaced, 1}}, false},
		{"a body is no receipt", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			c[6].Body = "{"
			c[6] = reseal(t, c[6])
			return c, nil
		}, []outcome{{Unreadable, 7}}, false},
		{"a body says the same with a blank more", func(c []Sealed) ([]Sealed, *contract.ChainLink) {
			c[6].Body += " "
			c[6] = reseal(t, c[6])
			return c, nil
		}, []outcome{{Unreadable, 7}}, false},
		{"a digest before that is none", func(c []Sealed) ([]Sealed, *contract.ChainLink) { c[6].Previous = "x"; return c, nil }, []outcome{{Replaced, 6}, {Edited, 7}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			chain, anchor := tc.tamper(chainOf(t, 7))
			report := verify(chain, anchor)
			var got []outcome
			for _, f := range report.Findings {
				got = append(got, outcome{f.Code, f.Sequence})
				if !strings.HasSuffix(f.Sentence, ".") {
					t.Errorf("not a sentence: %q", f.Sentence)
				}
			}
			if !slices.Equal(got, tc.want) || report.OK() != tc.ok {
				t.Errorf("found %v, OK %t; want %v, OK %t", got, report.OK(), tc.want, tc.ok)
			}
			if report.Receipts != int64(len(chain)) {
				t.Errorf("%d receipts counted, there are %d", report.Receipts, len(chain))
			}
		})
	}
}

// TestAnyFlippedBitIsFound flips every bit of a chain's bodies and digests, one at a time.
func TestAnyFlippedBitIsFound(t *testing.T) {
	clean := chainOf(t, 3)
	anchor := &contract.ChainLink{Sequence: 3, Digest: clean[2].Digest}
	flip := func(s string, bit int) string {
		b := []byte(s)
		b[bit/8] ^= 1 << (bit % 8)
		return string(b)
	}
	for i := range clean {
		for _, field := range []func(*Sealed) *string{
			func(s *Sealed) *string { return &s.Body },
			func(s *Sealed) *string { return &s.Previous },
			func(s *Sealed) *string { return &s.Digest },
		} {
			for bit := range 8 * len(*field(&clean[i])) {
				chain := slices.Clone(clean)
				p := field(&chain[i])
				*p = flip(*p, bit)
				if verify(chain, anchor).OK() {
					t.Fatalf("receipt %d: flipping bit %d of %q went unnoticed", i+1, bit, *field(&clean[i]))
				}
			}
		}
	}
}

func TestAReportIsBounded(t *testing.T) {
	chain := chainOf(t, MaxFindings+50)
	for i := range chain {
		chain[i].Body = "no receipt"
	}
	report := verify(chain, nil)
	if len(report.Findings) != MaxFindings+1 || report.Findings[MaxFindings].Code != More || report.OK() {
		t.Errorf("%d findings, the last is %+v", len(report.Findings), report.Findings[len(report.Findings)-1])
	}
}

// TestTheDigestIsWhatTheDocumentationSays computes it from scratch.
func TestTheDigestIsWhatTheDocumentationSays(t *testing.T) {
	s := chainOf(t, 1)[0]
	sum := sha256.Sum256(append(append([]byte("switchboard/receipt/v1\x00"), make([]byte, 32)...), s.Body...))
	if s.Digest != hex.EncodeToString(sum[:]) || s.Previous != strings.Repeat("0", 64) {
		t.Errorf("sealed as %s on %s", s.Digest, s.Previous)
	}
}

// TestTheFormStaysAsItIs fails when a change would make receipts of today unreadable.
func TestTheFormStaysAsItIs(t *testing.T) {
	r := example(1)
	r.Resumed = &Resumed{Attempts: 2, Since: start.In(time.FixedZone("", 3600))}
	r.Followed = []Followed{{Kind: "Conversations", Deleted: 4}}
	s, err := Seal(r, contract.ChainLink{Sequence: 1, Digest: strings.Repeat("cd", 32)})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"kind":"retention","tenant":"hotel-berlin","sequence":2,"policy":"guests","generation":3,"policyDigest":"` + strings.Repeat("ab", 32) +
		`","startedAt":"2026-03-02T02:30:00.123456Z","finishedAt":"2026-03-02T02:30:01.123456Z","resumed":{"attempts":2,"since":"2026-03-01T02:30:00.123456Z"},` +
		`"categories":[{"category":"Messages","cutoff":"2025-12-02T02:30:00.123456Z","deleted":1,"heldBack":0,"oldestLeft":"2025-12-02T02:30:00.123456Z","overdue":0}],` +
		`"followed":[{"kind":"Conversations","deleted":4}]}`
	if s.Body != want {
		t.Errorf("got  %s\nwant %s", s.Body, want)
	}
}

func TestAnExportReadsBackAsItWas(t *testing.T) {
	chain := chainOf(t, 5)
	var file bytes.Buffer
	for _, s := range chain {
		if err := WriteLine(&file, s); err != nil {
			t.Fatal(err)
		}
	}
	var back []Sealed
	if err := ReadLines(&file, func(s Sealed) error { back = append(back, s); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back, chain) {
		t.Errorf("read back %+v", back)
	}
}

func TestReadLinesNamesTheLineThatIsWrong(t *testing.T) {
	var file bytes.Buffer
	if err := WriteLine(&file, chainOf(t, 1)[0]); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"not JSON": "SELECT", "empty": "", "another member": `{"sequence":2,"colour":"red"}`, "two in one line": `{"sequence":2}{"sequence":3}`,
		"too long": strings.Repeat("x", maxLine+1),
	} {
		t.Run(name, func(t *testing.T) {
			err := ReadLines(strings.NewReader(file.String()+line+"\n"), func(Sealed) error { return nil })
			if err == nil || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("got %v, want an error that names line 2", err)
			}
		})
	}
}

func TestParseAnchor(t *testing.T) {
	digest := strings.Repeat("0f", 32)
	if got, err := ParseAnchor("12:" + digest); err != nil || got != (contract.ChainLink{Sequence: 12, Digest: digest}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, s := range []string{"", "12", ":" + digest, "0:" + digest, "-1:" + digest, "12:" + digest[1:], "12:" + strings.ToUpper(digest), "a:" + digest, "12:" + digest + " "} {
		if got, err := ParseAnchor(s); err == nil {
			t.Errorf("%q was taken for %+v", s, got)
		}
	}
}

func TestDecodeRefusesWhatIsTooLong(t *testing.T) {
	r := example(1)
	r.Version = Version
	r.Tenant = strings.Repeat("x", MaxBody)
	if _, err := r.Encode(); err == nil {
		t.Error("a receipt beyond the bound was encoded")
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(body); err == nil {
		t.Error("a receipt beyond the bound was decoded")
	}
}
