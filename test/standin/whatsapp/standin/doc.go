// Package standin stands in for WhatsApp's Cloud API in tests: the part of the Graph API
// that sends texts, and the webhooks that it makes. It is as strict as Meta documents its
// own to be: a wrong token, form or recipient is refused with the code that Meta gives.
//
//	POST /{version}/{phone-number-id}/messages    sends a text
//	GET  /{version}/{phone-number-id}             the number, if the token may see it
//
// Tests control it by its methods, or on a cluster by HTTPS:
//
//	POST /control/numbers    a Number
//	POST /control/faults     a Fault: the next requests to send to somebody fail
//	POST /control/outcomes   an Outcome: which statuses follow
//	POST /control/inbound    an Inbound: a guest writes; an error unless it is acknowledged
//	POST /control/reset      forgets all but the numbers
//	GET  /control/messages   what was accepted; to=4915112345678 for one guest
//	GET  /control/attempts   every request to send
//	GET  /control/webhooks   the statuses sent, and how they were answered
package standin
