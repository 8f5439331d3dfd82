package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// MoveFacts are what is known of a tenant that is to move, and of the region that it is to move to.
type MoveFacts struct {
	To       *v1alpha1.Region // nil when there is none of that name
	Nodes    int              // of that region
	Class    *v1alpha1.RegionStorageClass
	Channels []v1alpha1.Channel
	Policies []v1alpha1.RetentionPolicy // without the Region's default
	Attempts int32                      // that failed before
	// NotServed: the operator does not serve the region (--regions).
	NotServed bool
}

// MovePlan says what would leave, and what the other region lacks or would violate.
func MovePlan(in Tenant, f MoveFacts) v1alpha1.MovePlan {
	plan := v1alpha1.MovePlan{Flows: moveFlows(in, f), Refusals: moveRefusals(in, f)}
	sum := sha256.Sum256([]byte(mustJSON(map[string]any{
		"from": in.Region.Name, "to": in.Tenant.Spec.Move.To, "flows": plan.Flows, "refusals": plan.Refusals, "attempts": f.Attempts,
	})))
	plan.Digest = hex.EncodeToString(sum[:8])
	return plan
}

const maxPlanned, maxPlannedLine = 64, 640

func bounded(lines []string) []string {
	lines = lines[:min(len(lines), maxPlanned)]
	for i := range lines {
		lines[i] = lines[i][:min(len(lines[i]), maxPlannedLine)]
	}
	return lines
}

func moveFlows(in Tenant, f MoveFacts) []string {
	if f.To == nil {
		return nil
	}
	move, from, to := in.Tenant.Spec.Move, in.Region, f.To
	under := "within one jurisdiction"
	if !Within(to.Spec.Jurisdiction, from.Spec.Jurisdiction) {
		under = "under no mechanism"
	}
	if move.TransferMechanism != "" {
		under = "under " + move.TransferMechanism
	}
	flows := []string{
		fmt.Sprintf("the database with all of the tenant's data: from %s (%s) to %s (%s), %s", from.Name, from.Spec.Jurisdiction, to.Name, to.Spec.Jurisdiction, under),
		fmt.Sprintf("backups on a volume in %s stay there, and are erased with the database", from.Name),
	}
	for i := range f.Channels {
		if p, refusal := Processor(to, &f.Channels[i]); refusal == nil && p.Name != "" {
			flow := fmt.Sprintf("channel %s: by sub-processor %s in %s", f.Channels[i].Name, p.Name, p.Location)
			if p.TransferMechanism != "" {
				flow += ", under " + p.TransferMechanism
			}
			flows = append(flows, flow)
		}
	}
	for i := range in.Tenant.Spec.Webhooks {
		w := &in.Tenant.Spec.Webhooks[i]
		if p, refusal := Webhook(to, w); refusal == nil {
			flow := fmt.Sprintf("webhook %s: to sub-processor %s in %s", w.Name, p.Name, p.Location)
			if p.TransferMechanism != "" {
				flow += ", under " + p.TransferMechanism
			}
			flows = append(flows, flow)
		}
	}
	if !equality.Semantic.DeepEqual(from.Spec.Routes, to.Spec.Routes) {
		flows = append(flows, fmt.Sprintf("requests for %s come in as Region %s says in spec.routes: have the name lead there when the tenant is switched", in.Tenant.Spec.Hostname, to.Name))
	}
	return bounded(flows)
}

func moveRefusals(in Tenant, f MoveFacts) []string {
	move, from, to := in.Tenant.Spec.Move, in.Region, f.To
	if to == nil {
		return []string{fmt.Sprintf("there is no Region %s: name one of kubectl get regions", move.To)}
	}
	var all []string
	refuse := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if !Within(to.Spec.Jurisdiction, from.Spec.Jurisdiction) && move.TransferMechanism == "" {
		refuse("data would leave jurisdiction %s for %s under no mechanism: name it in spec.move.transferMechanism", from.Spec.Jurisdiction, to.Spec.Jurisdiction)
	}
	if f.Nodes == 0 {
		refuse("Region %s has no nodes", to.Name)
	}
	switch {
	case f.Class == nil:
		refuse("Region %s has no StorageClass, and the cluster no default: set spec.storageClassName of the Region", to.Name)
	case !f.Class.Bound:
		refuse("StorageClass %s of Region %s is missing, or makes volumes that other regions reach", f.Class.Name, to.Name)
	}
	if _, ok := EngineOf(from).(embedded); !ok {
		refuse("databases of Region %s are run by another engine than Embedded, and only its own are moved: take the tenant out as a file (docs/export.md)", from.Name)
	} else if _, ok := EngineOf(to).(embedded); !ok {
		refuse("databases of Region %s are run by another engine than Embedded: take the tenant there as a file (docs/export.md)", to.Name)
	}
	if f.NotServed {
		refuse("Region %s is not one that this operator serves: take the tenant there as a file (docs/export.md)", to.Name)
	}
	there := in
	there.Region = to
	if there.postgresImage() != in.postgresImage() {
		refuse("Region %s runs databases by image %s, and the tenant has %s: a copy needs the same", to.Name, there.postgresImage(), in.postgresImage())
	}
	if in.Tenant.Spec.ObjectStore != nil {
		refuse("the tenant has files in an object store, which are not moved: take it out as a file (docs/export.md)")
	} else if b := BackupOf(there); b != nil {
		if _, refusal := ToObjectStore(there, b); refusal != nil {
			refuse("backups: %s", refusal.Message)
		}
	}
	if maps.Equal(NodeSelector(from), NodeSelector(to)) {
		refuse("Regions %s and %s have the same nodes", from.Name, to.Name)
	}
	for i := range f.Channels {
		if _, before := Processor(from, &f.Channels[i]); before == nil {
			if _, refusal := Processor(to, &f.Channels[i]); refusal != nil {
				refuse("channel %s: %s", f.Channels[i].Name, refusal.Message)
			}
		}
	}
	all = append(all, webhookRefusals(from, to, in.Tenant.Spec.Webhooks)...)
	all = append(all, staffOIDCRefusals(from, to, in.Tenant.Spec.StaffOIDC)...)
	for i := range f.Policies {
		if Accept(from, &f.Policies[i]) == nil {
			if refusal := Accept(to, &f.Policies[i]); refusal != nil {
				refuse("policy %s: %s", f.Policies[i].Name, refusal.Message)
			}
		}
	}
	if lost := unboundedBy(in, there, f.Policies); len(lost) > 0 {
		refuse("nothing would bound %s in Region %s: apply a RetentionPolicy with rules for them, or give the Region a defaultRetention", strings.Join(lost, ", "), to.Name)
	}
	return bounded(all)
}

// webhookRefusals says which webhooks are sent to from one region, and would not be from the other.
func webhookRefusals(from, to *v1alpha1.Region, webhooks []v1alpha1.Webhook) []string {
	var all []string
	for i := range webhooks {
		if _, before := Webhook(from, &webhooks[i]); before != nil {
			continue
		}
		if _, refusal := Webhook(to, &webhooks[i]); refusal != nil {
			all = append(all, fmt.Sprintf("webhook %s: %s", webhooks[i].Name, refusal.Message))
		}
	}
	return all
}

// staffOIDCRefusals says that staff sign in by a provider from one region, and would not from the other.
func staffOIDCRefusals(from, to *v1alpha1.Region, o *v1alpha1.StaffOIDC) []string {
	if o == nil {
		return nil
	}
	if _, before := StaffOIDC(from, o); before != nil {
		return nil
	}
	if _, refusal := StaffOIDC(to, o); refusal != nil {
		return []string{"staffOIDC: " + refusal.Message}
	}
	return nil
}

// unboundedBy lists the categories that something bounds here, and nothing there.
func unboundedBy(here, there Tenant, own []v1alpha1.RetentionPolicy) []string {
	left := func(in Tenant) []v1alpha1.Category {
		policies := own
		if d := RegionDefault(in, own); d != nil {
			policies = append(slices.Clone(own), *d)
		}
		return Unbounded(in.Region, policies)
	}
	before := left(here)
	var lost []string
	for _, c := range left(there) {
		if !slices.Contains(before, c) {
			lost = append(lost, string(c))
		}
	}
	return lost
}

// MoveCertificate is what stays of what a tenant left behind, without its signature.
func MoveCertificate(in Tenant, m *v1alpha1.MoveStatus, head *v1alpha1.Evidence) *v1alpha1.ErasureCertificate {
	c := &v1alpha1.ErasureCertificate{}
	c.APIVersion, c.Kind = v1alpha1.GroupVersion.String(), "ErasureCertificate"
	c.Name = name.MoveCertificate(in.Tenant.Name, string(in.Tenant.UID), m.SwitchedAt.Time)
	c.Labels = map[string]string{v1alpha1.LabelTenant: in.Tenant.Name}
	c.Spec = v1alpha1.ErasureCertificateSpec{
		Tenant: in.Tenant.Name, TenantUID: string(in.Tenant.UID), Region: m.From, RequestedAt: *m.SwitchedAt, FinishedAt: *m.FinishedAt,
		Counted: m.Verified != nil, Evidence: head, Destroyed: []string{"StatefulSet " + in.Namespace() + "/" + cmp.Or(m.Source, name.Postgres)},
		Unchecked: []string{unknown},
		Moved:     &v1alpha1.Moved{To: m.To, TransferMechanism: m.TransferMechanism, Plan: m.Plan.Digest},
	}
	if v := m.Verified; v != nil {
		c.Spec.Counts, c.Spec.Moved.Tables, c.Spec.Moved.Rows, c.Spec.Moved.Digest = v.Counts, v.Tables, v.Rows, v.Digest
	}
	for _, row := range c.Spec.Counts {
		c.Spec.Rows += row.Rows
	}
	for _, v := range m.Volumes {
		c.Spec.Destroyed = append(c.Spec.Destroyed, "PersistentVolume "+v)
	}
	return c
}
