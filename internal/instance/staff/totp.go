package staff

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
)

// A code is of RFC 6238 with what authenticator apps know: SHA-1, six digits, 30 seconds. One step before and after the present one counts
// too (its section 5.2).
const (
	totpPeriod    = 30 // seconds
	totpSkew      = 1  // steps
	recoveryCodes = 10
	recoveryBytes = 10
)

var (
	// ErrCodeNeeded says that the password is right, and a code is needed besides.
	ErrCodeNeeded = errors.New("a code of the second factor is needed")
	// ErrWrongCode says that a code is wrong, too old, or was used.
	ErrWrongCode = errors.New("the code is wrong, too old or was used")
	// ErrNoFactor says that nobody began to set a second factor up.
	ErrNoFactor = errors.New("no second factor is being set up")
	// ErrHasFactor says that there is a second factor already.
	ErrHasFactor = errors.New("there is a second factor already")
)

// Factor is a second factor that is being set up: what an app is to keep, as text and as a QR code.
type Factor struct {
	Secret string `json:"secret"` // base32
	URL    string `json:"url"`    // otpauth://
	QR     QR     `json:"qr"`     // of the URL
}

// codes are checked against the secret of a member; sealed by the tenant's key for hashes, so that a copy of the database alone opens nothing.
func sealer(keys *addresshash.Keys, version int) (cipher.AEAD, error) {
	key, ok := keys.Versions()[version]
	if !ok {
		return nil, fmt.Errorf("there is no version %d of the tenant's key: have a supervisor take the second factor away, and set it up again", version)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "switchboard/second-factor/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// BeginFactor makes a secret for a member, in place of one that was never confirmed. issuer is what the app calls us. It fails with ErrHasFactor.
func BeginFactor(ctx context.Context, tx pgx.Tx, keys *addresshash.Keys, m Member, issuer string) (Factor, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: m.Email, Period: totpPeriod, SecretSize: 20, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1, Rand: rand.Reader})
	if err != nil {
		return Factor{}, fmt.Errorf("making a secret: %w", err)
	}
	_, version := keys.Hash("", "")
	aead, err := sealer(keys, version)
	if err != nil {
		return Factor{}, fmt.Errorf("sealing a secret: %w", err)
	}
	sealed := aead.Seal(nil, nil, []byte(key.Secret()), m.ID[:]) //nolint:gosec // the AEAD makes a random nonce of its own
	tag, err := tx.Exec(ctx, `INSERT INTO sb.staff_factor (staff_id, secret, key_version) VALUES ($1, $2, $3)
		ON CONFLICT (staff_id) DO UPDATE SET secret = excluded.secret, key_version = excluded.key_version, last_step = 0
		WHERE sb.staff_factor.confirmed_at IS NULL`, m.ID, sealed, version)
	if err != nil {
		return Factor{}, fmt.Errorf("storing a secret: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return Factor{}, ErrHasFactor
	}
	code, err := qrCode(key.URL())
	return Factor{key.Secret(), key.URL(), code}, err
}

// ConfirmFactor has the second factor count from now on, and gives recovery codes, which are shown this once: the database holds
// their SHA-256. It fails with ErrNoFactor or ErrWrongCode.
func ConfirmFactor(ctx context.Context, tx pgx.Tx, keys *addresshash.Keys, member uuid.UUID, code string) ([]string, error) {
	var waits bool
	err := tx.QueryRow(ctx, "SELECT confirmed_at IS NULL FROM sb.staff_factor WHERE staff_id = $1 FOR UPDATE", member).Scan(&waits)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !waits {
		return nil, ErrNoFactor
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a second factor: %w", err)
	}
	if err := useCode(ctx, tx, keys, member, code, time.Now()); err != nil {
		return nil, err
	}
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		random := make([]byte, recoveryBytes)
		rand.Read(random) // never fails: crypto/rand ends the program instead
		text := strings.ToLower(base32.StdEncoding.EncodeToString(random))
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		hashes[i] = recoveryHash(codes[i])
	}
	if _, err := tx.Exec(ctx, "UPDATE sb.staff_factor SET confirmed_at = now(), recovery = $2 WHERE staff_id = $1", member, hashes); err != nil {
		return nil, fmt.Errorf("storing recovery codes: %w", err)
	}
	return codes, nil
}

// DropFactor takes a member's second factor away; false when there was none.
func DropFactor(ctx context.Context, tx pgx.Tx, member uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, "DELETE FROM sb.staff_factor WHERE staff_id = $1", member)
	if err != nil {
		return false, fmt.Errorf("taking a second factor away: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// UseCode uses a member's code or recovery code up. It fails with ErrWrongCode.
func UseCode(ctx context.Context, db Querier, keys *addresshash.Keys, member uuid.UUID, code string) error {
	return useCode(ctx, db, keys, member, code, time.Now())
}

func useCode(ctx context.Context, db Querier, keys *addresshash.Keys, member uuid.UUID, code string, now time.Time) error {
	code = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(code), " ", ""))
	if len(code) != 6 {
		tag, err := db.Exec(ctx, "UPDATE sb.staff_factor SET recovery = array_remove(recovery, $2) WHERE staff_id = $1 AND $2 = ANY (recovery)", member, recoveryHash(code))
		if err != nil {
			return fmt.Errorf("using a recovery code up: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return ErrWrongCode
		}
		return nil
	}
	var sealed []byte
	var version int
	if err := db.QueryRow(ctx, "SELECT secret, key_version FROM sb.staff_factor WHERE staff_id = $1", member).Scan(&sealed, &version); err != nil {
		return fmt.Errorf("reading a second factor: %w", err)
	}
	aead, err := sealer(keys, version)
	if err != nil {
		return fmt.Errorf("opening a second factor: %w", err)
	}
	secret, err := aead.Open(nil, nil, sealed, member[:])
	if err != nil {
		return fmt.Errorf("opening a second factor: %w", err)
	}
	step, found := stepOf(string(secret), code, now)
	if !found {
		return ErrWrongCode
	}
	// Who looks on can't use the code once more (RFC 6238, section 5.2), nor one before it.
	tag, err := db.Exec(ctx, "UPDATE sb.staff_factor SET last_step = $2 WHERE staff_id = $1 AND last_step < $2", member, step)
	if err != nil {
		return fmt.Errorf("using a code up: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrWrongCode
	}
	return nil
}

// stepOf finds the step of time whose code it is.
func stepOf(secret, code string, now time.Time) (int64, bool) {
	present, step, found := now.Unix()/totpPeriod, int64(0), false
	for s := present - totpSkew; s <= present+totpSkew; s++ {
		right, err := hotp.ValidateCustom(code, uint64(s), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // after 1970
		if err == nil && right {
			step, found = s, true
		}
	}
	return step, found
}

// recoveryHash needs no salt: a code is 80 random bits.
func recoveryHash(code string) []byte {
	sum := sha256.Sum256([]byte(strings.ReplaceAll(code, "-", "")))
	return sum[:]
}
