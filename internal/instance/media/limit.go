package media

import (
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// mb is a million bytes: providers do not say which of the two they mean, and this is the smaller one.
const mb = 1_000_000

// What providers take of one file, in bytes:
// https://www.twilio.com/docs/messaging/guides/accepted-mime-types (of a message with all in it),
// https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types,
// https://developers.facebook.com/docs/messenger-platform/send-messages#attachment_reuse,
// https://core.telegram.org/bots/api#sending-files.
const (
	maxMMS              = 5 * mb
	maxWhatsAppImage    = 5 * mb
	maxWhatsAppFilm     = 16 * mb // sounds too
	maxWhatsAppDocument = 100 * mb
	maxMessenger        = 25 * mb
	maxTelegramDocument = 50 * mb
	// MaxTelegramPhoto is of what Telegram shows as a picture; a larger one goes as a document.
	MaxTelegramPhoto = 10 * mb
)

// Limit says how large a file of a type may be that staff send by a type of channel, in bytes; 0 where none is taken. It is
// what the provider takes, and MaxOutbound at most.
func Limit(channelType, mediaType string) int64 {
	family, _, _ := strings.Cut(mediaType, "/")
	limit := int64(0)
	switch channelType {
	case contract.ChannelTypeTwilioSMS:
		limit = maxMMS
	case contract.ChannelTypeWhatsApp:
		switch {
		case mediaType == "image/jpeg", mediaType == "image/png": // other pictures go as documents
			limit = maxWhatsAppImage
		case family == "audio", family == "video":
			limit = maxWhatsAppFilm
		default:
			limit = maxWhatsAppDocument
		}
	case contract.ChannelTypeMessenger:
		limit = maxMessenger
	case contract.ChannelTypeTelegram:
		limit = maxTelegramDocument
	case contract.ChannelTypeWebChat: // there is no provider
		limit = MaxOutbound
	}
	return min(limit, MaxOutbound)
}
