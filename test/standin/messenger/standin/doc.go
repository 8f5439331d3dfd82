// Package standin stands in for Meta's Messenger Platform in tests: the part of the Graph API
// that sends a page's texts, and the webhooks that it makes. It is as strict as Meta documents
// its own to be: a wrong token, form or recipient is refused with the code that Meta gives.
//
//	POST /{version}/{page-id}/messages    sends a text, if its guest wrote less than 24 hours ago
//	GET  /{version}/me                    whose the token is
//
// Tests control it by its methods.
package standin
