package whatsapp

import "github.com/switchboard-operator/switchboard/internal/instance/provider"

// template is a message by a template that Meta has approved
// (https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates).
type template struct {
	Name       string      `json:"name"`
	Language   language    `json:"language"`
	Components []component `json:"components,omitempty"`
}

type language struct {
	Code string `json:"code"`
}

type component struct {
	Type       string      `json:"type"`
	Parameters []parameter `json:"parameters"`
}

type parameter struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func templateOf(t provider.Template) *template {
	made := &template{Name: t.Name, Language: language{t.Language}}
	if len(t.Parameters) > 0 {
		body := component{Type: "body"}
		for _, p := range t.Parameters {
			body.Parameters = append(body.Parameters, parameter{"text", p})
		}
		made.Components = []component{body}
	}
	return made
}
