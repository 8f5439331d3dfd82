// Package served knows which regions are this operator's: where each cluster has an
// operator of its own, a Tenant that was applied to the wrong one is left alone there.
package served

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// Regions that an operator serves, by name; all when there are none.
type Regions []string

var regionName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Add takes a list as the command line gives it: names with commas in between. Nothing is no region more.
func (r *Regions) Add(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "" && strings.TrimSpace(list) == "":
			return nil
		case !regionName.MatchString(name):
			return fmt.Errorf("%q can't be the name of a Region: write names of Regions with commas in between, as in eu-central,us-east", name)
		case !slices.Contains(*r, name):
			*r = append(*r, name)
		}
	}
	return nil
}

// Serve says whether a region is among them.
func (r Regions) Serve(region string) bool { return len(r) == 0 || slices.Contains(r, region) }

// Refuse ends the story of whatever belongs to a tenant of a region that is not among them; nil for one that is.
func (r Regions) Refuse(region string) error {
	if r.Serve(region) {
		return nil
	}
	return &step.Stall{
		Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonRegionNotServed,
		Message: fmt.Sprintf("the operator of this cluster serves %s, and not %s: it makes nothing here and touches nothing. "+
			"Apply it to the cluster of region %s and delete it here; or, if it is to be served here, add the region to the operator's flag --regions",
			strings.Join(r, ", "), region, region),
	}
}

// Check refuses what stands in the namespace of a tenant of another region, one that is being deleted too.
func (r Regions) Check(ctx context.Context, reader client.Reader, namespace string) error {
	if len(r) == 0 {
		return nil
	}
	ns := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return client.IgnoreNotFound(err)
	}
	t := &v1alpha1.Tenant{}
	if err := reader.Get(ctx, client.ObjectKey{Name: ns.Labels[v1alpha1.LabelTenant]}, t); err != nil {
		return client.IgnoreNotFound(err) // it belongs to no Tenant: the reconcilers know what to do
	}
	return r.Refuse(t.Spec.Region)
}
