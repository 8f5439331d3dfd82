package contract

// MaxUsageMonths bounds Usage.Months: a bill of the month before can still be made late.
const MaxUsageMonths = 3

// Usage counts what a tenant is billed by, of whole days by UTC. It names nobody.
type Usage struct {
	// Until is the day before which all days are counted, as in 2026-11-29.
	Until string `json:"until"`
	// Months that have counts, the newest first, at most MaxUsageMonths.
	Months []UsageMonth `json:"months,omitempty"`
}

// UsageMonth counts one month.
type UsageMonth struct {
	Month string `json:"month"` // 2026-11
	// StoredBytes is the most that database and files took when one of its days had ended.
	StoredBytes int64          `json:"storedBytes"`
	Channels    []UsageChannel `json:"channels,omitempty"`
}

// UsageChannel counts the messages of one channel, by name.
type UsageChannel struct {
	Channel  string `json:"channel"`
	Received int64  `json:"received"`
	Sent     int64  `json:"sent"` // that the provider took
}
