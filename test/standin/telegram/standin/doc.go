// Package standin stands in for Telegram's Bot API in tests: the methods that a connector
// calls, and the webhooks with which Telegram brings updates. It is as strict as Telegram
// documents its own to be, and refuses besides what Telegram would pass over: parameters
// that a method does not have.
//
//	POST /bot{token}/getMe             whose token it is
//	POST /bot{token}/setWebhook        where updates go
//	POST /bot{token}/deleteWebhook     nowhere any more
//	POST /bot{token}/getWebhookInfo    where they go now; the secret is not told
//	POST /bot{token}/sendMessage       sends a text
//
// Tests control it by its methods. The client and the webhook's handler of
// github.com/go-telegram/bot judge it.
package standin
