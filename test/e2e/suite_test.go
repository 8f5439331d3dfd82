// Package e2e shows on a real cluster, as a black box, that what Switchboard promises holds.
// One file per promise. The cluster is the one of KUBECONFIG; the images of operator,
// instance, stand-in and database must be on its nodes (`make e2e` sees to that).
package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	// The promises stand on their own: their order is drawn from the seed.
	RunSpecs(t, "Switchboard end to end", suite, reporter)
}

// root of the repository, as seen from this package.
const root = "../.."

// What every promise stands on: one cluster, one stand-in, two tenants in two regions.
var (
	c       *cluster.Cluster
	standin *fixture.Standin
	berlin  *client
	boston  *client

	// run makes the names of this run its own, so that nothing left behind by another counts.
	run = fmt.Sprintf("%05x", time.Now().Unix()&0xfffff)
	// namespaces whose state is shown when something fails.
	watched = []string{fixture.OperatorNamespace, fixture.StandinNamespace}
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	c, err = cluster.Open()
	Expect(err).NotTo(HaveOccurred())

	By("installing the operator from config/default")
	Expect(fixture.InstallOperator(ctx, c, root)).To(Succeed())
	By("laying a hand on every node")
	Expect(c.LayHands(ctx, fixture.PostgresImage())).To(Succeed())
	By("starting the stand-in for the SMS provider")
	standin, err = fixture.StartStandin(ctx, c)
	Expect(err).NotTo(HaveOccurred())
	By("applying two regions and a client in each")
	Expect(c.ApplyYAML(ctx, regions())).To(Succeed())
	berlin = newClient("berlin", regionEU, "+493023125100", "+493023125101")
	boston = newClient("boston", regionUS, "+16175550100", "+16175550101")
	for _, cl := range []*client{berlin, boston} {
		cl.apply(ctx)
	}
	for _, cl := range []*client{berlin, boston} {
		cl.awaitReady(ctx)
		Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
	}
}, NodeTimeout(6*time.Minute))

var _ = AfterSuite(func(ctx SpecContext) {
	if c == nil {
		return
	}
	if os.Getenv("E2E_KEEP") != "" {
		GinkgoWriter.Println("E2E_KEEP is set: the tenants of run", run, "stay")
		return
	}
	eraseEverything(ctx)
}, NodeTimeout(4*time.Minute))

// A failure shows the resources, pods, events and logs that one would look at first.
// Before anything is taken away: what a failed promise left is what explains it.
var _ = JustAfterEach(func(ctx SpecContext) {
	report := CurrentSpecReport()
	if !report.Failed() || c == nil {
		return
	}
	file, err := os.CreateTemp("", "switchboard-e2e-*.txt")
	if err != nil {
		fmt.Println("no place for what the cluster looked like:", err)
		return
	}
	defer func() { _ = file.Close() }()
	c.Dump(ctx, file, watched...)
	fmt.Printf("\n%s failed; what the cluster looked like then: %s\n", report.LeafNodeText, file.Name())
}, NodeTimeout(time.Minute))

// The whole of BeforeSuite failing is worth a look, too.
var _ = ReportAfterSuite("what was set up", func(report Report) {
	fmt.Printf("run %s, seed %d: %d promises in %s\n", run, report.SuiteConfig.RandomSeed, len(report.SpecReports), report.RunTime.Round(time.Second))
})
