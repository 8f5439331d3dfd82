package adopt_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/instance/archive"
)

// TestWhoCanReadAnArchiveCantChangeItUnseen: the recipient can encrypt anew, but not without
// the manifest, the digest or the chain telling of it.
func TestWhoCanReadAnArchiveCantChangeItUnseen(t *testing.T) {
	s := newStage(t)
	file := s.export()
	for sentence, c := range map[string]struct {
		from, to string
		is       error
		says     string
	}{
		"a word of a message":     {"Is the ", "Was the", archive.ErrDamaged, "not what its manifest tells of"},
		"the bytes of a file":     {"bytes of 0bytes of 0", "bytes of 1bytes of 0", archive.ErrForm, "not the one that its row tells of"},
		"the tenant's name":       {`"tenant": "hotel-berlin"`, `"tenant": "hotel-boston"`, archive.ErrDamaged, "not what its manifest tells of"},
		"another form":            {"switchboard/export/v1", "switchboard/export/v2", archive.ErrForm, "not of the form"},
		"the number of a receipt": {`"sequence":2,"policy"`, `"sequence":3,"policy"`, archive.ErrDamaged, "not what its manifest tells of"},
		"what a receipt says":     {`\"generation\":1`, `\"generation\":2`, archive.ErrDamaged, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := s.adopt(bytes.NewReader(s.forge(file, c.from, c.to)), s.options())
			contains(t, err, c.is, c.says)
			s.untouched()
		})
	}
}

// TestReceiptsThatWereChangedBeforeTheExportAreToldOf: the manifest is true then, the chain is not.
func TestReceiptsThatWereChangedBeforeTheExportAreToldOf(t *testing.T) {
	for sentence, c := range map[string]struct{ change, says string }{
		"edited":       {`UPDATE sb.receipt SET body = replace(body, '"generation":1', '"generation":2') WHERE sequence = 2`, "Receipt 2 was edited"},
		"one left out": {"DELETE FROM sb.receipt WHERE sequence = 2", "Receipt 2 is missing"},
		"begun later":  {"DELETE FROM sb.receipt WHERE sequence = 1", "cut off at its start"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newStage(t)
			exec(t, s.from.Admin(t), c.change)
			_, err := s.adopt(bytes.NewReader(s.export()), s.options())
			contains(t, err, nil, "receipts are not whole", c.says)
			s.untouched()
		})
	}
}

// forge opens an archive, changes all of a word, and encrypts it anew.
func (s *stage) forge(file []byte, from, to string) []byte {
	s.t.Helper()
	if len(from) != len(to) {
		s.t.Fatal("the members would have other sizes")
	}
	plain, err := age.Decrypt(bytes.NewReader(file), s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	zipped, err := gzip.NewReader(plain)
	if err != nil {
		s.t.Fatal(err)
	}
	content, err := io.ReadAll(zipped)
	if err != nil {
		s.t.Fatal(err)
	}
	changed := bytes.Replace(content, []byte(from), []byte(to), 1)
	if bytes.Equal(changed, content) {
		s.t.Fatalf("%q is not in the archive", from)
	}
	var out bytes.Buffer
	encrypted, err := age.Encrypt(&out, s.key.Recipient())
	if err != nil {
		s.t.Fatal(err)
	}
	w := gzip.NewWriter(encrypted)
	if _, err := w.Write(changed); err != nil {
		s.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	if err := encrypted.Close(); err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes()
}
