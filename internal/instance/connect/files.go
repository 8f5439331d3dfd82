package connect

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// linkLife is how long a link to a file of a message works: a provider fetches it when it sends the message.
	linkLife = time.Hour
	// maxLinks bounds the files that are handed out at once, and linkTimeout one of them.
	maxLinks    = 4
	linkTimeout = 2 * time.Minute
	// kindLink keeps the signatures of links apart from hashes of addresses, which are made with the same keys.
	kindLink = "media-link"
)

// filesOf gives the files that a message goes with; false when one of them is gone.
func (c *Connector) filesOf(ctx context.Context, k messageKey, want int) ([]provider.File, bool, error) {
	if want == 0 {
		return nil, true, nil
	}
	found, err := c.database.outboundFiles(ctx, k)
	if err != nil || len(found) < want {
		return nil, false, err
	}
	files := make([]provider.File, 0, len(found))
	for _, f := range found {
		files = append(files, provider.File{
			ID: f.id.String(), Name: media.FileName(f.name, f.id.String(), f.kind), MediaType: f.kind, Size: f.size,
			Open: func(ctx context.Context) (io.ReadCloser, error) { return c.open(ctx, k, f) },
			Link: func() (string, error) { return c.link(k, f.id, time.Now().Add(linkLife)) },
		})
	}
	return files, true, nil
}

func (c *Connector) open(ctx context.Context, k messageKey, f outFile) (io.ReadCloser, error) {
	if f.object != nil && f.key != nil {
		return file.Open(ctx, c.objects, *f.object, *f.key)
	}
	return io.NopCloser(file.Pieces(f.size, func(at int64, length int) ([]byte, error) {
		return c.database.outboundPiece(ctx, k, f.id, at, length)
	})), nil
}

// Parameters of a link, beside the message's name.
const (
	paramMessage = "m"
	paramAt      = "t" // microseconds since 1970
	paramEnd     = "e" // seconds since 1970
	paramSign    = "s"
)

// link is the address of one file of one message until an instant.
func (c *Connector) link(k messageKey, id uuid.UUID, end time.Time) (string, error) {
	keys, err := addresshash.Load(c.keysDir)
	if err != nil {
		return "", err
	}
	at, until := strconv.FormatInt(k.at.UnixMicro(), 10), strconv.FormatInt(end.Unix(), 10)
	sign, _ := keys.Hash(kindLink, c.linked(id.String(), k.id.String(), at, until))
	query := url.Values{paramMessage: {k.id.String()}, paramAt: {at}, paramEnd: {until}, paramSign: {hex.EncodeToString(sign)}}
	return c.site.PublicURL + c.site.Prefix + "media/" + id.String() + "?" + query.Encode(), nil
}

// linked is what a link's signature covers: the channel too, for all of a tenant's have the same keys.
func (c *Connector) linked(id, message, at, until string) string {
	return c.channel.Name + " " + id + " " + message + " " + at + " " + until
}

// signed reads a link that is ours and not over.
func (c *Connector) signed(r *http.Request, now time.Time) (k messageKey, id uuid.UUID, ok bool, err error) {
	query := r.URL.Query()
	keys, err := addresshash.Load(c.keysDir)
	if err != nil {
		return k, id, false, err
	}
	sign, _ := hex.DecodeString(query.Get(paramSign)) // what is none matches none
	hashes, _ := keys.Hashes(kindLink, c.linked(r.PathValue("id"), query.Get(paramMessage), query.Get(paramAt), query.Get(paramEnd)))
	for _, h := range hashes {
		ok = hmac.Equal(h, sign) || ok
	}
	end, bad := strconv.ParseInt(query.Get(paramEnd), 10, 64)
	if !ok || bad != nil || now.Unix() >= end {
		return k, id, false, nil //nolint:nilerr // a link that is none is an answer
	}
	micros, bad := strconv.ParseInt(query.Get(paramAt), 10, 64)
	message, bad2 := uuid.Parse(query.Get(paramMessage))
	attachment, bad3 := uuid.Parse(r.PathValue("id"))
	if errors.Join(bad, bad2, bad3) != nil {
		return k, id, false, nil //nolint:nilerr // the same
	}
	return messageKey{message, time.UnixMicro(micros).UTC()}, attachment, true, nil
}

// linkHandler hands a file out to who bears its link. A wrong one, one that is over and one whose file is gone are all the
// same here.
func (c *Connector) linkHandler() http.Handler {
	slots := make(chan struct{}, maxLinks)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			unavailable(w, "too many files at once")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), linkTimeout)
		defer cancel()
		k, id, ok, err := c.signed(r, time.Now())
		if err == nil && ok {
			ok, err = c.handOut(ctx, w, k, id)
		}
		switch {
		case errors.Is(err, errBegun):
			c.log.Info("handing out a file broke off", "attachment", id.String())
			panic(http.ErrAbortHandler) // the answer has begun: cutting it off is all that can be said
		case err != nil:
			c.log.Warn("a file could not be handed out", "error", err.Error())
			unavailable(w, "the file can't be read")
		case !ok:
			http.Error(w, "there is no such file, or its time is over", http.StatusNotFound)
		}
	})
}

var errBegun = errors.New("the answer had begun")

func (c *Connector) handOut(ctx context.Context, w http.ResponseWriter, k messageKey, id uuid.UUID) (found bool, err error) {
	files, err := c.database.outboundFiles(ctx, k)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if f.id != id {
			continue
		}
		body, err := c.open(ctx, k, f)
		if errors.Is(err, file.ErrMissing) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer body.Close()
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(linkTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false, fmt.Errorf("bounding a download: %w", err)
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Content-Length", strconv.FormatInt(f.size, 10))
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": media.FileName(f.name, id.String(), f.kind)}))
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if n, err := io.CopyN(w, body, f.size); err != nil {
			return false, fmt.Errorf("%w: %d bytes were sent", errBegun, n)
		}
		return true, nil
	}
	return false, nil
}
