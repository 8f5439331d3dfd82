package plan

import (
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestTheWayToACollectorIsItsNamespaceAndPort(t *testing.T) {
	for endpoint, want := range map[string]struct {
		namespace string
		port      int32
	}{
		"http://otel-collector.observability.svc:4318":               {"observability", 4318},
		"https://otel-collector.observability.svc.cluster.local:443": {"observability", 443},
		"http://collector.example.com:4318":                          {}, // outside of the cluster
		"http://otel-collector.observability.svc":                    {}, // any port
		"http://otel-collector.observability.svc:70000":              {},
		"::": {},
	} {
		in := Tenant{Tenant: &v1alpha1.Tenant{}, Region: &v1alpha1.Region{Spec: v1alpha1.RegionSpec{Tracing: &v1alpha1.Tracing{Endpoint: endpoint}}}}
		egress := tracingPolicy(in).Spec.Egress
		if want.namespace == "" {
			if len(egress) > 0 {
				t.Errorf("%s opens %v", endpoint, egress)
			}
			continue
		}
		if len(egress) != 1 || len(egress[0].To) != 1 || len(egress[0].Ports) != 1 {
			t.Fatalf("%s opens %v", endpoint, egress)
		}
		if got := egress[0].To[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]; got != want.namespace || egress[0].Ports[0].Port.IntVal != want.port {
			t.Errorf("%s opens %s, port %s", endpoint, got, egress[0].Ports[0].Port)
		}
	}
}
