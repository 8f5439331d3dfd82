// Package transfer tells which of a tenant's data leaves its region's jurisdiction: to
// whom, where, what for, since when, and under which mechanism. Pure functions, from
// what the custom resources say.
package transfer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Kinds of flows.
const (
	KindSubProcessor = "SubProcessor"
	KindWebhook      = "Webhook"
	KindStaffOIDC    = "StaffOIDC"
	KindExport       = "Export"
	KindDatabase     = "Database"
)

// States of a flow.
const (
	StateOpen    = "Open"    // data may go there
	StateStopped = "Stopped" // it is asked for, and the operator lets nothing through
	StateEnded   = "Ended"   // it is not asked for any more
)

// Findings about a flow.
const (
	FindingNoMechanism   = "NoMechanism"   // the place is outside of the jurisdiction, and no mechanism is named
	FindingPlaceNotKnown = "PlaceNotKnown" // nobody has said under which law the place is
)

// Flow is data of a tenant that leaves its region's jurisdiction, or may.
type Flow struct {
	Tenant       string `json:"tenant"`
	Region       string `json:"region"`
	Jurisdiction string `json:"jurisdiction"` // that it leaves, by an ISO 3166 code or EU
	Kind         string `json:"kind"`
	Channel      string `json:"channel,omitempty"`
	Recipient    string `json:"recipient"`          // sub-processor by its name in the register, or the origin of a store
	Location     string `json:"location,omitempty"` // likewise a code, of a store its own word; empty when it is not known
	Purpose      string `json:"purpose,omitempty"`
	Mechanism    string `json:"mechanism,omitempty"`
	State        string `json:"state"`
	// Since is when the operator first saw it asked for, and Until when it had gone, in UTC; nil when that is not known.
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Finding string     `json:"finding,omitempty"`
}

// Report is what is known of the flows of some tenants.
type Report struct {
	AsOf    time.Time `json:"asOf"`
	Tenants []string  `json:"tenants"` // that were looked at
	Flows   []Flow    `json:"flows"`
	// Notes tell of places that the Region's register vouches for, so that they are no flows.
	Notes []string `json:"notes"`
}

// Findings counts flows that somebody must see to: what has ended, nobody can mend.
func (r Report) Findings() int {
	n := 0
	for _, f := range r.Flows {
		if f.Finding != "" && f.State != StateEnded {
			n++
		}
	}
	return n
}

// Add looks at one tenant with its region and the channels of its namespace.
func (r *Report) Add(t *v1alpha1.Tenant, region *v1alpha1.Region, channels []v1alpha1.Channel) {
	r.Tenants = append(r.Tenants, t.Name)
	flows := append(current(region, t, channels), webhooks(region, t)...)
	flows = append(flows, staffOIDC(region, t)...)
	flows = append(flows, ended(region, t, channels)...)
	if d := database(region, t); d != nil {
		flows = append(flows, *d)
	}
	if t.Spec.Export != nil {
		flows = append(flows, exported(t))
	}
	for _, f := range flows {
		f.Tenant, f.Region, f.Jurisdiction = t.Name, region.Name, region.Spec.Jurisdiction
		r.Flows = append(r.Flows, f)
	}
	if s := t.Spec.ObjectStore; s != nil {
		r.Notes = append(r.Notes, "tenant "+t.Name+" keeps files or backups in object store "+s.Name+": the register of region "+region.Name+
			" vouches that it is within "+region.Spec.Jurisdiction+", and the store is asked whether the bucket is where the register says")
	}
}

// current are the flows of the channels that there are.
func current(region *v1alpha1.Region, t *v1alpha1.Tenant, channels []v1alpha1.Channel) []Flow {
	var flows []Flow
	for i := range channels {
		c := &channels[i]
		if c.Spec.SubProcessor == "" {
			continue // a web chat: nobody else carries it
		}
		flows = append(flows, Flow{Kind: KindSubProcessor, Channel: c.Name, Recipient: c.Spec.SubProcessor, State: stateOf(refused(c))})
	}
	return outward(region, t, flows)
}

// webhooks are the flows to other systems of the client's: of ids and times, and of words where the webhook says so.
func webhooks(region *v1alpha1.Region, t *v1alpha1.Tenant) []Flow {
	var flows []Flow
	for i := range t.Spec.Webhooks {
		w := &t.Spec.Webhooks[i]
		_, refusal := plan.Webhook(region, w)
		flows = append(flows, Flow{Kind: KindWebhook, Channel: v1alpha1.WebhookPrefix + w.Name, Recipient: w.SubProcessor, State: stateOf(refusal != nil)})
	}
	return outward(region, t, flows)
}

// staffOIDC is the flow to the provider that staff sign in by: who of them does, and when.
func staffOIDC(region *v1alpha1.Region, t *v1alpha1.Tenant) []Flow {
	o := t.Spec.StaffOIDC
	if o == nil {
		return nil
	}
	_, refusal := plan.StaffOIDC(region, o)
	return outward(region, t, []Flow{{Kind: KindStaffOIDC, Channel: v1alpha1.StaffOIDCFlow, Recipient: o.SubProcessor, State: stateOf(refusal != nil)}})
}

func stateOf(stopped bool) string {
	if stopped {
		return StateStopped
	}
	return StateOpen
}

// outward keeps the flows that leave the jurisdiction, with what the register says of who receives them and since when they were seen.
func outward(region *v1alpha1.Region, t *v1alpha1.Tenant, flows []Flow) []Flow {
	var out []Flow
	for _, f := range flows {
		if seen := seenOf(t, f.Channel, f.Recipient); seen != nil && seen.LastSeen == nil {
			f.Since = instant(seen.FirstSeen)
		}
		p, registered := registerOf(region, f.Recipient)
		switch {
		case !registered:
			f.Finding = FindingPlaceNotKnown
		case plan.Within(p.Location, region.Spec.Jurisdiction):
			continue
		default:
			f.Location, f.Purpose, f.Mechanism = p.Location, p.Purpose, p.TransferMechanism
			if p.TransferMechanism == "" {
				f.Finding = FindingNoMechanism
			}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Flow) int { return cmp.Compare(a.Channel, b.Channel) })
	return out
}

// ended are flows of channels that have gone, as far as status remembers them: under what the register said then.
func ended(region *v1alpha1.Region, t *v1alpha1.Tenant, channels []v1alpha1.Channel) []Flow {
	if t.Status.Residency == nil {
		return nil
	}
	var flows []Flow
	for _, seen := range t.Status.Residency.SubProcessors {
		webhook, is := strings.CutPrefix(seen.Channel, v1alpha1.WebhookPrefix)
		there := slices.ContainsFunc(channels, func(c v1alpha1.Channel) bool { return c.Name == seen.Channel && c.Spec.SubProcessor == seen.Name }) ||
			is && slices.ContainsFunc(t.Spec.Webhooks, func(w v1alpha1.Webhook) bool { return w.Name == webhook && w.SubProcessor == seen.Name }) ||
			seen.Channel == v1alpha1.StaffOIDCFlow && t.Spec.StaffOIDC != nil && t.Spec.StaffOIDC.SubProcessor == seen.Name
		if there || seen.Location != "" && plan.Within(seen.Location, region.Spec.Jurisdiction) {
			continue
		}
		f := Flow{
			Kind: KindSubProcessor, Channel: seen.Channel, Recipient: seen.Name, Location: seen.Location, Mechanism: seen.TransferMechanism,
			State: StateEnded, Since: instant(seen.FirstSeen), Until: instant(seen.LastSeen),
		}
		switch {
		case is:
			f.Kind = KindWebhook
		case seen.Channel == v1alpha1.StaffOIDCFlow:
			f.Kind = KindStaffOIDC
		}
		if p, registered := registerOf(region, seen.Name); registered {
			f.Purpose = p.Purpose
		}
		switch {
		case seen.Location == "":
			f.Finding = FindingPlaceNotKnown
		case seen.TransferMechanism == "":
			f.Finding = FindingNoMechanism
		}
		flows = append(flows, f)
	}
	return flows
}

// database is a provider's server outside of the jurisdiction; nil for one within, or of the tenant's own namespace.
func database(region *v1alpha1.Region, t *v1alpha1.Tenant) *Flow {
	e := plan.External(region)
	if e == nil || plan.Within(e.Location, region.Spec.Jurisdiction) {
		return nil
	}
	f := &Flow{Kind: KindDatabase, Recipient: e.Provider, Location: e.Location, Purpose: "storage of all data", Mechanism: e.TransferMechanism, State: StateOpen}
	if e.TransferMechanism == "" {
		f.Finding = FindingNoMechanism
	}
	if r := t.Status.Residency; r != nil && r.Database != nil && r.Database.Provider == e.Provider && r.Database.Location == e.Location {
		f.Since = instant(r.Database.FirstSeen)
	}
	return f
}

// exported is the file that a tenant is to be taken out as: the register knows nothing of where it goes.
func exported(t *v1alpha1.Tenant) Flow {
	store := t.Spec.Export.ObjectStore
	return Flow{
		Kind: KindExport, Recipient: store.Endpoint, Location: store.Location, State: StateOpen, Finding: FindingPlaceNotKnown,
		Purpose: "hand-over of all data before it is erased, encrypted to the recipient's key",
	}
}

func seenOf(t *v1alpha1.Tenant, channel, processor string) *v1alpha1.ObservedSubProcessor {
	if t.Status.Residency == nil {
		return nil
	}
	for i := range t.Status.Residency.SubProcessors {
		if s := &t.Status.Residency.SubProcessors[i]; s.Channel == channel && s.Name == processor {
			return s
		}
	}
	return nil
}

// refused says that the operator has taken the connector down, or never made it, for the channel as it is now.
func refused(c *v1alpha1.Channel) bool {
	accepted := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionAccepted)
	return accepted != nil && accepted.Status == metav1.ConditionFalse && accepted.ObservedGeneration == c.Generation
}

func registerOf(region *v1alpha1.Region, processor string) (v1alpha1.SubProcessor, bool) {
	i := slices.IndexFunc(region.Spec.SubProcessors, func(p v1alpha1.SubProcessor) bool { return p.Name == processor })
	if i < 0 {
		return v1alpha1.SubProcessor{}, false
	}
	return region.Spec.SubProcessors[i], true
}

func instant(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
