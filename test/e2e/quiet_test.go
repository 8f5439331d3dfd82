package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/audit"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// quietFor is how long nothing may be written.
const quietFor = 2 * time.Minute

var _ = Describe("Promise 10: with nothing to do, the operator writes nothing", Label("quiet"), func() {
	It("makes zero write calls in 2 minutes, counted at the API server", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		By("letting both tenants settle")
		berlin.awaitReady(ctx)
		boston.awaitReady(ctx)
		for _, cl := range []*client{berlin, boston} { // a probe of the network takes longer than they do
			Eventually(func() any { return cl.get(ctx).Status.Network }).WithContext(ctx).WithTimeout(90*time.Second).ShouldNot(BeNil(), "no probe has told of "+cl.tenant)
		}
		Eventually(func() ([]audit.Event, error) {
			now := time.Now()
			return writes(now.Add(-15*time.Second), now)
		}).WithContext(ctx).WithTimeout(90*time.Second).WithPolling(3*time.Second).Should(BeEmpty(), "15 s without a write, to begin with")

		By("watching for " + quietFor.String())
		from := time.Now()
		timer := time.NewTimer(quietFor)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			Fail("interrupted")
		case <-timer.C:
		}
		to := time.Now()
		made, err := writes(from, to)
		Expect(err).NotTo(HaveOccurred())
		Expect(made).To(BeEmpty())

		all, err := audit.Between(fixture.OperatorUser, from, to)
		Expect(err).NotTo(HaveOccurred())
		leases := 0
		for _, e := range all {
			if isOwnLease(e) {
				leases++
			}
		}
		Expect(leases).To(BeNumerically(">", 0), "the operator's lease wasn't renewed: was it running, and is it user %s?", fixture.OperatorUser)
		AddReportEntry("writes", fmt.Sprintf("0 in %s, besides %d renewals of its own leader-election lease", to.Sub(from).Round(time.Second), leases))
	})
})

// writes gives the operator's write calls of a time, without the renewals of its own
// leader-election lease, which say that it lives and nothing about tenants.
func writes(from, to time.Time) ([]audit.Event, error) {
	all, err := audit.Between(fixture.OperatorUser, from, to)
	if err != nil {
		return nil, err
	}
	var made []audit.Event
	for _, e := range all {
		if e.IsWrite() && !isOwnLease(e) {
			made = append(made, e)
		}
	}
	return made, nil
}

func isOwnLease(e audit.Event) bool {
	return e.Object.Resource == "leases" && e.Object.Namespace == fixture.OperatorNamespace && strings.Contains(e.URI, "/leases/")
}
