package contract

// PrivacyNotice is a tenant's page that tells guests what becomes of their data, and its version.
type PrivacyNotice struct {
	URL     string `json:"url"` // by https, at most MaxNoticeURL bytes of printable ASCII
	Version int32  `json:"version"`
	// Material is the newest version whose change was material, Version at most: who was told of an older one is told again.
	Material int32  `json:"material"`
	Language string `json:"language"` // one of NoticeLanguages, of guests whose number does not tell one
}

// MaxNoticeURL bounds PrivacyNotice.URL, in bytes: it goes into text messages.
const MaxNoticeURL = 200

// NoticeLanguages lists the languages that guests are told of a notice in.
func NoticeLanguages() []string { return []string{"en", "de", "es"} }

// MinGroup is how many people a group has at least that is counted: those of one to four are left out.
const MinGroup = 5

// MaxNoticeCounts bounds NoticeState.Told.
const MaxNoticeCounts = 8

// NoticeState counts the guests who were told of a notice. It names nobody.
type NoticeState struct {
	Version int32 `json:"version"` // of the notice when they were counted, within the last hour
	// Told counts them by the newest version that a message to them linked, the newest first, at most MaxNoticeCounts.
	Told []NoticeCount `json:"told,omitempty"`
	// ToTell counts guests with a conversation who were not told since the newest material change; nil for less than MinGroup, but none.
	ToTell *int64 `json:"toTell,omitempty"`
}

// NoticeCount counts guests, MinGroup of them at least.
type NoticeCount struct {
	Version int32 `json:"version"`
	Guests  int64 `json:"guests"`
}
