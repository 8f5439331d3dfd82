package external

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// failed turns an error of connecting or asking into an outcome whose message has nothing of the login, the host or the
// driver's words, which name both.
func failed(err error) contract.DatabaseResult {
	class, message := classify(err)
	return contract.DatabaseResult{Class: class, Message: message}
}

func classify(err error) (class, message string) {
	var said *pgconn.PgError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	var network net.Error
	switch {
	case errors.As(err, &said):
		return classifySaid(said)
	case errors.As(err, &authority):
		return contract.DatabaseUntrusted, "the server's certificate is not of the authority in ca.crt: put the authority that issued it there"
	case errors.As(err, &host):
		return contract.DatabaseUntrusted, "the server's certificate is for another host name: write into host the name that it bears"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return contract.DatabaseUntrusted, "the server's certificate has expired, or is not good yet: have it renewed"
	case errors.As(err, &invalid), errors.As(err, &verification):
		return contract.DatabaseUntrusted, "the server's certificate can't be verified: have one issued for this host, by the authority in ca.crt"
	case strings.Contains(err.Error(), "refused TLS connection"): // pgconn has no type for it
		return contract.DatabaseUntrusted, "the server offers no TLS, and nothing is sent without: have it turned on"
	case errors.As(err, &alert):
		return contract.DatabaseUntrusted, "the server broke the TLS handshake off: it must speak TLS 1.3, and take the client certificate if it asks for one"
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return contract.DatabaseUnreachable, "nobody answers: see whether the server is up, host and port are right, and the Region's spec.database.external.egress has its addresses"
	default:
		return contract.DatabaseFailed, "the server could not be asked: see the Job's log"
	}
}

// Conditions of PostgreSQL by their codes (its Appendix A).
const (
	codeNoSuchDatabase = "3D000"
	codeNoPrivilege    = "42501"
)

// classifySaid knows what servers say by its code. Their messages name logins and hosts: they are for nobody's status.
func classifySaid(e *pgconn.PgError) (class, message string) {
	switch {
	case strings.HasPrefix(e.Code, "28"): // invalid authorization
		return contract.DatabaseRefused, "the server refuses the login: check user, and password or client certificate; and that the server lets it in from the cluster with TLS (code " + e.Code + ")"
	case e.Code == codeNoSuchDatabase:
		return contract.DatabaseRefused, "the server has no database of the name in dbname: make it, owned by the login"
	case e.Code == codeNoPrivilege:
		return contract.DatabaseRights, "the login may not do what a migration has to (code " + e.Code + "): it needs CREATEROLE, and must own the database"
	case strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57"): // no resources left; an operator intervened
		return contract.DatabaseUnreachable, "the server takes no connections just now (code " + e.Code + ")"
	default:
		return contract.DatabaseFailed, "the server answered with code " + e.Code
	}
}
