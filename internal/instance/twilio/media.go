package twilio

import (
	"context"
	"io"
	"net/http"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// mediaHosts are where Twilio's API sends who asks for a file
// (https://help.twilio.com/articles/223183748). The second is everybody's: only Twilio's folder there is.
var mediaHosts = []provider.Host{{Name: "mms.twiliocdn.com"}, {Name: "s3-external-1.amazonaws.com", Prefix: "/media.twiliocdn.com/"}}

// Fetch opens a file of an MMS. The account's credentials go to Twilio's API alone.
func (p *Provider) Fetch(ctx context.Context, source string) (io.ReadCloser, error) {
	return p.downloads.Get(ctx, source, func(r *http.Request) error {
		if !p.downloads.IsAPI(r.URL) {
			return nil
		}
		token, err := p.token()
		if err != nil {
			return err
		}
		r.SetBasicAuth(p.channel.AccountSID, token)
		return nil
	})
}
