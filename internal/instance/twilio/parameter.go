package twilio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
)

// maxParameters bounds the parameters of a webhook. Twilio sends some 30.
const maxParameters = 500

// ParseParameters reads the parameters of a webhook's body: a form, or a JSON
// object of strings, as contentType says. Its errors are sentences for the caller
// of the webhook and repeat nothing of the body.
func ParseParameters(contentType string, body []byte) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = ""
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		if bytes.Count(body, []byte("&")) >= maxParameters {
			return nil, fmt.Errorf("the form has more than %d parameters", maxParameters)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errors.New("the body is not a URL-encoded form; send it complete, as Twilio encodes it")
		}
		if len(form) == 0 {
			return nil, errors.New("the form is empty; send it complete")
		}
		return form, nil
	case "application/json":
		var object map[string]string
		if members(body) > maxParameters {
			return nil, fmt.Errorf("the object has more than %d members", maxParameters)
		}
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, errors.New("the body is not a JSON object of strings; send it complete")
		}
		form := url.Values{}
		for k, v := range object {
			form.Set(k, v)
		}
		return form, nil
	default:
		return nil, errors.New("the Content-Type is not that of a form; send application/x-www-form-urlencoded")
	}
}

// members counts those of an object of JSON before anything is made of them.
func members(body []byte) (n int) {
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case ':':
			n++
		}
	}
	return n
}
