package meta

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Callback names a message of ours to Meta, which repeats it in what it tells of it: that settles
// a send of unknown outcome too.
func Callback(k provider.Key) string {
	return k.ID.String() + ":" + strconv.FormatInt(k.At.UnixMicro(), 10)
}

// ParseCallback is nil for what Callback has not made.
func ParseCallback(text string) *provider.Key {
	id, at, _ := strings.Cut(text, ":")
	key, err := uuid.Parse(id)
	if err != nil || len(id) != 36 {
		return nil
	}
	micros, err := strconv.ParseInt(at, 10, 64)
	const latest = 253402300799_000_000 // the end of year 9999
	if err != nil || micros < 0 || micros > latest {
		return nil
	}
	return &provider.Key{ID: key, At: time.UnixMicro(micros).UTC()}
}
