package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// fieldOwner is who a dry run applies as: kubectl apply --server-side by its own name, so that conflicts show as they would.
const fieldOwner = "kubectl"

// clusterTimeout bounds the first question to a cluster: one that is away must not keep a folder from being written.
const clusterTimeout = 10 * time.Second

// clusterFor gives the cluster to ask; nil, and why, when none is to be asked or answers.
func clusterFor(ctx context.Context, c *connection, validate string) (client.Client, error) {
	if validate == validateNone {
		return nil, nil
	}
	reader, _, err := c.open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	err = reader.List(ctx, &v1alpha1.RegionList{}, client.Limit(1))
	switch {
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		return nil, errors.New("it does not know Switchboard's kinds: install the operator first (docs/operations.md)")
	case err != nil && !apierrors.IsForbidden(err):
		return nil, err
	}
	return reader, nil
}

// checkClient says what the Region and the API server would refuse, all of it at once, and what is to be known.
func checkClient(ctx context.Context, c client.Client, n newClient, files []file, force bool) (refused, notes []string, err error) {
	err = c.Get(ctx, client.ObjectKey{Name: n.Name}, &v1alpha1.Tenant{})
	switch {
	case err == nil && !force:
		refused = append(refused, fmt.Sprintf("there is a Tenant %s already: change its folder, or use another name; --force writes this one all the same", n.Name))
	case client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err):
		return nil, nil, fmt.Errorf("looking for a Tenant of this name: %w", err)
	}
	region := &v1alpha1.Region{}
	err = c.Get(ctx, client.ObjectKey{Name: n.Region}, region)
	switch {
	case apierrors.IsNotFound(err):
		refused = append(refused, fmt.Sprintf("there is no Region %s%s", n.Region, regionsThere(ctx, c)))
	case apierrors.IsForbidden(err):
		notes = append(notes, "you may not read Regions, so that nothing was held against what the Region allows: have the ClusterRole switchboard-auditor bound to you")
	case err != nil:
		return nil, nil, fmt.Errorf("reading Region %s: %w", n.Region, err)
	default:
		no, told := byRegion(region, n)
		refused, notes = append(refused, no...), append(notes, told...)
	}
	no, told, err := dryRun(ctx, c, n, files)
	return append(refused, no...), append(notes, told...), err
}

func regionsThere(ctx context.Context, c client.Client) string {
	var regions v1alpha1.RegionList
	if err := c.List(ctx, &regions); err != nil || len(regions.Items) == 0 {
		return ": have the platform team apply it"
	}
	var names []string
	for _, r := range regions.Items {
		names = append(names, r.Name)
	}
	return ": there are " + strings.Join(names, ", ")
}

// byRegion holds a client against its Region, by the operator's own rules.
func byRegion(region *v1alpha1.Region, n newClient) (refused, notes []string) {
	for i := range n.Channels {
		if _, no := plan.Processor(region, &n.Channels[i]); no != nil {
			refused = append(refused, fmt.Sprintf("channel %s: %s: %s", n.Channels[i].Name, no.Reason, no.Message))
		}
	}
	var policies []v1alpha1.RetentionPolicy
	if p := n.policy(); p != nil {
		if no := plan.Accept(region, p); no != nil {
			refused = append(refused, fmt.Sprintf("retention: %s: %s", no.Reason, no.Message))
		}
		policies = append(policies, *p)
	}
	unbounded := plan.Unbounded(region, policies)
	if d := region.Spec.DefaultRetention; d != nil {
		unbounded = slices.DeleteFunc(unbounded, func(c v1alpha1.Category) bool {
			return slices.ContainsFunc(d.Rules, func(r v1alpha1.RetentionRule) bool { return r.Category == c })
		})
	}
	if len(unbounded) > 0 {
		notes = append(notes, fmt.Sprintf("nothing bounds how long %v are kept, and the Tenant will say so (RetentionCovered): give --retention for them", unbounded))
	}
	return refused, notes
}

// dryRun has the API server answer as it would the real thing. Objects of a namespace that is not there yet are tried in
// the namespace default: schema and rules are the same.
func dryRun(ctx context.Context, c client.Client, n newClient, files []file) (refused, notes []string, err error) {
	there := true
	if err := c.Get(ctx, client.ObjectKey{Name: n.namespace()}, &corev1.Namespace{}); err != nil {
		there = false
	}
	for _, f := range files {
		for _, u := range f.objects {
			trial := u.DeepCopy()
			if trial.GetNamespace() != "" && !there {
				trial.SetNamespace(metav1.NamespaceDefault)
			}
			err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(trial), client.DryRunAll, client.FieldOwner(fieldOwner))
			switch {
			case err == nil:
			case apierrors.IsForbidden(err) && !denied(err):
				notes = append(notes, fmt.Sprintf("%s was not tried: you may not apply it yourself", f.name))
			case apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsConflict(err) || apierrors.IsBadRequest(err):
				refused = append(refused, fmt.Sprintf("%s: %v", f.name, err))
			default:
				return nil, nil, fmt.Errorf("trying %s on the API server: %w", f.name, err)
			}
		}
	}
	return refused, notes, nil
}

// denied says that an admission policy refused it, not the caller's rights.
func denied(err error) bool { return strings.Contains(err.Error(), "ValidatingAdmissionPolicy") }
