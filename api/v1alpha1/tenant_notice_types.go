package v1alpha1

// NoticeLanguage is a language of the line that tells a guest of the privacy notice.
//
// +kubebuilder:validation:Enum=en;de;es
type NoticeLanguage string

// PrivacyNotice is the page that tells guests what becomes of their data, and its version.
//
// +kubebuilder:validation:XValidation:rule="!has(self.materialVersion) || self.materialVersion <= self.version",message="materialVersion is the newest version whose change was material: it can't be above version"
// +kubebuilder:validation:XValidation:rule="self.version >= oldSelf.version",message="version can't go back: guests who were told of a newer one would count as told of this one. Publish the old text as a version of a higher number"
type PrivacyNotice struct {
	// url of the page, by https. It goes into messages, so keep it short. Example: https://hotel-berlin.example/privacy.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && self.matches('^[!-~]+$')",message="use the address of a page by https in ASCII characters, as in https://hotel-berlin.example/privacy"
	URL string `json:"url"`

	// version of the text there; a later one has a higher number. Example: 3.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99999999
	Version int32 `json:"version"`

	// materialVersion is the newest version whose change was material: guests who were told of an older one are told again, by the next
	// message that they are sent. Leave it where it is when a new version corrects the text only. Default: version, so that every
	// change is announced. Example: 2.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99999999
	MaterialVersion int32 `json:"materialVersion,omitempty"`

	// language of the line, for guests whose phone number does not tell one. Default: en.
	// +optional
	Language NoticeLanguage `json:"language,omitempty"`
}

// NoticeStatus counts the guests who were told of the privacy notice. It names nobody, and groups of one to four are left out.
type NoticeStatus struct {
	// version of the notice when they were counted: once an hour.
	// +required
	Version int32 `json:"version"`
	// told counts the guests by the newest version that a message to them linked, the newest first, at most 8.
	// +optional
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MaxItems=8
	Told []NoticeCount `json:"told,omitempty"`
	// toTell counts the guests with a conversation who were not told since the newest material change; absent when they are one to four.
	// +optional
	ToTell *int64 `json:"toTell,omitempty"`
}

// NoticeCount counts guests.
type NoticeCount struct {
	// version that they were told of.
	// +required
	Version int32 `json:"version"`
	// guests of it: five or more.
	// +required
	Guests int64 `json:"guests"`
}
