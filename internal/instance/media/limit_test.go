package media

import (
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

func TestAFileIsAsLargeAsItsProviderTakesIt(t *testing.T) {
	for of, want := range map[[2]string]int64{
		{contract.ChannelTypeTwilioSMS, "image/png"}:       5_000_000,
		{contract.ChannelTypeTwilioSMS, "application/pdf"}: 5_000_000,
		{contract.ChannelTypeWhatsApp, "image/jpeg"}:       5_000_000,
		{contract.ChannelTypeWhatsApp, "image/webp"}:       MaxOutbound,
		{contract.ChannelTypeWhatsApp, "audio/mpeg"}:       16_000_000,
		{contract.ChannelTypeWhatsApp, "video/mp4"}:        16_000_000,
		{contract.ChannelTypeWhatsApp, "application/pdf"}:  MaxOutbound,
		{contract.ChannelTypeMessenger, "video/mp4"}:       MaxOutbound,
		{contract.ChannelTypeTelegram, "image/jpeg"}:       MaxOutbound,
		{contract.ChannelTypeTelegram, "application/pdf"}:  MaxOutbound,
		{contract.ChannelTypeSMPP, "image/png"}:            0,
		{contract.ChannelTypeWebChat, "image/png"}:         MaxOutbound,
	} {
		if got := Limit(of[0], of[1]); got != want {
			t.Errorf("%v may have %d bytes, want %d", of, got, want)
		}
	}
	for _, channelType := range contract.ChannelTypes() { // none is above what is read into memory
		if got := Limit(channelType, "application/pdf"); got > MaxOutbound {
			t.Errorf("%s: %d", channelType, got)
		}
	}
}
