// Package v1alpha1 holds the objects that the platform team and its clients
// apply: Region and Tenant for the cluster, Channel and RetentionPolicy in a
// tenant's namespace.
//
// Defaults are computed by the operator and never written into a spec, so that
// what stands in Git is what stands in the cluster.
//
// +kubebuilder:object:generate=true
// +groupName=messaging.switchboard.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is this API's group and version.
var GroupVersion = schema.GroupVersion{Group: "messaging.switchboard.dev", Version: "v1alpha1"}

// AddToScheme makes the types known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Region{}, &RegionList{},
		&Tenant{}, &TenantList{},
		&Channel{}, &ChannelList{},
		&RetentionPolicy{}, &RetentionPolicyList{},
		&LegalHold{}, &LegalHoldList{},
		&DataSubjectRequest{}, &DataSubjectRequestList{},
		&ErasureCertificate{}, &ErasureCertificateList{},
		&ResidencyBoundary{}, &ResidencyBoundaryList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
