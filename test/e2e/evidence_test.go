package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// audited is what the plugin says with -o json.
type audited struct {
	OK            bool
	Statements    int
	Receipts      int64
	Keys          []string
	Countersigned struct {
		Sequence int64
		Digest   string
	}
	Findings []struct{ Code string }
}

var _ = Describe("An auditor checks the evidence without trusting the operator or the database", Label("evidence"), Ordered, func() {
	var plugin, folder string
	var shown *v1alpha1.Evidence

	BeforeAll(func(ctx SpecContext) {
		plugin = buildPlugin(ctx)
		folder = filepath.Join(GinkgoT().TempDir(), "evidence")
	}, NodeTimeout(3*time.Minute))

	// verify runs the plugin and gives its exit code.
	verify := func(ctx context.Context, args ...string) (audited, int) {
		GinkgoHelper()
		return verifyEvidence(ctx, plugin, berlin.tenant, args...)
	}

	It("a run's receipt is countersigned, and the tenant shows it", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		sequence := policyOf(ctx, berlin).Status.Sequence
		runRetention(ctx, berlin, "evidence")
		done := nextRun(ctx, berlin, sequence, time.Minute)
		Eventually(ctx, func(g Gomega) {
			shown = berlin.get(ctx).Status.Evidence
			g.Expect(shown).NotTo(BeNil())
			g.Expect(shown.Sequence).To(BeNumerically(">=", done.Sequence))
		}).WithTimeout(30 * time.Second).WithPolling(200 * time.Millisecond).Should(Succeed())
		if shown.Sequence == done.Sequence {
			Expect(shown.Digest).To(Equal(done.Digest))
		}
	})

	It("receipts, ledger and signatures agree in the cluster", SpecTimeout(time.Minute), func(ctx SpecContext) {
		report, code := verify(ctx, "--export", folder)
		Expect(code).To(BeZero(), "%+v", report)
		Expect(report.OK).To(BeTrue())
		Expect(report.Receipts).To(BeNumerically(">=", shown.Sequence))
		Expect(report.Countersigned.Sequence).To(BeNumerically(">=", shown.Sequence))
		Expect(report.Keys).To(ContainElement(shown.KeyID))
	})

	It("and offline; what was cut off or edited is found", SpecTimeout(time.Minute), func(ctx SpecContext) {
		offline := func(receipts string) (audited, int) {
			return verify(ctx, "--kubeconfig", "/nowhere", "--ledger", filepath.Join(folder, "ledger.jsonl"), "--keys", filepath.Join(folder, "keys.pem"), "--receipts", receipts)
		}
		original := filepath.Join(folder, "receipts.jsonl")
		_, code := offline(original)
		Expect(code).To(BeZero())
		content, err := os.ReadFile(original)
		Expect(err).NotTo(HaveOccurred())
		lines := strings.SplitAfter(strings.TrimRight(string(content), "\n"), "\n")
		for _, tampered := range []struct{ what, content, code string }{
			{"the newest is cut off", strings.Join(lines[:len(lines)-1], ""), "HeadTruncated"},
			{"a time is changed", strings.Replace(string(content), `\"startedAt\":\"2`, `\"startedAt\":\"3`, 1), "Edited"},
		} {
			By(tampered.what)
			file := filepath.Join(GinkgoT().TempDir(), "receipts.jsonl")
			Expect(os.WriteFile(file, []byte(tampered.content), 0o600)).To(Succeed())
			report, code := offline(file)
			Expect(code).To(Equal(1))
			Expect(report.Findings).To(ContainElement(HaveField("Code", tampered.code)))
		}
	})
})

// buildPlugin gives the path of kubectl-switchboard.
func buildPlugin(ctx context.Context) string {
	GinkgoHelper()
	plugin := filepath.Join(GinkgoT().TempDir(), "kubectl-switchboard")
	build := exec.CommandContext(ctx, "go", "build", "-o", plugin, "./cmd/kubectl-switchboard")
	build.Dir = root
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return plugin
}

// verifyEvidence runs the plugin's audit of a tenant and gives its exit code.
func verifyEvidence(ctx context.Context, plugin, tenant string, args ...string) (audited, int) {
	GinkgoHelper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, plugin, append([]string{"audit", "verify", tenant, "-o", "json"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	code := 0
	var ended *exec.ExitError
	if err := cmd.Run(); errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		Expect(err).NotTo(HaveOccurred())
	}
	var report audited
	Expect(json.Unmarshal(out.Bytes(), &report)).To(Succeed(), "%s%s", &out, &errs)
	return report, code
}
