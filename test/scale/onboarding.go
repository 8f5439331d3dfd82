package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// onboarding is what bringing all tenants about takes.
type onboarding struct {
	Seconds float64 `json:"seconds"` // from the first apply until all are Ready
	Objects int     `json:"objects"` // that the operator made
	// Requests of the operator meanwhile, by verb and resource.
	Requests  requests `json:"requests"`
	Processor float64  `json:"operatorProcessorSeconds"`
	// The reference: copies of so many objects, created by client-go with the same bounds.
	ReferenceObjects int     `json:"referenceObjects"`
	ReferenceSeconds float64 `json:"referenceSeconds"`
}

// reference is what creating as many objects takes without an operator.
func (o onboarding) reference() float64 {
	return o.ReferenceSeconds * float64(o.Objects) / float64(o.ReferenceObjects)
}

func (w *world) onboard(ctx context.Context) (onboarding, error) {
	var o onboarding
	mark, err := w.plane.auditMark()
	if err != nil {
		return o, err
	}
	start := time.Now()
	if err := applyTenants(ctx, w.admin, 0, w.Tenants, w.Channels, w.Policies); err != nil {
		return o, err
	}
	fmt.Printf("  the clients' folders were applied in %.1f s\n", time.Since(start).Seconds())
	if err := w.allReady(ctx, w.Tenants, time.Hour); err != nil {
		return o, err
	}
	o.Seconds = time.Since(start).Seconds()
	used, err := w.op.processor()
	if err != nil {
		return o, err
	}
	o.Processor = used.Seconds()
	if o.Requests, err = w.plane.requestsSince(mark); err != nil {
		return o, err
	}
	fmt.Println("  " + o.Requests.String())
	made, err := w.made(ctx, "")
	if err != nil {
		return o, err
	}
	o.Objects = len(made)
	return o, w.referenceOnboarding(ctx, &o)
}

// made lists what the operator made in a namespace, or in all.
func (w *world) made(ctx context.Context, namespace string) ([]client.Object, error) {
	var all []client.Object
	for _, list := range []client.ObjectList{
		&rbacv1.RoleBindingList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}, &v1alpha1.ResidencyBoundaryList{}, &networkingv1.NetworkPolicyList{},
		&corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &appsv1.StatefulSetList{}, &appsv1.DeploymentList{},
		&batchv1.JobList{}, &policyv1.PodDisruptionBudgetList{}, &networkingv1.IngressList{}, &batchv1.CronJobList{}, &v1alpha1.RetentionPolicyList{},
	} {
		if err := w.admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/managed-by": "switchboard"}); err != nil {
			return nil, fmt.Errorf("listing what the operator made: %w", err)
		}
		if err := eachItem(list, func(o client.Object) { all = append(all, o) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// referenceOnboarding creates copies of some tenants' objects with nothing but a client.
func (w *world) referenceOnboarding(ctx context.Context, o *onboarding) error {
	config := rest.CopyConfig(w.plane.admin)
	config.QPS, config.Burst = float32(w.QPS), w.Burst
	plain, err := client.New(config, client.Options{Scheme: w.admin.Scheme()})
	if err != nil {
		return fmt.Errorf("connecting for the reference: %w", err)
	}
	var folders [][]client.Object
	for i := range min(w.Reference, w.Tenants) {
		from := name.Namespace(tenantName(i))
		made, err := w.made(ctx, from)
		if err != nil {
			return err
		}
		ca := &corev1.Secret{}
		if err := w.admin.Get(ctx, client.ObjectKey{Namespace: name.OperatorNamespace, Name: name.CA(tenantName(i))}, ca); err != nil {
			return fmt.Errorf("reading an authority: %w", err)
		}
		to := "copy-of-" + from
		if err := w.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: to}}); err != nil {
			return fmt.Errorf("making a namespace for the reference: %w", err)
		}
		made = append(made, ca)
		made = slices.DeleteFunc(made, func(o client.Object) bool { // the operator's policies let nobody else make one
			_, boundary := o.(*v1alpha1.ResidencyBoundary)
			return boundary
		})
		for _, o := range made {
			copied(o, to)
		}
		folders = append(folders, made)
		o.ReferenceObjects += len(made)
	}
	start := time.Now()
	err = inParallel(ctx, len(folders), 12, func(ctx context.Context, i int) error {
		for _, object := range folders[i] {
			if err := plain.Create(ctx, object); err != nil {
				return fmt.Errorf("creating a copy of %T %s: %w", object, object.GetName(), err)
			}
		}
		return nil
	})
	o.ReferenceSeconds = time.Since(start).Seconds()
	return err
}

// copied makes of a live object one that can be created elsewhere.
func copied(o client.Object, namespace string) {
	labels := map[string]string{}
	for k, v := range o.GetLabels() {
		if !strings.HasPrefix(k, v1alpha1.GroupVersion.Group) && k != "app.kubernetes.io/managed-by" {
			labels[k] = v
		}
	}
	o.SetLabels(labels)
	o.SetNamespace(namespace)
	o.SetUID("")
	o.SetResourceVersion("")
	o.SetOwnerReferences(nil)
	o.SetManagedFields(nil)
	o.SetFinalizers(nil)
	switch o := o.(type) {
	case *corev1.Service:
		if o.Spec.ClusterIP != corev1.ClusterIPNone {
			o.Spec.ClusterIP, o.Spec.ClusterIPs = "", nil
		}
	case *batchv1.Job:
		o.Spec.Selector, o.Spec.ManualSelector = nil, nil
		for _, l := range []string{batchv1.ControllerUidLabel, "controller-uid", batchv1.JobNameLabel, "job-name"} {
			delete(o.Spec.Template.Labels, l)
		}
	}
}
