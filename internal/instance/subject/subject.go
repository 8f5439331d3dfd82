// Package subject carries out what a person asked for: Erasure, Access, Rectification,
// OptOut, Objection and Underage. All of a request, its receipt included, is one
// transaction: it is done and on record, or it has not happened.
//
// What may be done is decided by functions of the database
// (migrations/00005_subject.sql), which name the person by keyed hashes.
package subject

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// Person is whom a request is about, and what is needed to answer them.
type Person struct {
	Addresses []person.Address
	Keys      *addresshash.Keys
	// NewName and NewPhone are what a Rectification puts in place; empty leaves what is there.
	NewName, NewPhone string
	// Token fetches the archive of an Access request.
	Token string
	// Objects is the store with the tenant's files; nil when they are in the database.
	Objects *objectstore.Store
}

// codeTaken is raised when a new number belongs to another guest (migrations/00005_subject.sql).
const codeTaken = "SB201"

// maxSubjects bounds the keyed hashes in a result, to what a termination message holds.
const maxSubjects = 16

// Run carries out one request. The pool's role is a member of sb_subject. A request
// that was carried out already, and whose result was lost, gives the same result again.
func Run(ctx context.Context, pool *pgxpool.Pool, request contract.Request, tenant string, p Person) (contract.SubjectResult, error) {
	if err := validate(request, tenant, p); err != nil {
		return contract.SubjectResult{}, err
	}
	r := run{request: request, tenant: tenant, person: p}
	r.kinds, r.hashes = person.Hashes(p.Keys, p.Addresses)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		r.tx = tx
		return r.do(ctx)
	})
	if err != nil {
		return contract.SubjectResult{}, err
	}
	if err := r.settleFiles(ctx, pool); err != nil {
		return contract.SubjectResult{}, err
	}
	return r.result, nil
}

func validate(request contract.Request, tenant string, p Person) error {
	switch {
	case tenant == "":
		return fmt.Errorf("checking the request: the tenant's name is needed; set %s", contract.EnvTenant)
	case request.UID == "":
		return fmt.Errorf("checking the request: it has no uid; write it into %s", contract.EnvRequest)
	case len(p.Addresses) == 0:
		return fmt.Errorf("checking the request: %w", person.ErrNone)
	}
	switch request.Type {
	case contract.RequestErasure, contract.RequestUnderage, contract.RequestOptOut, contract.RequestObjection:
	case contract.RequestAccess:
		if request.ArchiveKey == "" || len(p.Token) < 32 {
			return errors.New("checking the request: an Access request needs archiveKey and a token of 32 characters or more")
		}
	case contract.RequestRectification:
		if p.NewName == "" && p.NewPhone == "" {
			return fmt.Errorf("checking the request: it does not say what to put right; give the key %s or %s", contract.FileNewName, contract.FileNewPhone)
		}
	default:
		return fmt.Errorf("checking the request: this program knows no type %q; upgrade the instance or correct the request", request.Type)
	}
	return nil
}

// run is one request under way, within its transaction.
type run struct {
	tx      pgx.Tx
	request contract.Request
	tenant  string
	person  Person
	kinds   []string // the kinds of hashes, in two lists of equal length
	hashes  [][]byte // under every version of the key
	archive string
	missing int64 // files that the store does not have any more
	result  contract.SubjectResult
}

func (r *run) do(ctx context.Context) error {
	// Two pods of one attempt: the second waits, and finds the first one's receipt.
	if _, err := r.tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", r.request.UID); err != nil {
		return fmt.Errorf("locking out another attempt: %w", err)
	}
	known, err := r.known(ctx)
	if err != nil || known {
		return err
	}
	var started time.Time
	if err := r.tx.QueryRow(ctx, "SELECT now()").Scan(&started); err != nil {
		return err
	}
	if err := r.carryOut(ctx); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == codeTaken {
			return errors.New("rectification: the new number belongs to another guest; nothing was changed. Erase that guest first, or have staff find out who is who")
		}
		return fmt.Errorf("%s: %w", strings.ToLower(r.request.Type), err)
	}
	return r.seal(ctx, started)
}

func (r *run) carryOut(ctx context.Context) error {
	switch r.request.Type {
	case contract.RequestErasure, contract.RequestUnderage:
		_, err := r.tx.Exec(ctx, "SELECT sb.subject_erase($1, $2, $3)", r.request.UID, r.kinds, r.hashes)
		return err
	case contract.RequestOptOut, contract.RequestObjection:
		return r.suppress(ctx)
	case contract.RequestRectification:
		return r.rectify(ctx)
	default:
		return r.hand(ctx)
	}
}

func (r *run) suppress(ctx context.Context) error {
	for _, a := range r.person.Addresses {
		hashes, version := r.person.Keys.Hashes(a.Kind, a.Value)
		if _, err := r.tx.Exec(ctx, "SELECT sb.subject_suppress($1, $2, $3, $4)", r.request.UID, a.Kind, hashes, version); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) rectify(ctx context.Context) error {
	var name, phone *string
	var hash []byte
	var all [][]byte
	version := 0
	if r.person.NewName != "" {
		name = &r.person.NewName
	}
	if r.person.NewPhone != "" {
		phone = &r.person.NewPhone
		all, version = r.person.Keys.Hashes(contract.KindPhone, r.person.NewPhone)
		hash = all[0]
	}
	_, err := r.tx.Exec(ctx, "SELECT sb.subject_rectify($1, $2, $3, $4, $5, $6, $7, $8)",
		r.request.UID, r.kinds, r.hashes, name, phone, hash, all, version)
	return err
}

// subjects are the person's hashes, by which the request is carried out again on a
// database that was put back: under every version of the key, as rows may bear any.
func (r *run) subjects() []contract.SubjectHash {
	if r.request.Type == contract.RequestAccess || r.request.Type == contract.RequestRectification {
		return nil
	}
	var all []contract.SubjectHash
	for _, a := range r.person.Addresses {
		for version, hash := range r.person.Keys.Each(a.Kind, a.Value) {
			all = append(all, contract.SubjectHash{Kind: a.Kind, KeyVersion: version, Hash: hex.EncodeToString(hash)})
		}
	}
	return all[:min(len(all), maxSubjects)]
}

// told fills in the result from a receipt.
func (r *run) told(receipt evidence.Receipt, s evidence.Sealed, recent []contract.ChainLink) {
	q := receipt.Request
	r.result = contract.SubjectResult{
		Request: q.UID, Type: q.Type, FinishedAt: receipt.FinishedAt.UTC(), Found: q.Found, Done: q.Done, Refused: q.Refused,
		Subjects: r.subjects(), ArchiveID: q.Archive, Sequence: s.Sequence, PreviousDigest: s.Previous, Digest: s.Digest, Recent: recent,
	}
}
