package optout

// Answer gives the text that confirms a command: Twilio's own, word for word
// (help.twilio.com, "Twilio support for opt-out keywords"). It is not marketing,
// and the only message that may follow a STOP (47 CFR 64.1200(a)(12)).
func Answer(c Command) string {
	switch c {
	case Stop:
		return "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe."
	case Start:
		return "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply."
	case Help:
		return "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
	default:
		return ""
	}
}
