package e2e

import (
	"fmt"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	metadataAddress = "169.254.169.254"
	outsideHost     = "swb-outside" // its network namespace
	outsideDevice   = "swb-outside0"
	outsideTable    = "16925" // of routes, for packets of pods alone
	podNetwork      = "10.88.0.0/16"
)

// machine runs a script as root on the machine of the local cluster, whose first node it is.
func machine(ctx SpecContext, script string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, "sh", "-ec", script).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s\n%s", script, out)
	return string(out)
}

// outsideHosts makes a host in a network namespace of this machine that stands for a cloud's metadata, and answers at port 80. Packets of
// pods to that address go there and nowhere else: when the host has gone, into a black hole. The machine's own packets go where they went.
func outsideHosts(ctx SpecContext) {
	GinkgoHelper()
	remove := fmt.Sprintf(`
ip netns pids %[1]s 2>/dev/null | xargs -r kill 2>/dev/null || true
ip netns delete %[1]s 2>/dev/null || true
ip link delete %[2]s 2>/dev/null || true`, outsideHost, outsideDevice)
	machine(ctx, remove+fmt.Sprintf(`
ip route replace blackhole %[1]s/32 metric 1000 table %[2]s
while ip rule delete from %[3]s to %[1]s lookup %[2]s 2>/dev/null; do :; done
ip rule add from %[3]s to %[1]s lookup %[2]s priority 100
ip netns add %[4]s
ip link add %[5]s type veth peer name eth0 netns %[4]s
ip address add 198.51.100.1/30 dev %[5]s
ip link set %[5]s up
ip -n %[4]s link set lo up
ip -n %[4]s address add %[1]s/32 dev lo
ip -n %[4]s address add 198.51.100.2/30 dev eth0
ip -n %[4]s link set eth0 up
ip -n %[4]s route add default via 198.51.100.1
ip route replace %[1]s/32 via 198.51.100.2 dev %[5]s metric 10 table %[2]s`, metadataAddress, outsideTable, podNetwork, outsideHost, outsideDevice))
	DeferCleanup(func(ctx SpecContext) {
		machine(ctx, remove+fmt.Sprintf(`
ip rule delete from %[3]s to %[1]s lookup %[2]s
ip route flush table %[2]s`, metadataAddress, outsideTable, podNetwork))
	})
	server := exec.Command("nsenter", "--net=/run/netns/"+outsideHost, "--", "perl", "-MIO::Socket::INET", "-e",
		`my $s = IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => 80, Listen => 64, ReuseAddr => 1) or die "$@"; print "listening\n"; close STDOUT; while (my $c = $s->accept) { close $c }`, metadataAddress)
	listening, err := server.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(server.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	said := make([]byte, len("listening"))
	_, err = listening.Read(said)
	Expect(err).NotTo(HaveOccurred(), "the host that stands for the metadata did not start")

	By("making sure that no packet of a pod to that address leaves the machine")
	Expect(machine(ctx, "ip rule show")).To(ContainSubstring("100:	from " + podNetwork + " to " + metadataAddress + " lookup " + outsideTable))
	Expect(strings.Split(machine(ctx, "ip route show table "+outsideTable), "\n")).To(ConsistOf(
		ContainSubstring("via 198.51.100.2 dev "+outsideDevice), ContainSubstring("blackhole "+metadataAddress), ""))
}
