// Package staff knows the people who answer guests: their passwords and their
// sessions.
package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password hash: of the settings of equal strength that OWASP's
// Password Storage Cheat Sheet gives for argon2id, the one with the least memory.
const (
	argonMemory  = 7 * 1024 // KiB
	argonTime    = 5
	argonThreads = 1
	saltLength   = 16
	keyLength    = 32
)

// Bounds on a password, in bytes. The upper one keeps hashing cheap to refuse.
const (
	MinPassword = 12
	MaxPassword = 1024
)

// hashing lets one hash be computed at a time, and so bounds their memory to 7 MiB,
// however many people sign in; it is some 40 sign-ins a second.
var hashing = make(chan struct{}, 1)

// unknown is the hash of a password that nobody has: verifying against it takes
// the time that verifying a real one takes.
const unknown = "$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// HashPassword gives the PHC string of an argon2id hash of password.
func HashPassword(ctx context.Context, password string) (string, error) {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return "", fmt.Errorf("hashing a password: it has %d bytes; choose one of %d to %d", len(password), MinPassword, MaxPassword)
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	key, err := derive(ctx, password, salt, argonTime, argonMemory, argonThreads)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// verifyPassword says whether password is the one that hash was made from.
func verifyPassword(ctx context.Context, hash, password string) (bool, error) {
	var version int
	var memory, time uint32
	var threads uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("verifying a password: the stored hash is no argon2id hash; set the password again")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); err != nil || version != argon2.Version {
		return false, errors.New("verifying a password: the stored hash has unknown settings; set the password again")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("verifying a password: reading the stored salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != keyLength {
		return false, errors.New("verifying a password: the stored key is damaged; set the password again")
	}
	got, err := derive(ctx, password, salt, time, memory, threads)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func derive(ctx context.Context, password string, salt []byte, time, memory uint32, threads uint8) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		debug.FreeOSMemory() // what is garbage makes room for it
		defer func() {
			debug.FreeOSMemory() // else the collector keeps room for several more of these
			<-hashing
		}()
		return argon2.IDKey([]byte(password), salt, time, memory, threads, keyLength), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
}
