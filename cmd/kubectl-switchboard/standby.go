package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const (
	// standByHours bounds the life of a pod that a command left behind because it was killed.
	standByHours = 24
	// startTimeout bounds the start of a pod: an image may have to be fetched.
	startTimeout = 5 * time.Minute
)

// withPod runs something in a pod of the tenant's that stands by with a component's login, and
// removes it whatever becomes of that.
func withPod(ctx context.Context, c client.Client, tenant *v1alpha1.Tenant, component string, errs io.Writer, do func(client.ObjectKey) error) (err error) {
	pod, err := standBy(ctx, c, tenant, component)
	if err != nil {
		return err
	}
	if err := c.Create(ctx, pod); err != nil {
		return fmt.Errorf("making a pod for it in namespace %s: %w", pod.Namespace, err)
	}
	fmt.Fprintf(errs, "pod %s/%s starts\n", pod.Namespace, pod.Name)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if removed := c.Delete(ctx, pod); client.IgnoreNotFound(removed) != nil {
			err = errors.Join(err, fmt.Errorf("removing pod %s/%s: %w; remove it yourself", pod.Namespace, pod.Name, removed))
		}
	}()
	if err := started(ctx, c, pod); err != nil {
		return err
	}
	return do(client.ObjectKeyFromObject(pod))
}

// standBy gives the pod, with the image that serves the tenant and the newest login that its
// database knows.
func standBy(ctx context.Context, c client.Client, tenant *v1alpha1.Tenant, component string) (*corev1.Pod, error) {
	in := plan.Tenant{Tenant: tenant, Region: &v1alpha1.Region{}}
	if err := c.Get(ctx, client.ObjectKey{Name: tenant.Spec.Region}, in.Region); err != nil {
		return nil, fmt.Errorf("reading Region %s: %w", tenant.Spec.Region, err)
	}
	setup, err := observe.Jobs{Cache: c, Live: c, Now: time.Now}.Setup(ctx, tenant, in.Namespace(), "")
	if err != nil {
		return nil, err
	}
	if setup.Usable[component] == 0 {
		return nil, fmt.Errorf("the database of tenant %s knows no login of %s yet: see its condition Migrated", tenant.Name, component)
	}
	in.Versions = setup.Usable
	serve := &appsv1.Deployment{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: in.Namespace(), Name: name.Serve}, serve); err != nil {
		return nil, fmt.Errorf("looking for the image that serves the tenant: %w", err)
	}
	in.Images.Instance = serve.Spec.Template.Spec.Containers[0].Image
	pod := plan.StandBy(in, component, component+"-"+rand.String(5), standByHours)
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Tenant", Name: tenant.Name, UID: tenant.UID,
	}} // without what only the operator may ask for
	return pod, nil
}

// started waits until a pod runs.
func started(ctx context.Context, c client.Reader, pod *corev1.Pod) error {
	why := "it was not scheduled yet"
	err := wait.PollUntilContextTimeout(ctx, time.Second, startTimeout, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return false, err
		}
		for _, s := range pod.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil {
				why = w.Reason
			}
		}
		switch pod.Status.Phase {
		case corev1.PodRunning:
			return true, nil
		case corev1.PodFailed, corev1.PodSucceeded:
			return false, errors.New("it ended at once")
		default:
			return false, nil
		}
	})
	if err != nil {
		return fmt.Errorf("waiting for pod %s/%s to start (%s): %w", pod.Namespace, pod.Name, why, err)
	}
	return nil
}
