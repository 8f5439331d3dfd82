package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// TenantFacts are what is known of a tenant.
type TenantFacts struct {
	Outcome   error // of the steps
	Suspended bool
	// What the steps got done.
	NamespaceReady, Isolated, CredentialsReady bool
	// GlassBroken: the namespace bears the annotation that suspends the policies of residency.
	GlassBroken bool

	Database    observe.Workload
	StatefulSet string // that runs it, where the operator does
	External    bool   // a provider runs it
	Cluster     bool   // CloudNativePG runs it
	Setup       observe.Setup
	Server      observe.Workload
	Residency   *v1alpha1.Residency
	Region      string
	Covered     Coverage
	// Current: the database holds all that is known of it.
	Current  bool
	Backup   Backup
	Network  Network
	Move     Move
	Webhooks Webhooks
	Rollout  Rollout
	// SendWindow is the tenant's, nil for none.
	SendWindow *v1alpha1.SendWindow
	// StaffOIDC is what is known of the provider that staff sign in by.
	StaffOIDC StaffOIDC
	// The tenant names an object store; it may be used.
	StoreWanted, StoreReady bool
}

// Coverage is what is known of the categories of data and the policies in force.
type Coverage struct {
	Known     bool
	Unbounded []v1alpha1.Category
	// Problem is why the Region's default could not be used; empty when it could.
	Problem string
}

// Tenant judges a tenant that is not being deleted.
func Tenant(f TenantFacts) []metav1.Condition {
	conditions := []metav1.Condition{
		done(f, v1alpha1.ConditionNamespaceReady, f.NamespaceReady, "the namespace is there"),
		isolated(f),
		done(f, v1alpha1.ConditionCredentialsReady, f.CredentialsReady, "certificates and credentials are there"),
		database(f), migrated(f), server(f), residency(f),
	}
	if f.StoreWanted {
		conditions = append(conditions, done(f, v1alpha1.ConditionObjectStoreReady, f.StoreReady, "the bucket is where the Region's register says, and keeps nothing that is deleted"))
	}
	if c, says := told(v1alpha1.ConditionDatabaseCurrent, f.Outcome); says {
		conditions = append([]metav1.Condition{c}, conditions...) // the reason why others are not
	} else if f.Current {
		conditions = append(conditions, is(v1alpha1.ConditionDatabaseCurrent, true, v1alpha1.ReasonReady, "the database holds all that is known of it"))
	}
	outcome, move := f.Outcome, moved(f)
	if _, waits := told(v1alpha1.ConditionMoved, outcome); waits {
		outcome = nil // served all the same
		if handsOver(f.Move.Status) {
			conditions, move = append(move, conditions...), nil
		}
	}
	all := append(summarise(conditions, outcome, "the tenant is served"), covered(f.Covered), backedUp(f.Backup), networkIsolated(f.Network), upToDate(f.Rollout))
	all = append(all, webhooks(f)...)
	all = append(all, window(f)...)
	all = append(all, staffOIDC(f)...)
	return append(all, move...)
}

// covered is not part of Ready: data that no policy bounds is kept, and served.
func covered(c Coverage) metav1.Condition {
	const condition = v1alpha1.ConditionRetentionCovered
	switch {
	case !c.Known:
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	case c.Problem != "":
		return is(condition, false, v1alpha1.ReasonUnbounded, c.Problem)
	case len(c.Unbounded) > 0:
		names := make([]string, len(c.Unbounded))
		for i, category := range c.Unbounded {
			names[i] = string(category)
		}
		return is(condition, false, v1alpha1.ReasonUnbounded, "no policy bounds "+strings.Join(names, ", ")+
			": apply a RetentionPolicy with rules for them, or give the Region a defaultRetention")
	default:
		return is(condition, true, v1alpha1.ReasonReady, "every category of data is bounded")
	}
}

func done(f TenantFacts, condition string, ok bool, message string) metav1.Condition {
	if c, says := told(condition, f.Outcome); says {
		return c
	}
	if ok {
		return is(condition, true, v1alpha1.ReasonReady, message)
	}
	return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
}

// isolated is False while somebody has suspended the policies: that must not be forgotten.
func isolated(f TenantFacts) metav1.Condition {
	c := done(f, v1alpha1.ConditionIsolated, f.Isolated, "quota, limits and network policies are applied")
	if c.Status == metav1.ConditionTrue && f.GlassBroken {
		return is(c.Type, false, v1alpha1.ReasonGlassBroken, "the glass is broken: nothing is refused for the sake of residency until annotation "+
			v1alpha1.AnnotationBreakGlass+" is removed from the namespace")
	}
	return c
}

func database(f TenantFacts) metav1.Condition {
	if c, says := told(v1alpha1.ConditionDatabaseReady, f.Outcome); says && (f.External || f.Cluster) {
		return c
	}
	switch {
	case f.Database.Settled:
		return is(v1alpha1.ConditionDatabaseReady, true, v1alpha1.ReasonReady, "the database accepts connections")
	case f.Database.Exists:
		return is(v1alpha1.ConditionDatabaseReady, false, v1alpha1.ReasonProgressing, "the database is not ready; see kubectl describe "+f.DatabaseObject()+" in the tenant's namespace if this lasts")
	default:
		return unknown(v1alpha1.ConditionDatabaseReady, v1alpha1.ReasonWaiting, "not come to yet")
	}
}

// DatabaseObject is what tells more of a database that is not ready.
func (f TenantFacts) DatabaseObject() string {
	if f.Cluster {
		return "clusters.postgresql.cnpg.io postgres"
	}
	return "pod " + cmp.Or(f.StatefulSet, name.Postgres) + "-0"
}

func migrated(f TenantFacts) metav1.Condition {
	if c, says := told(v1alpha1.ConditionMigrated, f.Outcome); says {
		return c
	}
	if f.Setup.Done && f.Rollout.Status != nil {
		own := slices.DeleteFunc(slices.Clone(f.Rollout.Status.Lacks), func(p string) bool { return p == contract.PartStaffOIDC })
		if c, lacks := f.Rollout.lacked(v1alpha1.ConditionMigrated, own...); lacks {
			return c
		}
	}
	if f.Setup.Done {
		return is(v1alpha1.ConditionMigrated, true, v1alpha1.ReasonReady, "schema, roles, channels and limits are as asked for")
	}
	return unknown(v1alpha1.ConditionMigrated, v1alpha1.ReasonWaiting, "not come to yet")
}

func server(f TenantFacts) metav1.Condition {
	const condition = v1alpha1.ConditionInstanceAvailable
	switch {
	case f.Suspended:
		return is(condition, false, v1alpha1.ReasonSuspended, "spec.suspended is true: set it to false to serve the tenant again")
	case !f.Server.Exists:
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	case f.Server.Available == 0:
		return is(condition, false, v1alpha1.ReasonProgressing, "no pod of Deployment serve is available; see kubectl describe pods in the tenant's namespace if this lasts")
	case f.Server.Available < f.Server.Wanted:
		return is(condition, false, v1alpha1.ReasonProgressing, fmt.Sprintf("%d of %d pods are available", f.Server.Available, f.Server.Wanted))
	default:
		return is(condition, true, v1alpha1.ReasonReady, "the staff API answers")
	}
}

// Refused judges a tenant that this operator leaves alone.
func Refused(outcome error) []metav1.Condition {
	accepted, _ := told(v1alpha1.ConditionAccepted, outcome)
	return summarise([]metav1.Condition{accepted}, outcome, "")
}

// Terminating judges a tenant or a channel that is being deleted: what its deletion waits for.
func Terminating(outcome error) []metav1.Condition {
	waiting := is(v1alpha1.ConditionTerminating, true, v1alpha1.ReasonFailed, outcome.Error())
	if c, says := told(v1alpha1.ConditionTerminating, outcome); says {
		waiting.Reason = c.Reason
	}
	return []metav1.Condition{
		is(v1alpha1.ConditionReady, false, v1alpha1.ReasonDeleting, waiting.Message),
		waiting,
		is(v1alpha1.ConditionReconciling, true, v1alpha1.ReasonDeleting, waiting.Message),
	}
}
