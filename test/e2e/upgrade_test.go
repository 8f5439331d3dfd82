package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

const (
	instanceImage = "switchboard/instance:dev"
	// otherName is the same image by its full name: another one to Kubernetes, which every node has.
	otherName = "docker.io/switchboard/instance:dev"
	// noImage is one that no node can pull.
	noImage = "switchboard/instance:there-is-none"
)

var _ = Describe("An upgrade: another image reaches tenants in turns, and loses no message", Label("upgrade"), Ordered, func() {
	// A third tenant that takes its turn first would be the one that is stuck, and both of these would wait.
	BeforeAll(func(ctx SpecContext) {
		Expect(cluster.Until(ctx, 2*time.Minute, "berlin and boston are the only tenants that stay", func(ctx context.Context) error {
			var tenants v1alpha1.TenantList
			if err := c.List(ctx, &tenants); err != nil {
				return err
			}
			for _, t := range tenants.Items {
				if t.DeletionTimestamp.IsZero() && t.Name != berlin.tenant && t.Name != boston.tenant {
					return fmt.Errorf("%s stays: the spec that made it has to erase it", t.Name)
				}
			}
			return nil
		})).To(Succeed())
	}, NodeTimeout(3*time.Minute))

	AfterAll(func(ctx SpecContext) {
		Expect(fixture.InstallOperator(ctx, c, root)).To(Succeed())
		for _, cl := range []*client{berlin, boston} {
			awaitImage(ctx, cl, instanceImage)
		}
	}, NodeTimeout(4*time.Minute))

	It("brings one tenant after the other along while guests write, and leaves the databases alone", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		databases := databaseContainers(ctx)
		stop := everyoneWrites(ctx)
		operatorRuns(ctx, otherName, "10m")
		Expect(cluster.Until(ctx, 4*time.Minute, "both tenants run the other image", func(ctx context.Context) error {
			var missing []error
			rolling := 0
			for _, cl := range []*client{berlin, boston} {
				i := cl.get(ctx).Status.Instance
				if i != nil && i.Rollout != nil {
					rolling++
				}
				if i == nil || i.Rollout != nil || i.Image != otherName {
					missing = append(missing, fmt.Errorf("%s: %+v", cl.tenant, i))
				}
			}
			Expect(rolling).To(BeNumerically("<=", 1), "both tenants are on the way at once")
			return errors.Join(missing...)
		})).To(Succeed())
		sent := stop()
		for cl, sids := range sent {
			Expect(len(sids)).To(BeNumerically(">", 50), "messages of %s", cl.tenant)
			allStored(ctx, cl, sids)
		}
		Expect(databaseContainers(ctx)).To(Equal(databases), "the databases were restarted")
	})

	It("stops at the first tenant that does not become ready, which serves on, and goes back", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		operatorRuns(ctx, noImage, "5s")
		var stuck, waits *client
		Expect(cluster.Until(ctx, 2*time.Minute, "one tenant is stuck and the other waits", func(ctx context.Context) error {
			reasons := map[string]*client{}
			for _, cl := range []*client{berlin, boston} {
				if u := meta.FindStatusCondition(cl.get(ctx).Status.Conditions, v1alpha1.ConditionUpToDate); u != nil {
					reasons[u.Reason] = cl
				}
			}
			stuck, waits = reasons[v1alpha1.ReasonRolloutOverdue], reasons[v1alpha1.ReasonRolloutPaused]
			if stuck == nil || waits == nil {
				return fmt.Errorf("they say %v", slices.Collect(maps.Keys(reasons)))
			}
			return nil
		})).To(Succeed())
		Expect(meta.FindStatusCondition(waits.get(ctx).Status.Conditions, v1alpha1.ConditionUpToDate).Message).To(ContainSubstring("kubectl describe tenant " + stuck.tenant))
		for n, cl := range []*client{berlin, boston} {
			sid := guest.NewSID()
			Expect(cl.line(ctx, "front-desk").Write(ctx, sid, guestNumber(7700+n), "Are you still there?")).To(Equal(http.StatusOK))
			Expect(stored(ctx, cl, sid)).To(Equal(1))
		}
		operatorRuns(ctx, otherName, "10m")
		for _, cl := range []*client{berlin, boston} {
			awaitImage(ctx, cl, otherName)
		}
	})
})

// operatorRuns has the operator run an image of the instance, with a deadline for each tenant.
func operatorRuns(ctx context.Context, image, deadline string) {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(c.Get(ctx, crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: fixture.OperatorDeployment}, d)).To(Succeed())
	args := d.Spec.Template.Spec.Containers[0].Args
	for i, arg := range args {
		switch flag, _, _ := strings.Cut(arg, "="); flag {
		case "--instance-image":
			args[i] = flag + "=" + image
		case "--rollout-deadline":
			args[i] = flag + "=" + deadline
		}
	}
	Expect(c.Update(ctx, d)).To(Succeed())
	Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
}

// awaitImage waits until a tenant's pods run an image, and it says so.
func awaitImage(ctx context.Context, cl *client, image string) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, 3*time.Minute, cl.tenant+" runs "+image, func(ctx context.Context) error {
		t := cl.get(ctx)
		if i := t.Status.Instance; i == nil || i.Rollout != nil || i.Image != image || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionUpToDate) {
			return fmt.Errorf("status.instance is %+v", i)
		}
		return nil
	})).To(Succeed())
}

// databaseContainers are those of both tenants' databases, which an upgrade of the instance has no business with.
func databaseContainers(ctx context.Context) (ids []string) {
	GinkgoHelper()
	for _, cl := range []*client{berlin, boston} {
		pod, err := c.DatabasePod(ctx, cl.namespace())
		Expect(err).NotTo(HaveOccurred())
		ids = append(ids, container(pod))
	}
	return ids
}

func container(pod *corev1.Pod) string {
	return string(pod.UID) + " " + pod.Status.ContainerStatuses[0].ContainerID
}

// everyoneWrites has a guest of each tenant write until it is stopped, and gives what was sent. A message that is not taken is sent
// again, as a provider does.
func everyoneWrites(ctx context.Context) (stop func() map[*client][]string) {
	GinkgoHelper()
	var ended atomic.Bool
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := map[*client][]string{}
	for n, cl := range []*client{berlin, boston} {
		line := cl.line(ctx, "front-desk")
		all.Go(func() {
			defer GinkgoRecover()
			for i := 0; !ended.Load() && ctx.Err() == nil; i++ {
				sid := guest.NewSID()
				Expect(cluster.Until(ctx, time.Minute, "a message is taken", func(ctx context.Context) error {
					status, err := line.Write(ctx, sid, guestNumber(7600+n), fmt.Sprintf("message %d", i))
					if err == nil && status != http.StatusOK {
						err = fmt.Errorf("answer %d", status)
					}
					return err
				})).To(Succeed())
				mu.Lock()
				sent[cl] = append(sent[cl], sid)
				mu.Unlock()
				idle(ctx, 50*time.Millisecond)
			}
		})
	}
	return func() map[*client][]string {
		ended.Store(true)
		all.Wait()
		return sent
	}
}
