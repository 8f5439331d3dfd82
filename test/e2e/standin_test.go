package e2e

import (
	"context"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// sentTo gives the messages that the provider took for a guest, the oldest first.
func sentTo(ctx context.Context, number string) []fixture.Sent {
	GinkgoHelper()
	sent, err := standin.SentTo(ctx, number)
	Expect(err).NotTo(HaveOccurred())
	return sent
}

// eventuallySent waits until the provider took n messages for a guest.
func eventuallySent(ctx context.Context, number string, n int) {
	GinkgoHelper()
	Eventually(func() int { return len(sentTo(ctx, number)) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(n))
}

// attemptsTo gives every request to send to a guest, whatever came of it.
func attemptsTo(ctx context.Context, number string) []fixture.Attempt {
	GinkgoHelper()
	calls, err := standin.Attempts(ctx, number)
	Expect(err).NotTo(HaveOccurred())
	return calls
}

// lookupsOf gives every question whether a guest's messages were sent.
func lookupsOf(ctx context.Context, number string) []fixture.Lookup {
	GinkgoHelper()
	calls, err := standin.Lookups(ctx, number)
	Expect(err).NotTo(HaveOccurred())
	return calls
}

// statusForm is a delivery status as the provider posts it.
func statusForm(line *guest.Line, sid, to, status string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "AccountSid": {line.AccountSID}, "From": {line.Number}, "To": {to},
		"MessageStatus": {status}, "SmsStatus": {status}, "ApiVersion": {"2010-04-01"},
	}
}
