package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Webhook gives the sub-processor whose system a webhook tells, when the region allows it, with an egress to the webhook's port alone.
func Webhook(region *v1alpha1.Region, w *v1alpha1.Webhook) (v1alpha1.SubProcessor, *Refusal) {
	return reached(region, w.SubProcessor, "url", w.URL)
}

// reached gives the sub-processor that runs what is at an address, when the region allows it, with an egress to the address's port
// alone. field names the address.
func reached(region *v1alpha1.Region, subProcessor, field, address string) (v1alpha1.SubProcessor, *Refusal) {
	p, refusal := processor(region, subProcessor)
	if refusal != nil {
		return p, refusal
	}
	if p.Egress == nil {
		return p, &Refusal{v1alpha1.ReasonOutOfBounds, fmt.Sprintf(
			"sub-processor %q has no egress in the register of region %s: have the networks that %s leads to added", p.Name, region.Name, field)}
	}
	port := portOf(address)
	if !slices.Contains(portsOf(*p.Egress), port) {
		return p, &Refusal{v1alpha1.ReasonOutOfBounds, fmt.Sprintf(
			"%s leads to port %d, which sub-processor %q does not have in the register of region %s: have it added to egress.ports, or use another", field, port, p.Name, region.Name)}
	}
	p.Egress = &v1alpha1.Egress{CIDRs: p.Egress.CIDRs, Ports: []v1alpha1.Port{port}}
	return p, nil
}

func portsOf(e v1alpha1.Egress) []v1alpha1.Port {
	if len(e.Ports) == 0 {
		return []v1alpha1.Port{defaultEgressPort}
	}
	return e.Ports
}

// portOf is the port of an address; 0 for one that is none, which the API server lets nobody have.
func portOf(address string) v1alpha1.Port {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	if u.Port() == "" {
		return defaultEgressPort
	}
	port, err := strconv.ParseInt(u.Port(), 10, 32)
	if err != nil {
		return 0
	}
	return v1alpha1.Port(port)
}

// WebhookSecret names the key that each Secret of a webhook must have.
const WebhookSecret = contract.FileSigningSecret

// AcceptedWebhooks are those of a tenant's webhooks that its region allows.
func AcceptedWebhooks(in Tenant) []v1alpha1.Webhook {
	return slices.DeleteFunc(slices.Clone(in.Tenant.Spec.Webhooks), func(w v1alpha1.Webhook) bool {
		_, refusal := Webhook(in.Region, &w)
		return refusal != nil
	})
}

// Webhooks is what tells the client's other systems of what happens: a pod that takes events from the database and reaches
// nobody but the receivers. Nothing when there is nobody to tell. All of the webhooks must agree with the region.
func Webhooks(in Tenant, webhooks []v1alpha1.Webhook) []client.Object {
	if len(webhooks) == 0 {
		return nil
	}
	meta, selector := in.tenantMeta(name.Webhooks, componentWebhooks), in.selector(componentWebhooks)
	var hooks []contract.Webhook
	var sources []corev1.VolumeProjection
	for i := range webhooks {
		hooks = append(hooks, in.webhookOf(&webhooks[i]))
		for n, ref := range webhooks[i].SecretRefs {
			sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: ref.Name},
				Items:                []corev1.KeyToPath{{Key: WebhookSecret, Path: webhooks[i].Name + "/" + strconv.Itoa(n)}},
			}})
		}
	}
	container := in.instance("webhooks", need{cpu: "25m", memory: "32Mi", memoryLimit: "96Mi"},
		[]corev1.EnvVar{{Name: contract.EnvWebhooks, Value: mustJSON(hooks)}},
		[]corev1.VolumeMount{mount("database", contract.DirDatabase), mount("webhooks", contract.DirWebhooks)})
	container.Ports = []corev1.ContainerPort{{Name: "probe", ContainerPort: contract.PortProbe, Protocol: corev1.ProtocolTCP}}
	get := func(path string) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("probe"), Scheme: corev1.URISchemeHTTP}}
	}
	container.LivenessProbe = &corev1.Probe{ProbeHandler: get("/healthz"), PeriodSeconds: 10, TimeoutSeconds: 5}
	container.ReadinessProbe = &corev1.Probe{ProbeHandler: get("/readyz"), PeriodSeconds: 5, TimeoutSeconds: 5}
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(contract.ComponentWebhooks),
		{Name: "webhooks", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: &secretMode}}},
	})
	replicas := int32(1)
	if in.Tenant.Spec.Suspended || in.EgressClosed() {
		replicas = 0
	}
	return []client.Object{
		webhooksPolicy(in, webhooks, selector),
		in.deployment(meta, selector, replicas, guarded(pod)),
		disruptionBudget(meta, selector),
	}
}

// webhooksPolicy opens the way to the receivers, and lets nobody in.
func webhooksPolicy(in Tenant, webhooks []v1alpha1.Webhook, selector map[string]string) *networkingv1.NetworkPolicy {
	egress := in.toDatabase()
	for i := range webhooks {
		if p, refusal := Webhook(in.Region, &webhooks[i]); refusal == nil && !in.EgressClosed() {
			egress = append(egress, in.to(*p.Egress)...)
		}
	}
	p := in.networkPolicy(name.Webhooks, selector, nil, egress, in.Tenant, "Tenant")
	p.Labels = in.labels(componentWebhooks) // what is labelled as isolation is pruned with it
	return p
}

func (in Tenant) webhookOf(w *v1alpha1.Webhook) contract.Webhook {
	hook := contract.Webhook{Name: w.Name, URL: w.URL, Secrets: len(w.SecretRefs), CABundle: w.CABundle, CIDRs: []string{}}
	if p, refusal := Webhook(in.Region, w); refusal == nil {
		hook.CIDRs, hook.Except = in.networks(*p.Egress)
	}
	return hook
}

// WebhooksOf are the webhooks of a tenant as its database knows them, by name.
func WebhooksOf(webhooks []v1alpha1.Webhook) []contract.SetupWebhook {
	var all []contract.SetupWebhook
	for i := range webhooks {
		w := &webhooks[i]
		sum := sha256.Sum256([]byte(mustJSON([]string{w.URL, w.SubProcessor, w.Resume})))
		hook := contract.SetupWebhook{Name: w.Name, IncludeText: w.IncludeText, Target: hex.EncodeToString(sum[:8])}
		for _, e := range w.Events {
			hook.Events = append(hook.Events, contract.WebhookEvent(string(e)))
		}
		slices.Sort(hook.Events)
		all = append(all, hook)
	}
	slices.SortFunc(all, func(a, b contract.SetupWebhook) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// WebhooksLabels select what Webhooks makes.
func WebhooksLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentWebhooks
	return l
}
