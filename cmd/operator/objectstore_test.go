package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/bucket"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

// shop is a client with an object store, and the real stores that the Region may name.
type shop struct {
	hotel
	eu, us      *s3test.Server
	credentials string // as the Secret is mounted
}

// asks runs the pod of a Job that asks the store, with the environment that the operator gave it, and ends the Job with
// what it told. not is a Job of before.
func (s shop) asks(t *testing.T, prefix string, not *batchv1.Job) *batchv1.Job {
	t.Helper()
	var job *batchv1.Job
	eventually(t, "the Job that asks the store", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := s.List(ctx, &jobs, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			if j := &jobs.Items[i]; strings.HasPrefix(j.Name, prefix) && j.DeletionTimestamp.IsZero() && (not == nil || j.UID != not.UID) {
				job = j
				return nil
			}
		}
		return errors.New("there is none")
	})
	container := job.Spec.Template.Spec.Containers[0]
	for _, e := range container.Env {
		t.Setenv(e.Name, e.Value)
	}
	told := filepath.Join(t.TempDir(), "told")
	t.Setenv(contract.EnvTerminationLog, told)
	t.Setenv(objectstore.EnvDir, s.credentials)
	if err := bucket.Command(t.Context(), slog.New(slog.DiscardHandler), slices.Contains(container.Args, "--empty"), 0); err != nil {
		t.Fatal(err)
	}
	message, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	s.finishes(t, job, string(message))
	return job
}

// registers has the Region list a store under the name that the Tenant names.
func (s shop) registers(t *testing.T, server *s3test.Server) {
	t.Helper()
	place := server.Place(t, "hotels", "")
	amend(t, s, aRegion("stores"), func(o *v1alpha1.Region) {
		o.Spec.ObjectStores = []v1alpha1.ObjectStore{{
			Name: "frankfurt", Endpoint: place.Endpoint, Location: s3test.Location, CABundle: place.CABundle,
			Egress: v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}, Ports: []v1alpha1.Port{9000}},
		}}
	})
}

func (s shop) store(t *testing.T, what string, status metav1.ConditionStatus, reason, part string) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) error {
		if err := s.play(ctx, s.namespace); err != nil {
			return err
		}
		return says(s.tenant(t).Status.Conditions, v1alpha1.ConditionObjectStoreReady, status, reason, part)
	})
}

// storedAway takes a client with an object store from a mistake to its erasure: what the Region does not list is refused,
// and so is a bucket abroad.
func storedAway(t *testing.T, c testCluster) {
	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "stores"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "twilio", Purpose: "delivery", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"}},
	}})
	s := shop{eu: s3test.Start(t), us: s3test.Start(t, s3test.In("us-east-1"))}
	s.hotel = c.book(t, "stored", func(o *v1alpha1.TenantSpec) {
		o.Region, o.DeletionPolicy = "stores", v1alpha1.DeletionErase
		o.Backup = &v1alpha1.Backup{Destination: v1alpha1.BackupToObjectStore}
		o.ObjectStore = &v1alpha1.TenantObjectStore{Name: "frankfurt", Bucket: "hotels", CredentialsSecretRef: v1alpha1.SecretReference{Name: "object-store"}}
	})
	s.settle(t)
	stores := func(policy string) bool {
		t.Helper()
		for _, e := range get(t, s.hotel, policy, &batchv1.CronJob{}).Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env {
			if e.Name == contract.EnvObjectStore {
				return true
			}
		}
		return false
	}

	s.store(t, "a store that nobody registered", metav1.ConditionFalse, v1alpha1.ReasonObjectStoreNotRegistered, "spec.objectStores")
	if stores("retain-guests") {
		t.Error("runs are told of a store that is not registered")
	}
	s.is(t, "backups have nowhere to go", func(o *v1alpha1.Tenant) error {
		return says(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionFalse, v1alpha1.ReasonObjectStoreNotRegistered, "frankfurt")
	})

	s.registers(t, s.us)
	s.store(t, "no credentials", metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "create secret generic object-store")
	s.us.Place(t, "hotels", "")
	s.credentials = s.us.Credentials(t)
	s.bringSecret(t)
	abroad := s.asks(t, "bucket-", nil)
	s.store(t, "a bucket abroad", metav1.ConditionFalse, v1alpha1.ReasonBucketMisplaced, "the bucket is in us-east-1, and the Region's register that store frankfurt is in eu-central-1")
	if err := condition(s.tenant(t).Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonBucketMisplaced); err != nil {
		t.Error(err)
	}
	if n := len(s.us.Objects(t, "hotels")); n != 0 {
		t.Errorf("%d objects are abroad", n)
	}

	s.registers(t, s.eu)
	s.credentials = s.eu.Credentials(t)
	s.asks(t, "bucket-", abroad)
	s.store(t, "a bucket at home", metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	policy := get(t, s.hotel, "object-store", &networkingv1.NetworkPolicy{}).Spec
	if len(policy.Egress) != 1 || policy.Egress[0].To[0].IPBlock.CIDR != "192.0.2.0/24" || policy.Egress[0].Ports[0].Port.IntValue() != 9000 ||
		slices.Contains(policy.PodSelector.MatchExpressions[0].Values, "postgres") {
		t.Errorf("what is open is %+v", policy)
	}
	eventually(t, "runs and backups know the store", func(context.Context) error {
		if !stores("retain-guests") || !stores("backup") {
			return errors.New("they don't")
		}
		return nil
	})
	moved := s.tenant(t)
	stays := client.MergeFrom(moved.DeepCopy())
	moved.Spec.ObjectStore.Bucket = "elsewhere"
	if err := c.Patch(t.Context(), moved, stays); err == nil || !strings.Contains(err.Error(), "objectStore can't change") {
		t.Errorf("the bucket can change: %v", err)
	}

	s.tellsOfFiles(t)
	s.emptied(t)
}

func (s shop) bringSecret(t *testing.T) {
	t.Helper()
	data := map[string][]byte{}
	for _, key := range []string{contract.FileAccessKeyID, contract.FileSecretAccessKey} {
		b, err := os.ReadFile(filepath.Join(s.credentials, key))
		if err != nil {
			t.Fatal(err)
		}
		data[key] = b
	}
	create(t, s, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "object-store", Namespace: s.namespace}, Data: data})
}

// tellsOfFiles: what the store has not removed is in status, exactly, until it has.
func (s shop) tellsOfFiles(t *testing.T) {
	t.Helper()
	since := time.Now().UTC().Truncate(time.Second)
	tell := func(sequence int, files contract.FilesResult) {
		t.Helper()
		var result contract.Result
		if err := json.Unmarshal([]byte(s.receipt(t, "guests", sequence, since.Add(time.Duration(sequence)*time.Second))), &result); err != nil {
			t.Fatal(err)
		}
		if files != (contract.FilesResult{}) {
			result.Retention.Files = &files
		}
		message, err := result.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.finishes(t, s.run(t, fmt.Sprintf("retain-guests-%d", sequence)), string(message))
	}
	enforced := func(what string, status metav1.ConditionStatus, reason, part string, pending int64) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			p := &v1alpha1.RetentionPolicy{}
			if err := s.Get(ctx, s.key("guests"), p); err != nil {
				return err
			}
			if p.Status.LastRun == nil || p.Status.LastRun.FilesPending != pending {
				return fmt.Errorf("the last run is %+v", p.Status.LastRun)
			}
			if ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Status != status {
				return fmt.Errorf("ready is %+v", ready)
			}
			return says(p.Status.Conditions, v1alpha1.ConditionEnforced, status, reason, part)
		})
	}
	tell(1, contract.FilesResult{Pending: 7, Since: &since, Class: contract.StoreUnreachable})
	enforced("what is pending", metav1.ConditionFalse, v1alpha1.ReasonFilesPending,
		"the object store (Unreachable) has not removed 7 deleted files, the oldest since "+since.Format(time.RFC3339), 7)
	nextSecond(t)
	tell(2, contract.FilesResult{Removed: 7})
	enforced("nothing is pending", metav1.ConditionTrue, v1alpha1.ReasonReady, "nothing overdue", 0)
}

// emptied: an erasure takes files and backups along, and the certificate counts them.
func (s shop) emptied(t *testing.T) {
	t.Helper()
	place := s.eu.Place(t, "hotels", "stores/stored/")
	objects, err := objectstore.Open(place, s.credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"files/a", "backups/b", "backups/c"} {
		if _, err := objects.Put(t.Context(), key, strings.NewReader(key), -1); err != nil {
			t.Fatal(err)
		}
	}
	leaving := s.tenant(t)
	if err := s.Delete(t.Context(), leaving); err != nil {
		t.Fatal(err)
	}
	terminating := func(reason, part string) {
		t.Helper()
		eventually(t, "it says what it waits for: "+part, func(context.Context) error {
			return says(s.tenant(t).Status.Conditions, v1alpha1.ConditionTerminating, metav1.ConditionTrue, reason, part)
		})
	}
	terminating(v1alpha1.ReasonCounting, "counted by Job count")
	s.finishes(t, get(t, s.hotel, "count", &batchv1.Job{}), `{"count":{"counts":[]}}`)
	terminating(v1alpha1.ReasonObjectsRemain, "waiting for pods to end: ")
	s.collect(t)
	terminating(v1alpha1.ReasonEmptyingStore, "object store frankfurt, bucket hotels")
	s.asks(t, "empty-bucket", nil)
	terminating(v1alpha1.ReasonObjectsRemain, "namespace "+s.namespace+" is being deleted")
	if n := len(s.eu.Objects(t, "hotels")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	s.collect(t)
	ns := &corev1.Namespace{}
	if err := s.Get(t.Context(), client.ObjectKey{Name: s.namespace}, ns); err != nil {
		t.Fatal(err)
	}
	ns.Spec.Finalizers = nil // the namespace controller is done
	if err := s.SubResource("finalize").Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	s.testCluster.gone(t, client.ObjectKey{Name: s.name}, &v1alpha1.Tenant{})
	certificate := &v1alpha1.ErasureCertificate{}
	if err := s.Get(t.Context(), client.ObjectKey{Name: "stored-" + string(leaving.UID)[:8]}, certificate); err != nil {
		t.Fatal(err)
	}
	if want := "Objects 3 of store frankfurt, bucket hotels, below stores/stored/"; !slices.Contains(certificate.Spec.Destroyed, want) {
		t.Errorf("destroyed are %v, want %q too", certificate.Spec.Destroyed, want)
	}
}
