// Package standin stands in for Twilio's Programmable Messaging API in tests: as
// strict about credentials, forms and numbers, with the same documents and error
// codes, and with webhooks signed as Twilio signs them.
//
// # Twilio's side
//
//	GET  /2010-04-01/Accounts/{AccountSid}.json                 the account
//	POST /2010-04-01/Accounts/{AccountSid}/Messages.json        send
//	GET  /2010-04-01/Accounts/{AccountSid}/Messages.json        list, newest first (To, From, DateSent, PageSize)
//	GET  /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json  one
//	GET  /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}/Media/{Sid}  a file, by way of an address that is over after 4 hours
//
// An accepted message with a StatusCallback is then reported as sent and as
// delivered. A callback goes to the address that the host's route names; a host
// without one is not called. As at Twilio, a callback is tried a second time if no
// connection could be made, and not after an answer; an Outcome can ask for more.
//
// # The tests' side: /control, JSON in and out, no credentials
//
//	POST /control/accounts  Account          adds an account, or replaces it
//	POST /control/routes    Route            where a host of callbacks and webhooks really is
//	POST /control/faults    Fault            what the next requests meet
//	POST /control/outcomes  Outcome          what callbacks will say of messages to a number
//	POST /control/optouts   OptOut           blocks a number as Twilio does after STOP
//	POST /control/inbound   Inbound          signs and delivers a guest's message; answers Delivered;
//	                                         a STOP blocks, a START unblocks the sender written to
//	POST /control/reset     (no body)        forgets all but accounts and routes, ends callbacks under way
//	GET  /control/messages?to=NUMBER         []Message: what was accepted, oldest first
//	GET  /control/counts?to=NUMBER           {body: how many were accepted}
//	GET  /control/attempts?to=NUMBER         []Attempt: every POST that passed the credentials
//	GET  /control/lookups?to=NUMBER          []Lookup: every GET of the list
//	GET  /control/callbacks?to=NUMBER        []Callback: every try to report, and the answer
//
// Without ?to= the lists are of all numbers. Success is 200, or 204 without a
// body; a mistake is 400 with a sentence.
//
// For example, accept the next message to a guest but let the client time out:
//
//	curl -d '{"to":"+4915112345678","accept":true,"answer":"hang"}' https://…/control/faults
//
// Deliver its receipts in the wrong order, and one of them twice:
//
//	curl -d '{"to":"+4915112345678","statuses":["delivered","sent","delivered"]}' https://…/control/outcomes
package standin
