package v1alpha1

// Usage is what a tenant is billed by: counts of whole days, by UTC.
type Usage struct {
	// until is the day before which all days are counted. Example: 2026-11-29.
	// +required
	// +kubebuilder:validation:MaxLength=10
	Until string `json:"until"`
	// months that have counts, the newest first: this one and the two before.
	// +optional
	// +listType=map
	// +listMapKey=month
	// +kubebuilder:validation:MaxItems=3
	Months []UsageMonth `json:"months,omitempty"`
}

// UsageMonth counts a month.
type UsageMonth struct {
	// month. Example: 2026-11.
	// +required
	// +kubebuilder:validation:MaxLength=7
	Month string `json:"month"`
	// storedBytes is the most that the tenant's database and files took when one of the month's days had ended.
	// +required
	StoredBytes int64 `json:"storedBytes"`
	// channels by which messages went.
	// +optional
	// +listType=map
	// +listMapKey=channel
	Channels []UsageChannel `json:"channels,omitempty"`
}

// UsageChannel counts the messages of a channel. What was imported, or deleted before its day was counted, is not among them.
type UsageChannel struct {
	// channel is the name of a Channel, which may be gone.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Channel string `json:"channel"`
	// received from guests.
	// +required
	Received int64 `json:"received"`
	// sent: messages that the provider took.
	// +required
	Sent int64 `json:"sent"`
}
