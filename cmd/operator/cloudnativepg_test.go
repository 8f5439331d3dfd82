package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// CloudNativePG as its module has it. It is no dependency of the program: only its resource definition is read.
const (
	cnpgModule = "github.com/cloudnative-pg/cloudnative-pg@v1.30.0"
	cnpgSum    = "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0="
)

// clusterDefinition is the file with CloudNativePG's own definition of Cluster.
func clusterDefinition(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module download\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", cnpgModule)
	download.Dir = dir
	out, err := download.Output()
	var module struct{ Dir, Sum string }
	if err := errors.Join(err, json.Unmarshal(out, &module)); err != nil {
		t.Fatalf("fetching %s: %v\n%s", cnpgModule, err, out)
	}
	if module.Sum != cnpgSum {
		t.Fatalf("%s has the sum %s, want %s", cnpgModule, module.Sum, cnpgSum)
	}
	return filepath.Join(module.Dir, "config", "crd", "bases", "postgresql.cnpg.io_clusters.yaml")
}

func clusteredRegion() *v1alpha1.Region {
	return &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "clustered"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "twilio", Purpose: "delivery", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"}},
		StorageClassName: "local",
		Tolerations:      []corev1.Toleration{{Key: "tenants", Operator: corev1.TolerationOpExists}},
		Database: &v1alpha1.RegionDatabase{Engine: v1alpha1.EngineCloudNativePG, Image: "registry.example/postgresql:15", CloudNativePG: &v1alpha1.CloudNativePG{
			APIServer: v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"198.51.100.7/32"}, Ports: []v1alpha1.Port{6443}},
		}},
	}}
}

// TestCloudNativePG has a client whose database CloudNativePG would run, held to its own resource definition; the test
// plays its operator.
func TestCloudNativePG(t *testing.T) {
	c := prepareCluster(t, clusterDefinition(t))
	c.start(t)
	create(t, c, clusteredRegion())
	h := c.book(t, "clustered", func(o *v1alpha1.TenantSpec) {
		o.Region, o.Backup = "clustered", &v1alpha1.Backup{Schedule: "@weekly"}
	})
	t.Run("a Cluster with all that was planned", func(t *testing.T) { clusterIsMade(t, h) })
	t.Run("the tenant is served when it has a leader", func(t *testing.T) { clusterLeads(t, h) })
	t.Run("a change by others is put back, but for what CloudNativePG fills in, and nothing else is written", func(t *testing.T) {
		filled := h.cluster(t)
		if err := unstructured.SetNestedField(filled.Object, "5min", "spec", "postgresql", "parameters", "archive_timeout"); err != nil {
			t.Fatal(err)
		}
		if err := c.Update(t.Context(), filled, client.FieldOwner("manager")); err != nil {
			t.Fatal(err)
		}
		amend(t, c, h.cluster(t), func(o *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(o.Object, int64(1), "spec", "instances"); err != nil {
				t.Fatal(err)
			}
		})
		eventually(t, "two instances again", func(context.Context) error {
			if n, _, _ := unstructured.NestedInt64(h.cluster(t).Object, "spec", "instances"); n != 2 {
				return fmt.Errorf("there are to be %d", n)
			}
			return nil
		})
		quiet(t, c)
		if v, _, _ := unstructured.NestedString(h.cluster(t).Object, "spec", "postgresql", "parameters", "archive_timeout"); v != "5min" {
			t.Error("the two operators write over each other: what CloudNativePG filled in has gone")
		}
		before := c.writes.Load()
		c.restart(t)
		quiet(t, c)
		if again := c.writes.since(before); len(again) > 0 {
			t.Errorf("a pass in which nothing differs writes %v", again)
		}
	})
	t.Run("a backup is put in the place of what the leader has", func(t *testing.T) { clusterIsPutBack(t, h) })
	t.Run("kept, it sleeps and keeps its volumes; taken up again, it wakes", func(t *testing.T) { clusterSleeps(t, h) })
	t.Run("erased, it goes", func(t *testing.T) { clusterGoes(t, h) })
}

func (h hotel) cluster(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(plan.ClusterKind)
	if err := h.Get(t.Context(), h.key("postgres"), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func clusterIsMade(t *testing.T, h hotel) {
	t.Helper()
	eventually(t, "it waits for the database", func(ctx context.Context) error {
		tenant := &v1alpha1.Tenant{}
		if err := h.Get(ctx, client.ObjectKey{Name: h.name}, tenant); err != nil {
			return err
		}
		return says(tenant.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "describe clusters.postgresql.cnpg.io postgres")
	})
	made := h.cluster(t)
	if len(made.GetOwnerReferences()) > 0 {
		t.Errorf("its volumes would go with %v", made.GetOwnerReferences())
	}
	in := plan.Tenant{Tenant: h.tenant(t), Region: clusteredRegion()}
	planned := plan.Database(in)[0].(*unstructured.Unstructured)
	if missing := lacks(made.Object["spec"], planned.Object["spec"], "spec"); missing != "" {
		t.Errorf("CloudNativePG's definition does not know, or changes, %s", missing)
	}
	tls := get(t, h, "postgres-tls", &corev1.Secret{})
	if names := certificateOf(t, tls).DNSNames; !slices.Contains(names, "postgres-rw."+h.namespace+".svc") {
		t.Errorf("the server's certificate is for %v", names)
	}
	follower := get(t, h, "postgres-replication-tls", &corev1.Secret{})
	if cn := certificateOf(t, follower).Subject.CommonName; cn != "streaming_replica" {
		t.Errorf("followers are known as %q", cn)
	}
	for _, s := range []*corev1.Secret{tls, follower} {
		if s.Labels["cnpg.io/reload"] != "true" || len(s.Data["ca.crt"]) == 0 {
			t.Errorf("Secret %s has the labels %v", s.Name, s.Labels)
		}
	}
	if err := h.Get(t.Context(), h.key("postgres"), &appsv1.StatefulSet{}); !apierrors.IsNotFound(err) {
		t.Errorf("there is a StatefulSet too: %v", err)
	}
}

// lacks names the first path at which an object is not as it was planned; defaults beside it don't count.
func lacks(got, want any, path string) string {
	switch want := want.(type) {
	case map[string]any:
		has, _ := got.(map[string]any)
		for key, value := range want {
			if missing := lacks(has[key], value, path+"."+key); missing != "" {
				return missing
			}
		}
		return ""
	case []any:
		has, _ := got.([]any)
		if len(has) != len(want) {
			return path
		}
		for i := range want {
			if missing := lacks(has[i], want[i], fmt.Sprintf("%s[%d]", path, i)); missing != "" {
				return missing
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Sprintf("%s: %v, want %v", path, got, want)
	}
	return ""
}

func certificateOf(t *testing.T, s *corev1.Secret) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(s.Data["tls.crt"])
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// lead has the database as CloudNativePG's operator tells of it.
func (h hotel) lead(t *testing.T, ready int64) {
	t.Helper()
	u := h.cluster(t)
	u.Object["status"] = map[string]any{"instances": int64(2), "readyInstances": ready, "currentPrimary": "postgres-1"}
	if err := h.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

func clusterLeads(t *testing.T, h hotel) {
	t.Helper()
	h.lead(t, 1)
	h.settle(t)
	for _, e := range get(t, h, "serve", &appsv1.Deployment{}).Spec.Template.Spec.Containers[0].Env {
		if e.Name == "PGHOST" && e.Value != "postgres-rw."+h.namespace+".svc" {
			t.Errorf("serve looks for its database at %s", e.Value)
		}
	}
	h.lead(t, 0)
	h.is(t, "no leader any more", func(o *v1alpha1.Tenant) error {
		return condition(o.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionFalse, v1alpha1.ReasonProgressing)
	})
	h.lead(t, 2)
	h.settle(t)
}

func (h hotel) hibernation(t *testing.T, want string) {
	t.Helper()
	eventually(t, "hibernation is "+want, func(context.Context) error {
		if got := h.cluster(t).GetAnnotations()["cnpg.io/hibernation"]; got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

func clusterSleeps(t *testing.T, h hotel) {
	t.Helper()
	if err := h.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	h.testCluster.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	h.hibernation(t, "on")
	create(t, h, aTenant(func(o *v1alpha1.Tenant) {
		o.Name, o.Spec.Hostname, o.Spec.Region, o.Spec.DeletionPolicy = h.name, h.name+".example", "clustered", v1alpha1.DeletionErase
	}))
	h.hibernation(t, "off")
	h.is(t, "it is taken up", func(o *v1alpha1.Tenant) error {
		return condition(o.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue, "")
	})
}

func clusterGoes(t *testing.T, h hotel) {
	t.Helper()
	if err := h.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Cluster has gone", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			if j := &jobs.Items[i]; j.Name == "count" && len(j.Status.Conditions) == 0 {
				if err := h.finish(ctx, j, `{"count":{"counts":[]}}`); err != nil {
					return err
				}
			}
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(plan.ClusterKind)
		if err := h.Get(ctx, h.key("postgres"), u); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// engineMissing: without CloudNativePG nothing is made of a database, and the tenant says what to do.
func engineMissing(t *testing.T, c testCluster) {
	create(t, c, clusteredRegion())
	h := c.book(t, "clustered", func(o *v1alpha1.TenantSpec) { o.Region = "clustered" })
	h.is(t, "it says so", func(o *v1alpha1.Tenant) error {
		return says(o.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionFalse, v1alpha1.ReasonEngineMissing, "install it, then restart this operator")
	})
}
