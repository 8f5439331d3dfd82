package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// What an audit of a certificate can find, besides UnknownKey, BadSignature and BadStatement.
const (
	// CertificateEdited: the certificate shows something else than was signed.
	CertificateEdited evidence.Code = "CertificateEdited"
	// NotCounted is a note: how much was erased is not known.
	NotCounted evidence.Code = "NotCounted"
	// NotChecked is a note: the operator can't know of it.
	NotChecked evidence.Code = "NotChecked"
)

// Certificate checks what a certificate shows against its signed envelope. It gives the ID
// of the key that signed it, empty when none did.
func Certificate(ctx context.Context, shown statement.Erasure, envelope []byte, keys statement.Keys) (string, []evidence.Finding) {
	var l ledger // collects what is found
	signed, id, err := statement.OpenErasure(ctx, envelope, keys)
	switch {
	case errors.Is(err, statement.ErrUnknownKey):
		l.problem(UnknownKey, 0, "The certificate is signed by a key that is not among the public keys: %s.", printable(id))
	case errors.Is(err, statement.ErrBadSignature):
		l.problem(BadSignature, 0, "The certificate's envelope was changed after it was signed, or was never signed by the key that it names.")
	case err != nil:
		l.problem(BadStatement, 0, "The certificate's envelope is no statement about a tenant that was erased.")
	case !signed.Same(shown):
		l.problem(CertificateEdited, 0, "The certificate shows something else than was signed: %s. What was signed is in its envelope.", strings.Join(signed.Differs(shown), ", "))
	}
	if err != nil {
		return "", l.findings
	}
	if !signed.Counted {
		l.note(NotCounted, 0, "How much was erased is not known.")
	}
	for _, what := range signed.Unchecked {
		l.note(NotChecked, 0, "Not checked: %s.", what)
	}
	return id, l.findings
}

// Sum adds up the rows that a certificate tells of.
func Sum(e statement.Erasure) string {
	if !e.Counted {
		return "not counted"
	}
	var sum int64
	for _, c := range e.Counts {
		sum += c.Rows
	}
	return fmt.Sprintf("%d rows", sum)
}
