package step

import (
	"fmt"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// NoTenant is the wait of an object in a namespace that belongs to no Tenant.
func NoTenant(namespace string) *Wait {
	return &Wait{
		Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonNoTenant,
		Message: fmt.Sprintf("namespace %s belongs to no Tenant: apply one with spec.namespace %s", namespace, namespace),
	}
}

// NoRegion is the wait of an object whose Tenant names a Region that is not there.
func NoRegion(region string) *Wait {
	return &Wait{
		Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonRegionNotFound,
		Message: fmt.Sprintf("there is no Region %s: apply it", region),
	}
}
