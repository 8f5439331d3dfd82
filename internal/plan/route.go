package plan

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// route leads a path of the tenant's host to a Service: a Gateway API HTTPRoute or
// an Ingress, as the Region says; nil when it says neither.
func (in Tenant) route(meta metav1.ObjectMeta, path, service string) client.Object {
	switch r := in.Region.Spec.Routes; {
	case r == nil:
		return nil
	case r.Gateway != nil && in.Gateway:
		return in.httpRoute(meta, path, service)
	case r.Ingress != nil:
		return in.ingress(meta, path, service)
	default:
		return nil
	}
}

// Routes are the kinds that a route may be of, for finding those that are not wanted
// any more: a stale one is a way in.
func Routes(gateway bool) []client.ObjectList {
	kinds := []client.ObjectList{&networkingv1.IngressList{}}
	if gateway {
		routes := &metav1.PartialObjectMetadataList{}
		routes.SetGroupVersionKind(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRouteList"})
		kinds = append(kinds, routes)
	}
	return kinds
}

// ServerLabels select what Server makes.
func ServerLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentServe
	return l
}

// ConnectorLabels select what Connector makes for a channel.
func ConnectorLabels(tenant, channel string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent], l[v1alpha1.LabelChannel] = componentConnector, channel
	return l
}

func (in Tenant) httpRoute(meta metav1.ObjectMeta, path, service string) *unstructured.Unstructured {
	gateway := in.Region.Spec.Routes.Gateway
	parent := map[string]any{"name": gateway.Name, "namespace": gateway.Namespace}
	if gateway.SectionName != "" {
		parent["sectionName"] = gateway.SectionName
	}
	route := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"parentRefs": []any{parent},
			"hostnames":  []any{in.Tenant.Spec.Hostname},
			"rules": []any{map[string]any{
				"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": path}}},
				"backendRefs": []any{map[string]any{"name": service, "port": int64(443)}},
			}},
		},
	}}
	route.SetAPIVersion("gateway.networking.k8s.io/v1")
	route.SetKind("HTTPRoute")
	route.SetName(meta.Name)
	route.SetNamespace(meta.Namespace)
	route.SetLabels(meta.Labels)
	route.SetOwnerReferences(meta.OwnerReferences)
	return route
}

func (in Tenant) ingress(meta metav1.ObjectMeta, path, service string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	class := in.Region.Spec.Routes.Ingress.ClassName
	return &networkingv1.Ingress{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: meta,
		Spec: networkingv1.IngressSpec{
			IngressClassName: &class,
			TLS:              []networkingv1.IngressTLS{{Hosts: []string{in.Tenant.Spec.Hostname}}},
			Rules: []networkingv1.IngressRule{{
				Host: in.Tenant.Spec.Hostname,
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
					Paths: []networkingv1.HTTPIngressPath{{
						Path: path, PathType: &prefix,
						Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
							Name: service, Port: networkingv1.ServiceBackendPort{Name: "https"},
						}},
					}},
				}},
			}},
		},
	}
}
