package contract

import "time"

// Access is one entry of a tenant's access log, as `instance access` writes it: one in a line.
type Access struct {
	At     time.Time `json:"at"`
	Staff  string    `json:"staff,omitempty"` // id of the account; empty for who did not sign in
	Email  *string   `json:"email,omitempty"` // of the account, while there is one
	Method string    `json:"method"`
	Route  string    `json:"route"`            // the pattern, without ids
	Object string    `json:"object,omitempty"` // id of the contact, conversation or message
	Status int       `json:"status"`           // that was answered
}
