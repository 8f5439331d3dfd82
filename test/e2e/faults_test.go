package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// outage is how long what is taken away stays away.
const outage = 20 * time.Second

var _ = Describe("Faults of the platform (docs/faults.md)", Label("long", "faults"), Ordered, Serial, func() {
	for fault, program := range map[string][2]string{ // and what its command line has
		"the API server answers nobody for 20 s": {"kube-apiserver", apiServer},
		"etcd answers nobody for 20 s":           {"etcd", "localcluster"},
	} {
		It(fault+": guests are served, and the operator goes on where it was", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
			before := containersOf(ctx, berlin)
			write := directLine(ctx, berlin)
			freeze(ctx, program[0], program[1], outage)
			sids := write(ctx, outage-5*time.Second)
			comesBack(ctx)
			allStored(ctx, berlin, sids)
			berlin.awaitReady(ctx)
			boston.awaitReady(ctx)
			Expect(containersOf(ctx, berlin)).To(Equal(before), "something was restarted")
			worksOn(ctx)
		})
	}

	It("the network between the regions is cut for 20 s: each region serves on by itself, and nothing is restarted", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		before := bothContainers(ctx)
		write := directLine(ctx, berlin)
		cut(ctx, boston, outage)
		sids := write(ctx, outage-5*time.Second)
		Expect(cluster.Until(ctx, time.Minute, "the other region can be reached again", func(ctx context.Context) error {
			sid := guest.NewSID()
			status, err := boston.line(ctx, "front-desk").Write(ctx, sid, guestNumber(7803), "Are you back?")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("answer %d", status)
			}
			return err
		})).To(Succeed())
		allStored(ctx, berlin, sids)
		berlin.awaitReady(ctx)
		boston.awaitReady(ctx)
		Expect(bothContainers(ctx)).To(Equal(before), "something was restarted")
	})

	It("the operator runs out of memory again and again: guests are served, and it goes on when it has enough", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		before := containersOf(ctx, berlin)
		write := directLine(ctx, berlin)
		enough := limitOperator(ctx, resource.MustParse("8Mi"))
		DeferCleanup(func(ctx SpecContext) {
			limitOperator(ctx, enough)
			Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
		}, NodeTimeout(2*time.Minute))
		Expect(cluster.Until(ctx, 90*time.Second, "the kernel ends the operator", func(ctx context.Context) error {
			pods := &corev1.PodList{}
			if err := c.List(ctx, pods, crclient.InNamespace(fixture.OperatorNamespace)); err != nil {
				return err
			}
			for _, pod := range pods.Items {
				for _, s := range pod.Status.ContainerStatuses {
					for _, ended := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
						if ended != nil && (ended.Reason == "OOMKilled" || ended.ExitCode == 137) {
							return nil
						}
					}
				}
			}
			return errors.New("no container of its was")
		})).To(Succeed())
		allStored(ctx, berlin, write(ctx, 3*time.Second))
		limitOperator(ctx, enough)
		Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
		berlin.awaitReady(ctx)
		Expect(containersOf(ctx, berlin)).To(Equal(before), "something was restarted")
		worksOn(ctx)
	})

	It("a node's kubelet answers nobody until the node counts as lost: its tenant says so, takes what reaches it, and comes back", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		before := bothContainers(ctx)
		write := directLine(ctx, boston)
		node := nodeOfTenant(ctx, boston)
		stopProcess(ctx, "kubelet", node, 150*time.Second)
		lost := func(ctx context.Context) error {
			n := &corev1.Node{}
			if err := c.Get(ctx, crclient.ObjectKey{Name: node}, n); err != nil {
				return err
			}
			for _, condition := range n.Status.Conditions {
				if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
					return nil
				}
			}
			return errors.New("it is Ready")
		}
		Expect(cluster.Until(ctx, 90*time.Second, "the node counts as lost", lost)).To(Succeed())
		Expect(cluster.Until(ctx, 30*time.Second, "its tenant says so", func(ctx context.Context) error {
			return notTrue(boston.get(ctx), v1alpha1.ConditionInstanceAvailable)
		})).To(Succeed())
		sids := write(ctx, 3*time.Second)
		Expect(lost(ctx)).To(Succeed(), "the node came back before that was written")
		berlin.awaitReady(ctx)
		boston.awaitReady(ctx)
		allStored(ctx, boston, sids)
		Expect(bothContainers(ctx)).To(Equal(before), "something was restarted")
		worksOn(ctx)
	})

	It("the Secret with a connector's login is deleted while guests write: a newer login takes its place, and no message is lost", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		login, version := newestLogin(ctx, berlin, contract.ComponentConnector("front-desk"))
		stop := everyoneWrites(ctx)
		_, err := c.Run(ctx, nil, "-n", berlin.namespace(), "delete", "secret/"+login)
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, 6*time.Minute, "the connector has a newer login", func(ctx context.Context) error {
			d := &appsv1.Deployment{}
			if err := c.Get(ctx, crclient.ObjectKey{Namespace: berlin.namespace(), Name: name.Connector("front-desk")}, d); err != nil {
				return err
			}
			if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != s.Replicas || s.UnavailableReplicas > 0 {
				return errors.New("its pods are being changed")
			}
			for _, volume := range d.Spec.Template.Spec.Volumes {
				if volume.Secret == nil {
					continue
				}
				if of, mounted, is := name.ParseCredentials(volume.Secret.SecretName); is && of == contract.ComponentConnector("front-desk") && mounted > version {
					return nil
				}
			}
			return fmt.Errorf("it has that of version %d", version)
		})).To(Succeed())
		for cl, sids := range stop() {
			allStored(ctx, cl, sids)
		}
		sid := guest.NewSID()
		Expect(berlin.line(ctx, "front-desk").Write(ctx, sid, guestNumber(7812), "With the newer login")).To(Equal(http.StatusOK))
		allStored(ctx, berlin, []string{sid})
		berlin.awaitReady(ctx)
	})

	It("a database's disk is full: providers are told to come again, and nothing that was acknowledged is lost", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		cl := onASmallDisk(ctx)
		line := cl.line(ctx, "front-desk")
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(7810), "There is room")).To(Equal(http.StatusOK))
		fill(ctx, cl)
		taken, refused := map[string]string{}, map[string]string{}
		Expect(cluster.Until(ctx, 2*time.Minute, "a message is refused", func(ctx context.Context) error {
			sid, text := guest.NewSID(), strings.Repeat("no room ", 190)
			status, err := line.Write(ctx, sid, guestNumber(7810), text)
			switch {
			case err == nil && status == http.StatusOK:
				taken[sid] = text
			case err == nil && status == http.StatusServiceUnavailable:
				refused[sid] = text
				return nil
			case err == nil:
				return fmt.Errorf("answer %d", status)
			}
			return errors.Join(fmt.Errorf("%d were taken", len(taken)), err)
		})).To(Succeed())
		makeRoom(ctx, cl)
		for sid, text := range refused { // a provider sends again
			Expect(cluster.Until(ctx, 2*time.Minute, "it is taken", func(ctx context.Context) error {
				status, err := line.Write(ctx, sid, guestNumber(7810), text)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("answer %d", status)
				}
				return err
			})).To(Succeed())
			taken[sid] = text
		}
		allStored(ctx, cl, slices.Collect(maps.Keys(taken)))
		cl.awaitReady(ctx)
	})

	It("a field that no definition has is refused, and changes nothing", SpecTimeout(time.Minute), func(ctx SpecContext) {
		before := berlin.get(ctx).Generation
		err := c.ApplyYAML(ctx, strings.Replace(berlin.manifests(), "spec:\n", "spec:\n  retainForever: true\n", 1))
		Expect(err).To(MatchError(ContainSubstring("retainForever")))
		Expect(berlin.get(ctx).Generation).To(Equal(before))
	})
})

// newestLogin gives the Secret with a component's newest login, and its version.
func newestLogin(ctx context.Context, cl *client, component string) (secret string, newest int) {
	GinkgoHelper()
	var secrets corev1.SecretList
	Expect(c.List(ctx, &secrets, crclient.InNamespace(cl.namespace()))).To(Succeed())
	for i := range secrets.Items {
		if of, version, is := name.ParseCredentials(secrets.Items[i].Name); is && of == component && version > newest {
			secret, newest = secrets.Items[i].Name, version
		}
	}
	Expect(secret).NotTo(BeEmpty(), "logins of %s", component)
	return secret, newest
}

// notTrue wants a condition of a tenant to be anything else.
func notTrue(tenant *v1alpha1.Tenant, condition string) error {
	if meta.IsStatusConditionTrue(tenant.Status.Conditions, condition) {
		return fmt.Errorf("%s is True", condition)
	}
	return nil
}

// freeze stops a program of the control plane for a while: nothing could be asked to let it go on.
func freeze(ctx context.Context, program, mark string, during time.Duration) {
	GinkgoHelper()
	stopProcess(ctx, program, mark, during)
	idle(ctx, 2*time.Second)
	asked, end := context.WithTimeout(ctx, 3*time.Second)
	defer end()
	Expect(c.List(asked, &corev1.SecretList{}, crclient.Limit(1))).NotTo(Succeed(), "the API server answers")
}

// stopProcess stops a program whose command line has mark for a while, in such a way that it goes on by itself.
func stopProcess(ctx context.Context, program, mark string, during time.Duration) {
	GinkgoHelper()
	out, err := c.OnNode(ctx, nodeOfTenant(ctx, berlin), fmt.Sprintf(`pids=$(for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = %s ] && tr '\0' ' ' <$p/cmdline | grep -q -e %s && echo ${p#/proc/}; done)
echo $pids
[ -n "$pids" ] && (sleep 1; kill -STOP $pids; sleep %d; kill -CONT $pids) >/dev/null 2>&1 </dev/null &`, program, mark, int(during.Seconds())))
	Expect(err).NotTo(HaveOccurred())
	Expect(strings.Fields(out)).To(HaveLen(1), "processes of %s on the node", program)
}

// comesBack waits until the API server answers again.
func comesBack(ctx context.Context) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, 90*time.Second, "the API server", func(ctx context.Context) error {
		return c.List(ctx, &corev1.SecretList{}, crclient.Limit(1))
	})).To(Succeed())
}

// cut takes a tenant's node off the network of the others for a while.
func cut(ctx context.Context, cl *client, during time.Duration) {
	GinkgoHelper()
	node := nodeOfTenant(ctx, cl)
	out, err := c.OnNode(ctx, nodeOfTenant(ctx, berlin), fmt.Sprintf(`for p in /proc/[0-9]*; do
[ "$(cat $p/comm 2>/dev/null)" = kubelet ] && tr '\0' ' ' <$p/cmdline | grep -q %s && pid=${p#/proc/}; done
echo $pid
do_cut() { for hook in INPUT FORWARD; do nsenter -t $pid -n -m iptables -w $1 $hook $2 -s 10.88.0.1,10.88.1.0/24 -j DROP; done; }
[ -n "$pid" ] && (sleep 1; do_cut -I 1; sleep %d; do_cut -D) >/dev/null 2>&1 </dev/null &`, node, int(during.Seconds())))
	Expect(err).NotTo(HaveOccurred())
	Expect(strings.Fields(out)).To(HaveLen(1), "the kubelet of %s", node)
	idle(ctx, 2*time.Second)
	asked, end := context.WithTimeout(ctx, 3*time.Second)
	defer end()
	_, err = cl.line(ctx, "front-desk").Write(asked, guest.NewSID(), guestNumber(7804), "Is anybody there?")
	Expect(err).To(HaveOccurred(), "the node is still reached")
}

func nodeOfTenant(ctx context.Context, cl *client) string {
	GinkgoHelper()
	pod, err := c.DatabasePod(ctx, cl.namespace())
	Expect(err).NotTo(HaveOccurred())
	return pod.Spec.NodeName
}

// directLine has a guest write to a tenant's pod, past the API server, for some time; every message must be taken.
func directLine(ctx context.Context, cl *client) func(ctx context.Context, during time.Duration) (sids []string) {
	GinkgoHelper()
	line, err := fixture.OpenDirectLine(ctx, c, cl.get(ctx), "front-desk", cl.token)
	Expect(err).NotTo(HaveOccurred())
	return func(ctx context.Context, during time.Duration) (sids []string) {
		GinkgoHelper()
		for end := time.Now().Add(during); time.Now().Before(end); idle(ctx, 100*time.Millisecond) {
			sid := guest.NewSID()
			Expect(line.Write(ctx, sid, guestNumber(7800), "Good evening")).To(Equal(http.StatusOK))
			sids = append(sids, sid)
		}
		return sids
	}
}

func allStored(ctx context.Context, cl *client, sids []string) {
	GinkgoHelper()
	Expect(sids).NotTo(BeEmpty())
	Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.message m JOIN sb.message_body b USING (id, at) WHERE m.provider_id IN ('%s')`, strings.Join(sids, "','")))).
		To(BeEquivalentTo(len(sids)))
	AddReportEntry("messages", fmt.Sprintf("%s: %d taken meanwhile, each there once", cl.tenant, len(sids)))
}

// containersOf are all that run for a tenant all the time.
func containersOf(ctx context.Context, cl *client) (ids []string) {
	GinkgoHelper()
	for _, service := range []string{"postgres", "serve", "connector-front-desk"} {
		pods, err := c.PodsOf(ctx, cl.namespace(), service)
		Expect(err).NotTo(HaveOccurred())
		for i := range pods {
			ids = append(ids, fmt.Sprintf("%s %s %d", service, pods[i].UID, pods[i].Status.ContainerStatuses[0].RestartCount))
		}
	}
	return ids
}

func bothContainers(ctx context.Context) []string {
	GinkgoHelper()
	return append(containersOf(ctx, berlin), containersOf(ctx, boston)...)
}

// worksOn holds that the operator puts back what somebody takes away.
func worksOn(ctx context.Context) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "-n", berlin.namespace(), "delete", "networkpolicy/serve")
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Until(ctx, 30*time.Second, "the network policy", func(ctx context.Context) error {
		_, err := c.Run(ctx, nil, "-n", berlin.namespace(), "get", "networkpolicy/serve")
		return err
	})).To(Succeed())
}

// limitOperator changes how much memory the operator may take, and gives what it was.
func limitOperator(ctx context.Context, to resource.Quantity) (before resource.Quantity) {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(c.Get(ctx, crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: fixture.OperatorDeployment}, d)).To(Succeed())
	resources := &d.Spec.Template.Spec.Containers[0].Resources
	before = resources.Limits[corev1.ResourceMemory]
	resources.Limits[corev1.ResourceMemory] = to
	if request := resources.Requests[corev1.ResourceMemory]; request.Cmp(to) > 0 {
		resources.Requests[corev1.ResourceMemory] = to
	}
	Expect(c.Update(ctx, d)).To(Succeed())
	return before
}
