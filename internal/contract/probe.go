package contract

import "time"

// EnvProbe is what `instance probe` tries, a Probe as JSON; EnvNode the name of the node that it runs on.
const (
	EnvProbe = "SWITCHBOARD_PROBE"
	EnvNode  = "SWITCHBOARD_NODE"
)

// Probe is what `instance probe` tries from a tenant's pod. It connects, and says nothing.
type Probe struct {
	// Open must answer: without that, silence of the others proves nothing.
	Open []Target `json:"open"`
	// Closed must not answer.
	Closed []Target `json:"closed"`
}

// Target is a host and port by TCP.
type Target struct {
	Name string `json:"name"` // by which the result calls it, 63 bytes at most
	// Address is host:port, where host is an IP address, or a name that is looked up first.
	Address string `json:"address"`
}

// MaxTargets bounds Open and Closed, each, so that a result with all of them fits a termination message.
const MaxTargets = 32

// ProbeResult is the outcome of `instance probe`.
type ProbeResult struct {
	FinishedAt time.Time `json:"finishedAt"` // UTC
	Node       string    `json:"node"`
	// Tried counts the closed targets.
	Tried int `json:"tried"`
	// Reached are the closed targets that answered, in the order of the Probe.
	Reached []string `json:"reached,omitempty"`
	// Missed are the open targets that did not, and closed ones whose names could not be looked up.
	Missed []string `json:"missed,omitempty"`
}
