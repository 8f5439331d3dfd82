package hostnet

import (
	"strings"
	"testing"
)

func TestWithoutOurs(t *testing.T) {
	saved := `*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:DOCKER - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:SWB-POLICY-E-10.88.1.2 - [0:0]
:CNI-OTHER - [0:0]
[1:60] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -j KUBE-SVC-NPX46M4PTMTKRN6Y
[0:0] -A CNI-HOSTPORT-DNAT -p tcp -j CNI-DN-abc
[0:0] -A FORWARD -j SWB-POLICY
[0:0] -A FORWARD -s 10.88.0.0/16 -m comment --comment switchboard-localcluster -j ACCEPT
COMMIT
`
	want := `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:CNI-OTHER - [0:0]
[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
`
	rest, dropped := withoutOurs(saved)
	if rest != want || dropped != 8 {
		t.Errorf("dropped %d lines and kept:\n%s", dropped, rest)
	}
	if again, dropped := withoutOurs(rest); again != rest || dropped != 0 {
		t.Errorf("a clean table lost %d lines", dropped)
	}
	if !strings.Contains(rest, "DOCKER") {
		t.Error("somebody else's rule is gone")
	}
}
