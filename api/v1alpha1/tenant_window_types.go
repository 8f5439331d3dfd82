package v1alpha1

// Weekday is a day of the week.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// Weekdays lists them, from Monday on.
func Weekdays() []Weekday {
	return []Weekday{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
}

// SendWindow is a window of the recipient's day. A guest's time zone is what staff noted, else the one that the prefix of the
// number tells, if it tells one alone, else timeZone.
//
// +kubebuilder:validation:XValidation:rule="self.start != self.end",message="start and end are the same; leave sendWindow out to send always"
type SendWindow struct {
	// start of the window by the recipient's clock, as HH:MM. Example: "08:00".
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",message="use a time of the day as HH:MM, from 00:00 to 23:59"
	Start string `json:"start"`

	// end of the window, as HH:MM: nothing goes from this minute on. Before start, it is on the day after. Example: "20:00".
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",message="use a time of the day as HH:MM, from 00:00 to 24:00"
	End string `json:"end"`

	// days on which the window opens. Default: all. Example: [Monday, Tuesday].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// timeZone of guests of whom nobody knows a better one, by its IANA name. Example: Europe/Berlin.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == 'UTC' || self.matches('^[A-Z][A-Za-z_-]+(/[A-Z][A-Za-z_-]+){1,2}$')",message="use the name of a place in the IANA time zone database, as in Europe/Berlin, or UTC"
	TimeZone string `json:"timeZone"`
}
