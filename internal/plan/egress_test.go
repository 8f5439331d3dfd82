package plan_test

import (
	"fmt"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// What a Region forbids is cut out of whatever a register opens, and an opening of which nothing is left is none.
func TestForbiddenTargetsAreCutOutOfEveryEgress(t *testing.T) {
	tenant, region, channel := &v1alpha1.Tenant{}, &v1alpha1.Region{}, &v1alpha1.Channel{}
	read(t, "testdata/usual/tenant.yaml", tenant)
	read(t, "testdata/usual/region.yaml", region)
	read(t, "testdata/usual/channel.yaml", channel)
	other := v1alpha1.Port(8080)
	region.Spec.Network.ForbiddenTargets = []v1alpha1.ForbiddenTarget{
		{Name: "metadata", Address: "169.254.169.254"}, {Name: "metadata-too", Address: "169.254.169.254", Port: &other}, {Name: "metadata-6", Address: "fd00:ec2::254"},
	}
	for name, c := range map[string]struct {
		cidrs []v1alpha1.CIDR
		want  []networkingv1.IPBlock
	}{
		"a network beside them":            {[]v1alpha1.CIDR{"168.86.128.0/18"}, []networkingv1.IPBlock{{CIDR: "168.86.128.0/18"}}},
		"everything":                       {[]v1alpha1.CIDR{"0.0.0.0/0"}, []networkingv1.IPBlock{{CIDR: "0.0.0.0/0", Except: []string{"169.254.169.254/32"}}}},
		"everything of IPv6":               {[]v1alpha1.CIDR{"::/0"}, []networkingv1.IPBlock{{CIDR: "::/0", Except: []string{"fd00:ec2::254/128"}}}},
		"the target and a network":         {[]v1alpha1.CIDR{"169.254.169.254/32", "192.0.2.0/24"}, []networkingv1.IPBlock{{CIDR: "192.0.2.0/24"}}},
		"the target alone opens nothing":   {[]v1alpha1.CIDR{"169.254.169.254/32"}, nil},
		"the smallest network of a target": {[]v1alpha1.CIDR{"169.254.169.254/31"}, []networkingv1.IPBlock{{CIDR: "169.254.169.254/31", Except: []string{"169.254.169.254/32"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := plan.Connector(plan.Tenant{Tenant: tenant, Region: region}, channel, v1alpha1.SubProcessor{Egress: &v1alpha1.Egress{CIDRs: c.cidrs}})
			policy, ok := objects[0].(*networkingv1.NetworkPolicy)
			if !ok {
				t.Fatalf("the first object is a %T", objects[0])
			}
			var got []networkingv1.IPBlock
			for _, rule := range policy.Spec.Egress {
				if len(rule.To) == 0 {
					t.Error("a rule leads everywhere")
				}
				for _, peer := range rule.To {
					if peer.IPBlock != nil {
						got = append(got, *peer.IPBlock)
					}
				}
			}
			if !slices.EqualFunc(got, c.want, func(a, b networkingv1.IPBlock) bool { return a.CIDR == b.CIDR && slices.Equal(a.Except, b.Except) }) {
				t.Errorf("opens %v, want %v", got, c.want)
			}
		})
	}
}

// Of many tenants, whom each one's probe tries is asked for on every change of a Service.
func TestNeighboursOfManyTenants(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf("hotel-%04d", i*7919%1000))
	}
	by := map[string][]string{}
	for _, tenant := range all {
		for _, tried := range plan.Neighbours(tenant, all) {
			by[tried] = append(by[tried], tenant)
		}
	}
	for _, tenant := range all {
		slices.Sort(by[tenant])
		if got := plan.NeighboursOf(tenant, all); !slices.Equal(got, by[tenant]) {
			t.Fatalf("%s is tried by %v, and NeighboursOf says %v", tenant, by[tenant], got)
		}
	}
}

// A tenant is probed against the next three of a ring, so that one that comes or goes concerns three others.
func TestNeighboursAreARing(t *testing.T) {
	all := []string{"e", "b", "a", "d", "c"}
	for tenant, want := range map[string][]string{
		"a": {"b", "c", "d"}, "d": {"e", "a", "b"}, "e": {"a", "b", "c"}, "bb": {"c", "d", "e"}, "z": {"a", "b", "c"},
	} {
		if got := plan.Neighbours(tenant, all); !slices.Equal(got, want) {
			t.Errorf("%s has the neighbours %v, want %v", tenant, got, want)
		}
	}
	if got := plan.Neighbours("a", []string{"a"}); len(got) != 0 {
		t.Errorf("alone, it has the neighbours %v", got)
	}
	if got := plan.Neighbours("b", []string{"a", "b"}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("of two, it has the neighbours %v", got)
	}
	for _, tenant := range []string{"a", "c", "new"} {
		of := plan.NeighboursOf(tenant, all)
		for _, t2 := range append(slices.Clone(all), tenant) {
			tries := slices.Contains(plan.Neighbours(t2, append(slices.Clone(all), tenant)), tenant)
			if tries != slices.Contains(of, t2) {
				t.Errorf("%s tries %s: %t, and NeighboursOf says %v", t2, tenant, tries, of)
			}
		}
		if slices.Contains(of, tenant) || len(of) != 3 {
			t.Errorf("%s is tried by %v", tenant, of)
		}
	}
}
