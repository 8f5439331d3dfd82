package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
)

var _ = Describe("Promise 9: bad resources get a clear answer, and the rest goes on", Label("refusals"), func() {
	DescribeTable("the API server refuses, and says what to do",
		func(ctx SpecContext, manifest string, say string) {
			manifest = strings.ReplaceAll(manifest, "NAMESPACE", berlin.namespace())
			_, err := c.Run(ctx, []byte(manifest), "apply", "--server-side", "-f", "-")
			Expect(err).To(MatchError(ContainSubstring(say)))
		},
		Entry("retainDays 0", SpecTimeout(20*time.Second), policyManifest("zero", "@daily", 0), "whole number of days from 1"),
		Entry("retainDays -1", SpecTimeout(20*time.Second), policyManifest("negative", "@daily", -1), "whole number of days from 1"),
		Entry("retainDays beyond the region's bounds", SpecTimeout(20*time.Second), policyManifest("too-long", "@daily", 731), "allows 730 at most"),
		Entry("retainDays below the region's bounds", SpecTimeout(20*time.Second), policyManifest("too-short", "@daily", 1), "demands 7 at least"),
		Entry("a cron that can't be one", SpecTimeout(20*time.Second), policyManifest("cron", "every day", 90), "use cron with five fields"),
		Entry("a tenant's name of 41 letters", SpecTimeout(20*time.Second), tenantManifest(strings.Repeat("a", 41), regionEU, ""), "at most 40"),
		Entry("a tenant's name in capitals", SpecTimeout(20*time.Second), tenantManifest("Hotel", regionEU, ""), "lower"),
		Entry("a namespace of Kubernetes", SpecTimeout(20*time.Second), tenantManifest("e2e-kube", regionEU, "kube-system"), "can't live in"),
		Entry("a channel's name of 41 letters", SpecTimeout(20*time.Second), channelManifest(strings.Repeat("b", 41), "twilio", "twilio"), "at most 40"),
		Entry("a number that is not E.164", SpecTimeout(20*time.Second),
			strings.ReplaceAll(channelManifest("number", "twilio", "twilio"), "+493023125177", "030 23125177"), "E.164"),
	)

	It("what refuses them goes with the types: the API server has nothing to warn of", SpecTimeout(time.Minute), func(ctx SpecContext) {
		Expect(cluster.Until(ctx, 30*time.Second, "type checking", func(ctx context.Context) error {
			policies := &admissionv1.ValidatingAdmissionPolicyList{}
			if err := c.List(ctx, policies); err != nil {
				return err
			}
			looked := 0
			for _, p := range policies.Items {
				if !strings.HasPrefix(p.Name, "switchboard-") {
					continue
				}
				looked++
				if p.Status.ObservedGeneration != p.Generation || p.Status.TypeChecking == nil {
					return fmt.Errorf("policy %s was not checked yet", p.Name)
				}
				if w := p.Status.TypeChecking.ExpressionWarnings; len(w) > 0 {
					return fmt.Errorf("policy %s: %v", p.Name, w)
				}
			}
			if looked < 11 {
				return fmt.Errorf("there are %d policies", looked)
			}
			return nil
		})).To(Succeed())
	})

	It("a region can't change while data lives in it", SpecTimeout(20*time.Second), func(ctx SpecContext) {
		_, err := c.Run(ctx, nil, "patch", "tenant", berlin.tenant, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"region":%q}}`, regionUS))
		Expect(err).To(MatchError(ContainSubstring("region can't change")))
	})

	DescribeTable("the operator says so in a condition, and makes nothing of it",
		func(ctx SpecContext, kind, name, manifest, reason, say string) {
			manifest = strings.ReplaceAll(manifest, "NAMESPACE", berlin.namespace())
			manifest = strings.ReplaceAll(manifest, "BOSTON", boston.namespace())
			Expect(c.ApplyYAML(ctx, manifest)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) {
				_, err := c.Run(ctx, []byte(manifest), "delete", "--ignore-not-found", "--timeout=60s", "-f", "-")
				Expect(err).NotTo(HaveOccurred())
			}, NodeTimeout(90*time.Second))
			Expect(cluster.Until(ctx, 20*time.Second, "a condition with reason "+reason, func(ctx context.Context) error {
				conditions, err := conditionsOf(ctx, kind, name)
				if err != nil {
					return err
				}
				ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
				if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != reason || !strings.Contains(ready.Message, say) {
					return fmt.Errorf("want Ready False, %s, with %q; have %+v", reason, say, ready)
				}
				return nil
			})).To(Succeed())
		},
		Entry("a region that does not exist", SpecTimeout(3*time.Minute), "Tenant", "e2e-nowhere",
			tenantManifest("e2e-nowhere", "atlantis", ""), v1alpha1.ReasonRegionNotFound, "atlantis"),
		Entry("the namespace of another tenant", SpecTimeout(3*time.Minute), "Tenant", "e2e-intruder",
			tenantManifest("e2e-intruder", regionUS, "BOSTON"), v1alpha1.ReasonNamespaceOfOtherTenant, "name another namespace"),
		Entry("a namespace that nobody offered", SpecTimeout(3*time.Minute), "Tenant", "e2e-squatter",
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: e2e-unlabelled}\n---\n"+tenantManifest("e2e-squatter", regionUS, "e2e-unlabelled"),
			v1alpha1.ReasonNamespaceNotAdoptable, "label"),
		Entry("a cron of the right shape that does not parse", SpecTimeout(3*time.Minute), "RetentionPolicy", "wrong-hour",
			policyManifest("wrong-hour", "0 25 * * *", 90), v1alpha1.ReasonInvalidSchedule, "25"),
		Entry("a Secret that is missing", SpecTimeout(3*time.Minute), "Channel", "no-secret",
			channelManifest("no-secret", "twilio", "nowhere"), v1alpha1.ReasonSecretMissing, "nowhere"),
		Entry("a sub-processor that is not in the register", SpecTimeout(3*time.Minute), "Channel", "unknown",
			channelManifest("unknown", "carrier-pigeon", "twilio"), v1alpha1.ReasonSubProcessorNotRegistered, "carrier-pigeon"),
	)

	It("names at the length limit work", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		long := newClient("long", regionEU)
		long.tenant = "e2e-" + strings.Repeat("x", 40-4-len(run)) + run
		long.hostname = "messages.long.example"
		watched = append(watched, long.namespace())
		Expect(standin.AddAccount(ctx, long.sid, long.token)).To(Succeed())
		longest := strings.Repeat("y", 40)
		long.policy = strings.Repeat("z", 40)
		Expect(c.ApplyYAML(ctx, long.manifests()+long.channel(longest, "+493023125178"))).To(Succeed())
		long.awaitReady(ctx)
		runRetention(ctx, long, "long")
		erase(ctx, long.tenant)
	})

	It("the rest went on: both tenants are Ready all the time", SpecTimeout(30*time.Second), func(ctx SpecContext) {
		berlin.awaitReady(ctx)
		boston.awaitReady(ctx)
	})
})

func tenantManifest(name, region, namespace string) string {
	if namespace != "" {
		namespace = ", namespace: " + namespace
	}
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Tenant
metadata: {name: %s}
spec: {region: %s, hostname: messages.refused.example, deletionPolicy: Retain%s}
`, name, region, namespace)
}

func policyManifest(name, schedule string, days int) string {
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: %s, namespace: NAMESPACE}
spec:
  schedule: %q
  rules: [{category: Messages, retainDays: %d}]
`, name, schedule, days)
}

func channelManifest(name, subProcessor, secret string) string {
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: %s, namespace: NAMESPACE}
spec:
  type: TwilioSMS
  subProcessor: %s
  twilioSMS:
    accountSID: AC00000000000000000000000000000e2e
    credentialsSecretRef: {name: %s}
    from: "+493023125177"
`, name, subProcessor, secret)
}

// conditionsOf reads the conditions of an object: a Tenant, or one in Berlin's namespace.
func conditionsOf(ctx context.Context, kind, name string) ([]metav1.Condition, error) {
	key := crclient.ObjectKey{Namespace: berlin.namespace(), Name: name}
	switch kind {
	case "Tenant":
		o := &v1alpha1.Tenant{}
		err := c.Get(ctx, crclient.ObjectKey{Name: name}, o)
		return o.Status.Conditions, err
	case "Channel":
		o := &v1alpha1.Channel{}
		err := c.Get(ctx, key, o)
		return o.Status.Conditions, err
	case "RetentionPolicy":
		o := &v1alpha1.RetentionPolicy{}
		err := c.Get(ctx, key, o)
		return o.Status.Conditions, err
	}
	return nil, fmt.Errorf("no kind %s", kind)
}
