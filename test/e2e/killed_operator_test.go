package e2e

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// kills is how often the operator dies in onboarding.
const kills = 20

var _ = Describe("Promise 7: an operator killed at any moment leaves the same end state", Label("killed"), func() {
	It("survives SIGKILL 20 times during onboarding, and makes nothing twice", SpecTimeout(9*time.Minute), func(ctx SpecContext) {
		random := rand.New(rand.NewSource(GinkgoRandomSeed()))
		fmt.Printf("moments of death by seed %d (go test … -ginkgo.seed=%[1]d repeats them)\n", GinkgoRandomSeed())

		killed := 0
		for round := 1; killed < kills; round++ {
			cl := newClient(fmt.Sprintf("killed%d", round), regionEU, fmt.Sprintf("+4930231252%02d", round))
			made := watchNamespace(ctx, cl.namespace())
			cl.apply(ctx)
			for killed < kills && fixture.Ready(ctx, c, cl.tenant) != nil {
				killOperator(ctx)
				killed++
				// The next one may work for up to 2 s before it dies too: long enough to get on, short
				// enough that every stage of onboarding is cut somewhere.
				idle(ctx, time.Duration(random.Int63n(int64(2*time.Second))))
			}
			fmt.Printf("round %d: %d kills so far\n", round, killed)
			Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
			cl.awaitReady(ctx)

			By("comparing with a tenant whose operator was left alone")
			Expect(shape(ctx, cl)).To(Equal(shape(ctx, reference(ctx))))
			for object, uids := range made() {
				Expect(uids).To(HaveLen(1), "%s was made %d times", object, len(uids))
			}
			Expect(cl.rows(ctx, `SELECT count(*) FROM sb.staff UNION ALL SELECT count(*) FROM sb.channel`)).To(Equal([]string{"1", "1"}))
			Expect(c.Delete(ctx, cl.get(ctx))).To(Succeed()) // AfterSuite waits until it is gone
		}
	})
})

var referenceClient *client

// reference is a tenant of the same shape, onboarded without disturbance; it is made once.
func reference(ctx context.Context) *client {
	GinkgoHelper()
	if referenceClient == nil {
		referenceClient = newClient("calm", regionEU, "+493023125299")
		referenceClient.apply(ctx)
		referenceClient.awaitReady(ctx)
		DeferCleanup(func(ctx SpecContext) { erase(ctx, referenceClient.tenant) }, NodeTimeout(3*time.Minute))
	}
	return referenceClient
}

// killOperator kills the operator's process from its node and replaces the pod at once: the kubelet
// would let a container that died often wait for minutes. The dead leader's lease goes too, else
// the next one would wait for it to run out.
func killOperator(ctx context.Context) {
	GinkgoHelper()
	var victim *corev1.Pod
	Expect(cluster.Until(ctx, time.Minute, "an operator to kill", func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := c.List(ctx, pods, crclient.InNamespace(fixture.OperatorNamespace)); err != nil {
			return err
		}
		for i := range pods.Items {
			if cluster.IsReady(&pods.Items[i]) {
				victim = &pods.Items[i]
				return nil
			}
		}
		return fmt.Errorf("none of %d pods is ready", len(pods.Items))
	})).To(Succeed())
	Expect(c.KillContainer(ctx, victim, "")).To(Succeed())
	Expect(crclient.IgnoreNotFound(c.Delete(ctx, victim, crclient.GracePeriodSeconds(0)))).To(Succeed())
	leases := &coordinationv1.LeaseList{}
	Expect(c.List(ctx, leases, crclient.InNamespace(fixture.OperatorNamespace))).To(Succeed())
	for i := range leases.Items {
		if h := leases.Items[i].Spec.HolderIdentity; h != nil && strings.HasPrefix(*h, victim.Name+"_") {
			Expect(crclient.IgnoreNotFound(c.Delete(ctx, &leases.Items[i]))).To(Succeed())
		}
	}
}

// idle lets a random while pass: the moment is what the test draws.
func idle(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// kindsMade are the kinds of objects that the operator makes in a tenant's namespace.
var kindsMade = []schema.GroupVersionResource{
	{Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "services"}, {Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "resourcequotas"}, {Version: "v1", Resource: "limitranges"}, {Version: "v1", Resource: "persistentvolumeclaims"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"}, {Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "batch", Version: "v1", Resource: "jobs"}, {Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// watchNamespace records the uid of every object that ever appears in a namespace. The function
// that it gives tells them, by kind and name.
func watchNamespace(ctx context.Context, namespace string) func() map[string][]string {
	GinkgoHelper()
	dyn, err := dynamic.NewForConfig(c.Config)
	Expect(err).NotTo(HaveOccurred())
	var mu sync.Mutex
	seen := map[string][]string{}
	for _, kind := range kindsMade {
		stream, err := dyn.Resource(kind).Namespace(namespace).Watch(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		go func() {
			defer GinkgoRecover()
			for event := range stream.ResultChan() {
				object, ok := event.Object.(metav1.Object)
				if !ok {
					continue
				}
				mu.Lock()
				key, uid := kind.Resource+"/"+object.GetName(), string(object.GetUID())
				if !slices.Contains(seen[key], uid) {
					seen[key] = append(seen[key], uid)
				}
				mu.Unlock()
			}
		}()
	}
	return func() map[string][]string {
		mu.Lock()
		defer mu.Unlock()
		copied := make(map[string][]string, len(seen))
		for k, v := range seen {
			copied[k] = slices.Clone(v)
		}
		return copied
	}
}

// shape lists what stands in a tenant's namespace and in its database, without what must differ.
func shape(ctx context.Context, cl *client) []string {
	GinkgoHelper()
	dyn, err := dynamic.NewForConfig(c.Config)
	Expect(err).NotTo(HaveOccurred())
	var lines []string
	for _, kind := range kindsMade {
		list, err := dyn.Resource(kind).Namespace(cl.namespace()).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, object := range list.Items {
			name := object.GetName()
			if kind.Resource == "jobs" {
				// migrate-HASH: numbers and namespaces are in the hash, and there is one for each set of channels and
				// policies that the operator happened to see.
				name = name[:strings.LastIndex(name, "-")]
			}
			lines = append(lines, kind.Resource+"/"+name)
		}
	}
	ca := &corev1.Secret{}
	err = c.Get(ctx, crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: "tenant-" + cl.tenant + "-ca"}, ca)
	Expect(apierrors.IsNotFound(err)).To(BeFalse(), "the tenant has no certificate authority")
	Expect(err).NotTo(HaveOccurred())
	for _, role := range cl.rows(ctx, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb%' ORDER BY 1`) {
		lines = append(lines, "role/"+role)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
