package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func (g guest) ready(t *testing.T, what string, status metav1.ConditionStatus, reason, part string) {
	t.Helper()
	eventually(t, what, func(context.Context) error {
		return says(g.tenant(t).Status.Conditions, v1alpha1.ConditionDatabaseReady, status, reason, part)
	})
}

// provided takes a client whose database a provider runs from every mistake to its erasure.
func provided(t *testing.T, c testCluster) {
	g := guest{database: pgtest.StartProvider(t)}
	other := pgtest.StartProvider(t)
	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "provided"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "twilio", Purpose: "delivery", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"}},
		Database: &v1alpha1.RegionDatabase{Engine: v1alpha1.EngineExternal, External: &v1alpha1.ExternalDatabase{
			Provider: "Example", Location: "DE", CredentialsSecretRef: v1alpha1.SecretReference{Name: "server"},
			Egress: v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"203.0.113.64/28"}, Ports: []v1alpha1.Port{v1alpha1.Port(g.database.Server.Port)}}, //nolint:gosec // a port
		}},
	}})
	g.hotel = c.book(t, "provided", func(o *v1alpha1.TenantSpec) {
		o.Region, o.DeletionPolicy = "provided", v1alpha1.DeletionErase
		o.Backup = &v1alpha1.Backup{}
	})
	g.mistakes(t, other)
	g.served(t)
	g.abroad(t)
	g.leaves(t)
}

// mistakes in the Secret and on the server: each is told by its reason, and nothing is made on the server.
func (g guest) mistakes(t *testing.T, other *pgtest.Database) {
	t.Helper()
	g.ready(t, "no Secret", metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "create secret generic server")
	g.leads(t, func(data map[string][]byte) { delete(data, "ca.crt") })
	g.ready(t, "no authority", metav1.ConditionFalse, v1alpha1.ReasonKeyMissing, "no key ca.crt")
	g.leads(t, func(data map[string][]byte) { data["port"] = []byte("1") })
	g.ready(t, "a closed port", metav1.ConditionFalse, v1alpha1.ReasonDatabaseUnreachable, "egress.ports")

	g.leads(t, func(data map[string][]byte) {
		ca, err := os.ReadFile(filepath.Join(other.ByPassword(t, pgtest.ProviderLogin, pgtest.Password).Dir, contract.FileCA))
		if err != nil {
			t.Fatal(err)
		}
		data["ca.crt"] = ca
	})
	job := g.runs(t, "check-database-", nil, ask)
	g.ready(t, "another authority", metav1.ConditionFalse, v1alpha1.ReasonDatabaseUntrusted, "provider Example: the server's certificate is not of the authority")
	g.leads(t, func(data map[string][]byte) { data["password"] = []byte("guessed") })
	job = g.runs(t, "check-database-", job, ask)
	g.ready(t, "a wrong password", metav1.ConditionFalse, v1alpha1.ReasonDatabaseLoginRefused, "refuses the login")
	g.leads(t, func(data map[string][]byte) { data["dbname"] = []byte("elsewhere") })
	job = g.runs(t, "check-database-", job, ask)
	g.ready(t, "no such database", metav1.ConditionFalse, v1alpha1.ReasonDatabaseLoginRefused, "dbname")
	g.database.Server.Exec(t, "ALTER ROLE "+pgtest.ProviderLogin+" NOCREATEROLE")
	g.leads(t, func(map[string][]byte) {})
	job = g.runs(t, "check-database-", job, ask)
	g.ready(t, "too few rights", metav1.ConditionFalse, v1alpha1.ReasonDatabaseRightsMissing, "CREATEROLE")
	if err := condition(g.tenant(t).Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDatabaseRightsMissing); err != nil {
		t.Error(err)
	}
	if n := g.left(t); n != 0 {
		t.Errorf("%d roles and schemas are on a server that was refused", n)
	}
	g.database.Server.Exec(t, "ALTER ROLE "+pgtest.ProviderLogin+" CREATEROLE")
	g.leads(t, func(data map[string][]byte) { data["note"] = []byte("mended") })
	g.runs(t, "check-database-", job, ask)
	g.ready(t, "all is well", metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}

// left counts what of a tenant is on the server.
func (g guest) left(t *testing.T) (n int) {
	t.Helper()
	err := g.database.Admin(t).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sb\_%')
		+ (SELECT count(*) FROM pg_namespace WHERE nspname IN ('sb', 'migration') OR nspname LIKE 'queue\_%')`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// served: the migration makes schema and roles there, and the components log in by their own.
func (g guest) served(t *testing.T) {
	t.Helper()
	g.runs(t, "migrate-", nil, bringAbout)
	g.settle(t)
	serve := get(t, g.hotel, "serve", &appsv1.Deployment{}).Spec.Template.Spec
	dir := g.mount(t, serve.Volumes[0])
	pool, err := store.OpenConfig(t.Context(), slog.New(slog.DiscardHandler), store.Config{Dir: dir, Unguarded: true})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "SELECT count(*) FROM sb.conversation"); err != nil {
		t.Errorf("serve, by what its pod mounts: %v", err)
	}
	for _, never := range []client.Object{&appsv1.StatefulSet{}, &batchv1.CronJob{}, &corev1.Secret{}} {
		name := map[string]string{"*v1.StatefulSet": "postgres", "*v1.CronJob": "backup", "*v1.Secret": "database-admin-v1"}[kindOf(never)]
		if err := g.Get(t.Context(), g.key(name), never); !apierrors.IsNotFound(err) {
			t.Errorf("%s %s is there: %v", kindOf(never), name, err)
		}
	}
	policy := get(t, g.hotel, "serve", &networkingv1.NetworkPolicy{}).Spec.Egress
	if len(policy) != 1 || policy[0].To[0].IPBlock.CIDR != "203.0.113.64/28" || policy[0].Ports[0].Port.IntValue() != g.database.Server.Port {
		t.Errorf("serve may go to %+v", policy)
	}
	g.is(t, "where the provider says that it is", func(o *v1alpha1.Tenant) error {
		if d := o.Status.Residency.Database; d == nil || d.Provider != "Example" || d.Location != "DE" || !d.Claimed || !d.Allowed || d.FirstSeen == nil {
			return errors.New("it is not told")
		}
		return says(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionFalse, v1alpha1.ReasonNoBackup, "by its provider")
	})
}

func kindOf(o client.Object) string {
	switch o.(type) {
	case *appsv1.StatefulSet:
		return "*v1.StatefulSet"
	case *batchv1.CronJob:
		return "*v1.CronJob"
	default:
		return "*v1.Secret"
	}
}

// abroad: a provider that moves elsewhere without a mechanism stops what would write there.
func (g guest) abroad(t *testing.T) {
	t.Helper()
	to := func(location string) {
		amend(t, g, aRegion("provided"), func(o *v1alpha1.Region) { o.Spec.Database.External.Location = location })
	}
	to("IN")
	g.ready(t, "abroad", metav1.ConditionFalse, v1alpha1.ReasonTransferNotCovered, "are in IN, outside of jurisdiction EU")
	eventually(t, "the channel is stopped", func(ctx context.Context) error {
		channel := &v1alpha1.Channel{}
		if err := g.Get(ctx, g.key("desk"), channel); err != nil {
			return err
		}
		return condition(channel.Status.Conditions, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonTransferNotCovered)
	})
	to("DE")
	g.settle(t)
	region := &v1alpha1.Region{}
	if err := g.Get(t.Context(), client.ObjectKey{Name: "provided"}, region); err != nil {
		t.Fatal(err)
	}
	region.Spec.Database = nil
	if err := g.Update(t.Context(), region); err == nil || !strings.Contains(err.Error(), "database.engine can't change") {
		t.Errorf("the engine can change: %v", err)
	}
}

// leaves: an erasure takes along what is on the server, and the certificate says what nobody could check.
func (g guest) leaves(t *testing.T) {
	t.Helper()
	leaving := g.tenant(t)
	if err := g.Delete(t.Context(), leaving); err != nil {
		t.Fatal(err)
	}
	terminating := func(reason, part string) {
		t.Helper()
		eventually(t, "it says what it waits for: "+part, func(context.Context) error {
			return says(g.tenant(t).Status.Conditions, v1alpha1.ConditionTerminating, metav1.ConditionTrue, reason, part)
		})
	}
	terminating(v1alpha1.ReasonCounting, "counted by Job count")
	g.finishes(t, get(t, g.hotel, "count", &batchv1.Job{}), `{"count":{"counts":[]}}`)
	terminating(v1alpha1.ReasonObjectsRemain, "waiting for pods to end: ")
	g.collect(t)
	terminating(v1alpha1.ReasonEmptyingDatabase, "the server of provider Example")
	if g.left(t) == 0 {
		t.Error("nothing was on the server: the test shows nothing")
	}
	g.runs(t, "erase-database", nil, ask)
	terminating(v1alpha1.ReasonObjectsRemain, "namespace "+g.namespace+" is being deleted")
	if n := g.left(t); n != 0 {
		t.Errorf("%d roles and schemas are left", n)
	}
	g.collect(t)
	ns := &corev1.Namespace{}
	if err := g.Get(t.Context(), client.ObjectKey{Name: g.namespace}, ns); err != nil {
		t.Fatal(err)
	}
	ns.Spec.Finalizers = nil // the namespace controller is done
	if err := g.SubResource("finalize").Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	g.testCluster.gone(t, client.ObjectKey{Name: g.name}, &v1alpha1.Tenant{})
	certificate := &v1alpha1.ErasureCertificate{}
	if err := g.Get(t.Context(), client.ObjectKey{Name: "provided-" + string(leaving.UID)[:8]}, certificate); err != nil {
		t.Fatal(err)
	}
	has := func(list []string, part string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
	}
	if !has(certificate.Spec.Destroyed, "roles in the database of provider Example") || !has(certificate.Spec.Unchecked, "that provider Example keeps of the database") {
		t.Errorf("destroyed are %q, unchecked %q", certificate.Spec.Destroyed, certificate.Spec.Unchecked)
	}
}
