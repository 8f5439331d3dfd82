package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	pageSize = 50
	// maxPages bounds a lookup: a guest is sent fewer messages than this between an
	// attempt and the question about it.
	maxPages = 10
	// clockSkew is how far Twilio's clock may be behind the database's.
	clockSkew = time.Minute
)

// Sent lists the messages with this text that the channel sent to a guest since
// an instant, as far as Twilio knows. It fails when Twilio can't be asked, or not
// to the end.
//
// It pages through the newest messages to the guest and does not filter by
// DateSent: Twilio sets that only once a message has left its queue, and the one
// that is asked about may still be in it.
func (c *Client) Sent(ctx context.Context, to, body string, since time.Time) ([]provider.Sent, error) {
	query := url.Values{"To": {to}, "PageSize": {fmt.Sprint(pageSize)}}
	if c.channel.From != "" {
		query.Set("From", c.channel.From)
	}
	oldest := since.Add(-clockSkew).Truncate(time.Second)
	var found []provider.Sent
	next := c.messages() + ".json?" + query.Encode()
	for range maxPages {
		page, err := c.page(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Messages {
			created, err := time.Parse(time.RFC1123Z, r.DateCreated)
			if err != nil {
				return nil, fmt.Errorf("asking Twilio for sent messages: one has no date of creation")
			}
			if created.Before(oldest) {
				return found, nil
			}
			if c.isOurs(r) && strings.TrimSpace(r.Body) == strings.TrimSpace(body) {
				found = append(found, r.message())
			}
		}
		if page.NextPageURI == "" {
			return found, nil
		}
		// Else the answer would choose the host that is sent the credentials: "@elsewhere.example/".
		if !strings.HasPrefix(page.NextPageURI, "/") {
			return nil, fmt.Errorf("asking Twilio for sent messages: the next page's address is no path")
		}
		next = strings.TrimSuffix(c.channel.APIBaseURL, "/") + page.NextPageURI
	}
	return nil, fmt.Errorf("asking Twilio for sent messages: more than %d of one guest", maxPages*pageSize)
}

func (c *Client) isOurs(r resource) bool {
	if !strings.HasPrefix(r.Direction, "outbound") {
		return false
	}
	return c.channel.MessagingServiceSID == "" || r.MessagingServiceSID == c.channel.MessagingServiceSID
}

type page struct {
	Messages    []resource `json:"messages"`
	NextPageURI string     `json:"next_page_uri"` // a path
}

func (c *Client) page(ctx context.Context, address string) (page, error) {
	var p page
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return p, fmt.Errorf("asking Twilio for sent messages: %w", err)
	}
	status, _, answer, err := c.do(request)
	if err != nil {
		return p, err
	}
	if status != http.StatusOK {
		return p, fmt.Errorf("asking Twilio for sent messages: HTTP %d", status)
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return p, fmt.Errorf("asking Twilio for sent messages: the answer is no list")
	}
	return p, nil
}
