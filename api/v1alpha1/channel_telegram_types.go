package v1alpha1

// Telegram is the client's side of a Telegram bot.
type Telegram struct {
	// username of the bot, without the @. A token of another bot is refused. Example: hotel_berlin_bot.
	// +required
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_]*$')",message="use the bot's username as BotFather shows it, without the @, as in hotel_berlin_bot"
	Username string `json:"username"`

	// credentialsSecretRef names a Secret in this namespace with two keys: botToken, which BotFather gives; secretToken, a word of your
	// own of 16 to 256 letters, digits, hyphens and underscores, by which Telegram proves itself. The connector tells it to Telegram.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`

	// apiBaseURL is the origin of the Bot API, by https. Default: https://api.telegram.org.
	// Example: https://api.telegram.org.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",message="use an https origin without a path, as in https://api.telegram.org"
	APIBaseURL string `json:"apiBaseURL,omitempty"`

	// caBundle is PEM: the authorities that may have signed the API's certificate, instead of the public ones.
	// Default: the public authorities. For a Bot API server or gateway of your own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
}
