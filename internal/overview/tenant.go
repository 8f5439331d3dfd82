package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Kinds of nodes.
const (
	KindTenant    = "tenant"
	KindRegion    = "region"
	KindInstance  = "instance"
	KindDatabase  = "database"
	KindChannels  = "channels"
	KindChannel   = "channel"
	KindRetention = "retention"
	KindPolicy    = "policy"
	KindCategory  = "category"
	KindHolds     = "holds"
	KindHold      = "hold"
	KindRequests  = "requests"
	KindRequest   = "request"
	KindEvidence  = "evidence"
	KindResidency = "residency"
	KindIsolation = "isolation"
)

// Facts of a tenant, as they were read.
type Read struct {
	Tenant   *v1alpha1.Tenant
	Region   *v1alpha1.Region
	Channels []v1alpha1.Channel
	Policies []v1alpha1.RetentionPolicy
	Holds    []v1alpha1.LegalHold
	Requests []v1alpha1.DataSubjectRequest
	// Unread says why a kind of nodes could not be read, by KindTenant, KindRegion and so on.
	Unread map[string]string
}

// Of sums a tenant up.
func Of(r Read) Node {
	t := r.Tenant
	root := Node{Kind: KindTenant, Name: t.Name}
	root.Facts.add("displayName", t.Spec.DisplayName)
	root.Facts.add("namespace", plan.Tenant{Tenant: t}.Namespace())
	root.Facts.add("hostname", t.Spec.Hostname)
	for _, e := range t.Status.Endpoints {
		if e.Name == "api" {
			root.Facts.add("api", e.URL)
		}
	}
	own := r.ofTenant()
	root.Parts = []Node{
		r.region(), own[KindInstance], own[KindDatabase],
		group(KindChannels, r, r.Channels, channel),
		r.retention(own[KindRetention]),
		group(KindHolds, r, r.Holds, hold),
		r.requests(),
		r.evidence(), own[KindResidency], own[KindIsolation],
	}
	return root.close()
}

// belongs says which node tells of a condition of a Tenant; those that are not here are the instance's.
var belongs = map[string]string{
	v1alpha1.ConditionDatabaseReady: KindDatabase, v1alpha1.ConditionMigrated: KindDatabase, v1alpha1.ConditionDatabaseCurrent: KindDatabase,
	v1alpha1.ConditionBackedUp: KindDatabase, v1alpha1.ConditionObjectStoreReady: KindDatabase,
	v1alpha1.ConditionRetentionCovered: KindRetention, v1alpha1.ConditionResidencyCompliant: KindResidency,
	v1alpha1.ConditionIsolated: KindIsolation, v1alpha1.ConditionNetworkIsolated: KindIsolation,
}

// ofTenant are the nodes that a Tenant's own status tells of.
func (r Read) ofTenant() map[string]Node {
	t := r.Tenant
	nodes := map[string]Node{}
	for _, kind := range []string{KindInstance, KindDatabase, KindRetention, KindResidency, KindIsolation} {
		n := Node{Kind: kind}
		if why := r.Unread[KindTenant]; why != "" {
			n.Mark = Unknown
			if kind == KindInstance {
				n.Problems = []Problem{unread(why)}
			}
		}
		nodes[kind] = n
	}
	if r.Unread[KindTenant] != "" {
		return nodes
	}
	for _, p := range (object{&t.ObjectMeta, t.Status.ObservedGeneration, t.Status.Conditions}).problems() {
		kind := cmp.Or(belongs[p.Condition], KindInstance)
		n := nodes[kind]
		n.Problems = append(n.Problems, p)
		nodes[kind] = n
	}
	instance(nodes, t)
	r.database(nodes)
	residency(nodes, t)
	isolation(nodes, t)
	for kind, n := range nodes {
		nodes[kind] = n.close()
	}
	return nodes
}

func instance(nodes map[string]Node, t *v1alpha1.Tenant) {
	n := nodes[KindInstance]
	if m := t.Status.Move; m != nil && t.Spec.Move != nil {
		n.Facts.add("move", fmt.Sprintf("%s to %s", m.Phase, m.To))
	}
	if len(t.Spec.Webhooks) > 0 {
		n.Facts.add("webhooks", int64(len(t.Spec.Webhooks)))
	}
	if t.Spec.PrivacyNotice != nil {
		n.Facts.add("privacyNotice", int64(t.Spec.PrivacyNotice.Version))
	}
	if s := t.Status.PrivacyNotice; s != nil && s.ToTell != nil {
		n.Facts.add("guestsToTell", *s.ToTell)
	}
	nodes[KindInstance] = n
}

func (r Read) database(nodes map[string]Node) {
	n, s := nodes[KindDatabase], r.Tenant.Status
	if r.Region != nil {
		n.Name = Engine(r.Region)
		if d := plan.External(r.Region); d != nil {
			n.Facts.add("provider", d.Provider)
		}
	}
	if s.SchemaVersion > 0 {
		n.Facts.add("schema", s.SchemaVersion)
	}
	if b := s.Backup; b != nil {
		n.Facts.add("lastBackup", b.TakenAt)
	}
	if x := s.Restore; x != nil {
		n.Facts.add("restore", x.Phase)
	}
	nodes[KindDatabase] = n
}

// Engine of a region's databases.
func Engine(region *v1alpha1.Region) string {
	if d := region.Spec.Database; d != nil {
		return string(cmp.Or(d.Engine, v1alpha1.EngineEmbedded))
	}
	return string(v1alpha1.EngineEmbedded)
}

func residency(nodes map[string]Node, t *v1alpha1.Tenant) {
	n := nodes[KindResidency]
	if s := t.Status.Residency; s != nil {
		seen := int64(0)
		for _, node := range s.Nodes {
			if node.LastSeen == nil {
				seen++
			}
		}
		n.Facts.add("nodes", seen)
		seen = 0
		for _, v := range s.Volumes {
			if v.LastSeen == nil {
				seen++
			}
		}
		n.Facts.add("volumes", seen)
		if d := s.Database; d != nil {
			n.Facts.add("databaseSaidToBeIn", d.Location)
		}
		if len(s.Violations) > 0 {
			n.Facts.add("outside", int64(len(s.Violations)))
		}
	}
	nodes[KindResidency] = n
}

func isolation(nodes map[string]Node, t *v1alpha1.Tenant) {
	n := nodes[KindIsolation]
	if p := t.Status.Network; p != nil {
		n.Facts.add("probed", &p.ProbedAt)
		n.Facts.add("tried", int64(p.Tried))
		n.Facts.add("reached", int64(len(p.Reached)))
	}
	nodes[KindIsolation] = n
}

func (r Read) region() Node {
	n := Node{Kind: KindRegion, Name: r.Tenant.Spec.Region}
	switch {
	case r.Unread[KindRegion] != "":
		n.Mark, n.Problems = Unknown, []Problem{unread(r.Unread[KindRegion])}
	case r.Region == nil && n.Name != "":
		n.Problems = []Problem{{
			Reason: v1alpha1.ReasonRegionNotFound, Mark: Broken,
			Message: fmt.Sprintf("there is no Region %s: see kubectl get regions, and apply it or name another", n.Name),
		}}
	case r.Region == nil:
		n.Mark = Unknown
	default:
		n.Facts.add("jurisdiction", r.Region.Spec.Jurisdiction)
		n.Problems = object{&r.Region.ObjectMeta, r.Region.Status.ObservedGeneration, r.Region.Status.Conditions}.problems()
	}
	return n.close()
}

func unread(why string) Problem { return Problem{Reason: "NotRead", Mark: Unknown, Message: why} }

// group gives a node for each of a kind, by name, under one.
func group[T any](kind string, r Read, all []T, one func(*T) Node) Node {
	n := Node{Kind: kind}
	if why := r.Unread[kind]; why != "" {
		n.Mark, n.Problems = Unknown, []Problem{unread(why)}
		return n.close()
	}
	for i := range all {
		n.Parts = append(n.Parts, one(&all[i]).close())
	}
	slices.SortFunc(n.Parts, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	n.Facts.add("count", int64(len(all)))
	return n.close()
}

func channel(c *v1alpha1.Channel) Node {
	n := Node{Kind: KindChannel, Name: c.Name, Problems: object{&c.ObjectMeta, c.Status.ObservedGeneration, c.Status.Conditions}.problems()}
	n.Facts.add("type", string(c.Spec.Type))
	n.Facts.add("subProcessor", c.Spec.SubProcessor)
	return n
}

func (r Read) retention(own Node) Node {
	n := group(KindRetention, r, r.Policies, policy)
	n.Mark, n.Problems = Worse(n.Mark, own.Mark), append(n.Problems, own.Problems...)
	return n.close()
}

func policy(p *v1alpha1.RetentionPolicy) Node {
	n := Node{Kind: KindPolicy, Name: p.Name, Problems: object{&p.ObjectMeta, p.Status.ObservedGeneration, p.Status.Conditions}.problems()}
	n.Facts.add("schedule", p.Spec.Schedule)
	if p.Spec.TimeZone != "" {
		n.Facts.add("timeZone", p.Spec.TimeZone)
	}
	if p.Spec.Mode == v1alpha1.ModeDryRun {
		n.Facts.add("mode", string(p.Spec.Mode))
	}
	if last := p.Status.LastRun; last != nil {
		n.Facts.add("lastRun", &last.FinishedAt)
		if last.Outcome != "" && last.Outcome != "Enforced" {
			n.Facts.add("outcome", last.Outcome)
		}
	}
	n.Facts.add("nextRun", p.Status.NextRun)
	var newest []v1alpha1.CategoryRun
	if len(p.Status.Runs) > 0 {
		newest = p.Status.Runs[0].Categories
	}
	for _, rule := range p.Spec.Rules {
		c := Node{Kind: KindCategory, Name: string(rule.Category)}
		c.Facts.add("limitDays", int64(rule.RetainDays))
		if rule.Action == v1alpha1.ActionAnonymize {
			c.Facts.add("action", string(rule.Action))
		}
		for _, run := range newest {
			if run.Category == rule.Category {
				ran(&c, run)
			}
		}
		n.Parts = append(n.Parts, c.close())
	}
	slices.SortFunc(n.Parts, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	return n
}

// ran tells what the newest run did to a category. Its rows that are overdue are told by the policy's condition.
func ran(c *Node, run v1alpha1.CategoryRun) {
	c.Facts.add("deleted", run.Deleted)
	if run.HeldBack > 0 {
		c.Facts.add("heldBack", run.HeldBack)
	}
	if run.Overdue == nil {
		c.Facts.add("overdue", "not counted")
		return
	}
	c.Facts.add("overdue", *run.Overdue)
	if *run.Overdue > 0 {
		c.Mark = Broken
	}
}

func hold(h *v1alpha1.LegalHold) Node {
	n := Node{Kind: KindHold, Name: h.Name, Problems: object{&h.ObjectMeta, h.Status.ObservedGeneration, h.Status.Conditions}.problems()}
	n.Facts.add("until", h.Spec.Until)
	if m := h.Status.Matched; m != nil {
		n.Facts.add("messages", m.Messages)
	}
	if b := h.Status.HeldBack; b != nil {
		n.Facts.add("heldBack", *b)
	}
	return n
}

// requests tells of those that are not done, or that something is wrong with, and counts the others.
func (r Read) requests() Node {
	var told []v1alpha1.DataSubjectRequest
	done := 0
	for i := range r.Requests {
		if q := &r.Requests[i]; q.Status.Phase == v1alpha1.RequestCompleted && request(q).close().Mark == OK {
			done++
		} else {
			told = append(told, *q)
		}
	}
	n := group(KindRequests, r, told, request)
	if done > 0 {
		n.Facts.add("completed", int64(done))
	}
	return n
}

func request(q *v1alpha1.DataSubjectRequest) Node {
	n := Node{Kind: KindRequest, Name: q.Name, Problems: object{&q.ObjectMeta, q.Status.ObservedGeneration, q.Status.Conditions}.problems()}
	n.Facts.add("type", string(q.Spec.Type))
	n.Facts.add("phase", string(q.Status.Phase))
	n.Facts.add("due", q.Status.DueAt)
	n.Facts.add("completed", q.Status.CompletedAt)
	return n
}

// evidence is broken as soon as one receipt contradicts what was countersigned, whoever tells of it.
func (r Read) evidence() Node {
	n := Node{Kind: KindEvidence}
	if r.Unread[KindTenant] != "" {
		n.Mark = Unknown
		return n
	}
	if e := r.Tenant.Status.Evidence; e != nil {
		n.Facts.add("head", fmt.Sprintf("%d:%s", e.Sequence, e.Digest))
		n.Facts.add("countersigned", &e.SignedAt)
		n.Facts.add("ledger", e.Ledger)
	} else {
		n.Facts.add("head", "none yet")
	}
	var by []string
	for _, p := range r.Policies {
		for _, c := range p.Status.Conditions {
			if c.Reason == v1alpha1.ReasonEvidenceBroken && !slices.Contains(by, "policy "+p.Name) {
				by = append(by, "policy "+p.Name)
			}
		}
	}
	for _, q := range r.Requests {
		for _, c := range q.Status.Conditions {
			if c.Reason == v1alpha1.ReasonEvidenceBroken && !slices.Contains(by, "request "+q.Name) {
				by = append(by, "request "+q.Name)
			}
		}
	}
	if len(by) > 0 {
		n.Problems = []Problem{{Reason: v1alpha1.ReasonEvidenceBroken, Mark: Broken, Message: fmt.Sprintf(
			"what %s told contradicts the ledger: run kubectl switchboard audit verify %s", strings.Join(by, ", "), r.Tenant.Name)}}
	}
	return n.close()
}
