package standin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/switchboard-operator/switchboard/test/standin/files"
)

// linkLife is how long the address works to which Twilio sends who asks for a file.
const linkLife = 4 * time.Hour

// AddMedia gives an account a file of a message, and gives the path of its address.
func (s *Server) AddMedia(account string, f files.File) string {
	id := newSID("ME")
	s.Media.Put(account+id, f)
	return "/2010-04-01/Accounts/" + account + "/Messages/" + newSID("MM") + "/Media/" + id
}

// media is Twilio's "fetch a Media resource": it leads elsewhere.
func (s *Server) media(w http.ResponseWriter, r *http.Request, account Account) {
	id := account.SID + r.PathValue("media")
	f, ok := s.Media.Find(w, id)
	if !ok {
		return
	}
	at := f.Redirect
	switch at {
	case "itself":
		at = r.URL.Path
	case "":
		at = "/cdn/" + s.Media.Link(id, linkLife)
	}
	http.Redirect(w, r, at, http.StatusTemporaryRedirect)
}

// fetched is a file that a message was sent with, as Twilio has fetched it.
type fetched struct {
	URL     string `json:"url"`
	Status  int    `json:"status"` // 0 when there was no answer
	Type    string `json:"type"`
	Content []byte `json:"content"`
}

// Fetch gets what is at a public URL, as Twilio gets the files of a message.
func (s *Server) Fetch(ctx context.Context, target string) (fetched, error) {
	got := fetched{URL: target}
	u, err := url.Parse(target)
	if err != nil {
		return got, err
	}
	route, known := s.route(u.Host, u.Path)
	if !known {
		return got, fmt.Errorf("no route leads to the host %s", u.Host)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM([]byte(route.CA))
	client := &http.Client{Timeout: webhookTimeout, Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, route.Address)
		}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return got, err
	}
	response, err := client.Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	got.Status, got.Type = response.StatusCode, response.Header.Get("Content-Type")
	got.Content, err = io.ReadAll(io.LimitReader(response.Body, 6<<20))
	return got, err
}
