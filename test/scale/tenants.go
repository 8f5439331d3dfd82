package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// regions are where the simulated nodes are; tenants take turns.
var regions = []string{"eu-central", "us-east"}

func tenantName(i int) string       { return fmt.Sprintf("hotel-%04d", i) }
func channelName(i int) string      { return fmt.Sprintf("desk-%d", i+1) }
func regionOf(i int) string         { return regions[i%len(regions)] }
func nodeName(region, i int) string { return fmt.Sprintf("%s-%02d", regions[region], i+1) }

// never is a schedule that comes up in no run: night jobs of all tenants at once are another figure.
const never = "0 0 29 2 *"

// makeNodes makes the simulated nodes of both regions.
func makeNodes(ctx context.Context, c client.Client, perRegion int) error {
	for r, region := range regions {
		for i := range perRegion {
			n := nodeName(r, i)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n, Labels: map[string]string{
				corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: region + "-a", corev1.LabelHostname: n, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
			}}}
			if err := c.Create(ctx, node); err != nil {
				return fmt.Errorf("making node %s: %w", n, err)
			}
		}
	}
	return nil
}

// makeRegions makes the Regions, as those of config/samples are.
func makeRegions(ctx context.Context, c client.Client) error {
	for r, region := range regions {
		rules := []v1alpha1.RetentionRule{}
		for _, category := range []v1alpha1.Category{"Messages", "MessageMetadata", "Contacts", "AccessLogs", "StaffAccounts", "WebChatSessions", "IntegrationData", "Testimonials"} {
			rules = append(rules, v1alpha1.RetentionRule{Category: category, RetainDays: 90})
		}
		o := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: region}, Spec: v1alpha1.RegionSpec{
			Jurisdiction: []string{"EU", "US"}[r], StorageClassName: "local-" + region,
			SubProcessors: []v1alpha1.SubProcessor{{
				Name: "twilio", Purpose: "delivery of text messages", Location: "US", TransferMechanism: "EU-US Data Privacy Framework",
				Egress: &v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"0.0.0.0/0"}, Ports: []v1alpha1.Port{443}},
			}},
			DefaultRetention: &v1alpha1.DefaultRetention{Schedule: never, Rules: rules},
		}}
		if err := c.Create(ctx, o); err != nil {
			return fmt.Errorf("making Region %s: %w", region, err)
		}
	}
	return nil
}

// tenantObjects are the folder of a client: namespace, Tenant, Secret, Channels and policies.
func tenantObjects(i, channels, policies int) []client.Object {
	tenant := tenantName(i)
	namespace := name.Namespace(tenant)
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{v1alpha1.LabelTenant: tenant}}},
		&v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenant}, Spec: v1alpha1.TenantSpec{
			DisplayName: "Hotel " + tenant, Region: regionOf(i), Hostname: tenant + ".example",
		}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "twilio", Namespace: namespace}, StringData: map[string]string{"authToken": "not-a-token"}},
	}
	for c := range channels {
		objects = append(objects, &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: channelName(c), Namespace: namespace}, Spec: v1alpha1.ChannelSpec{
			Type: "TwilioSMS", SubProcessor: "twilio",
			TwilioSMS: &v1alpha1.TwilioSMS{
				AccountSID: "AC00000000000000000000000000000be1", CredentialsSecretRef: v1alpha1.SecretReference{Name: "twilio"}, From: fmt.Sprintf("+4930%05d%02d", i, c),
			},
		}})
	}
	categories := []v1alpha1.Category{"Messages", "MessageMetadata", "Contacts", "AccessLogs"}
	for p := range policies {
		o := &v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%d", p+1), Namespace: namespace}, Spec: v1alpha1.RetentionPolicySpec{Schedule: never}}
		for k := p; k < len(categories); k += policies {
			o.Spec.Rules = append(o.Spec.Rules, v1alpha1.RetentionRule{Category: categories[k], RetainDays: 60, LegalBasis: "Art. 6(1)(b) GDPR"})
		}
		objects = append(objects, o)
	}
	return objects
}

// inParallel does n things, so many at a time, and ends at the first that fails.
func inParallel(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, n) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// applyTenants applies the folders of tenants, each in its order.
func applyTenants(ctx context.Context, c client.Client, from, to, channels, policies int) error {
	return inParallel(ctx, to-from, 8, func(ctx context.Context, i int) error {
		for _, o := range tenantObjects(from+i, channels, policies) {
			if err := c.Create(ctx, o); err != nil {
				return fmt.Errorf("applying %T of %s: %w", o, tenantName(from+i), err)
			}
		}
		return nil
	})
}
