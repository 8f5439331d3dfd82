package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
)

// TestManyClusters has two clusters, each with an operator of its own region, and the same folders applied to both, as
// an ApplicationSet does whose generator is wrong. One operator runs in this process, the other as a program: two would
// register the same metrics.
func TestManyClusters(t *testing.T) {
	eu := prepareCluster(t)
	us := prepareCluster(t)
	eu.start(t, "--regions=eu-central")
	runProgram(t, us, "--regions", "us-east", "--regions=us-west")
	hotels := map[string]string{"hotel-berlin": "eu-central", "hotel-boston": "us-east"}
	booked := map[string][]hotel{}
	for cluster, c := range map[string]testCluster{"eu": eu, "us": us} {
		c.apply(t, "regions/eu-central.yaml", "regions/us-east.yaml")
		for name, region := range hotels {
			h := c.book(t, name, func(s *v1alpha1.TenantSpec) { s.Region = region })
			create(t, c, &v1alpha1.LegalHold{ObjectMeta: metav1.ObjectMeta{Name: "case", Namespace: h.namespace}, Spec: v1alpha1.LegalHoldSpec{
				Reason: "case 7", Match: v1alpha1.HoldMatch{Channel: "desk"},
			}})
			create(t, c, &v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: "asked", Namespace: h.namespace}, Spec: v1alpha1.DataSubjectRequestSpec{
				Type: v1alpha1.RequestErasure, ReceivedAt: metav1.Now(), Subject: &v1alpha1.SubjectReference{SecretName: "guest"},
			}})
			booked[cluster] = append(booked[cluster], h)
		}
	}
	for cluster, served := range map[string]string{"eu": "eu-central", "us": "us-east"} {
		for _, h := range booked[cluster] {
			if hotels[h.name] == served {
				t.Run(h.name+" is served in "+cluster, func(t *testing.T) { h.settleWithout(t) })
				continue
			}
			t.Run(h.name+" is left alone in "+cluster, func(t *testing.T) { leftAlone(t, h, hotels[h.name]) })
		}
	}
	t.Run("a Region's status is its own operator's", func(t *testing.T) {
		for _, c := range []struct {
			testCluster
			mine, other string
		}{{eu, "eu-central", "us-east"}, {us, "us-east", "eu-central"}} {
			eventually(t, c.mine, func(ctx context.Context) error {
				r := &v1alpha1.Region{}
				if err := c.Get(ctx, client.ObjectKey{Name: c.mine}, r); err != nil {
					return err
				}
				if r.Status.ObservedGeneration != r.Generation || r.Status.Tenants != 1 {
					return fmt.Errorf("its status is %+v", r.Status)
				}
				return nil
			})
			r := &v1alpha1.Region{}
			if err := c.Get(t.Context(), client.ObjectKey{Name: c.other}, r); err != nil || len(r.Status.Conditions) > 0 || r.Status.ObservedGeneration != 0 {
				t.Errorf("%s was written where it is not served: %+v, %v", c.other, r.Status, err)
			}
		}
	})
	t.Run("one that is not served is deleted like any object", func(t *testing.T) {
		h := hotel{testCluster: eu, name: "hotel-boston", namespace: "tenant-hotel-boston"}
		if err := eu.Delete(t.Context(), h.tenant(t)); err != nil {
			t.Fatal(err)
		}
		if err := eu.Get(t.Context(), client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{}); !apierrors.IsNotFound(err) {
			t.Errorf("it is still there: %v", err)
		}
	})
	t.Run("a region that is given up", func(t *testing.T) {
		givenUp(t, eu, hotel{testCluster: eu, name: "hotel-berlin", namespace: "tenant-hotel-berlin"})
	})
}

// leftAlone holds that a client of another region is told so, and nothing but status was written of all that is its.
func leftAlone(t *testing.T, h hotel, region string) {
	t.Helper()
	eventually(t, "all of "+h.name+" is refused", func(ctx context.Context) error {
		tenant, channel, policy, hold, request := &v1alpha1.Tenant{}, &v1alpha1.Channel{}, &v1alpha1.RetentionPolicy{}, &v1alpha1.LegalHold{}, &v1alpha1.DataSubjectRequest{}
		err := errors.Join(h.Get(ctx, client.ObjectKey{Name: h.name}, tenant), h.Get(ctx, h.key("desk"), channel),
			h.Get(ctx, h.key("guests"), policy), h.Get(ctx, h.key("case"), hold), h.Get(ctx, h.key("asked"), request))
		if err != nil {
			return err
		}
		for _, conditions := range [][]metav1.Condition{
			tenant.Status.Conditions, channel.Status.Conditions, policy.Status.Conditions, hold.Status.Conditions, request.Status.Conditions,
		} {
			err := errors.Join(
				condition(conditions, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonRegionNotServed),
				condition(conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRegionNotServed),
				condition(conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonRegionNotServed))
			if err != nil {
				return err
			}
			if m := meta.FindStatusCondition(conditions, v1alpha1.ConditionAccepted).Message; !strings.Contains(m, region) || !strings.Contains(m, "--regions") {
				return fmt.Errorf("the message doesn't say what to do: %s", m)
			}
		}
		return nil
	})
	untouched(t, h)
	if len(h.tenant(t).Finalizers) > 0 {
		t.Error("it bears a finalizer")
	}
	for _, list := range madeFor() {
		if err := h.List(t.Context(), list, client.InNamespace(h.namespace)); err != nil || meta.LenList(list) > 0 {
			t.Errorf("something was made for it: %d of %T, %v", meta.LenList(list), list, err)
		}
	}
	for _, path := range h.writes.since(0) {
		if (strings.Contains(path, "/"+h.namespace+"/") || strings.HasSuffix(path, "/"+h.namespace) || strings.Contains(path, "/tenants/"+h.name)) && !strings.HasSuffix(path, "/status") {
			t.Errorf("the operator wrote %s", path)
		}
	}
}

// untouched holds that nothing but the status of its objects bears the operator's hand.
func untouched(t *testing.T, h hotel) {
	t.Helper()
	namespace := &corev1.Namespace{}
	if err := h.Get(t.Context(), client.ObjectKey{Name: h.namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{
		h.tenant(t), namespace, get(t, h, "desk", &v1alpha1.Channel{}), get(t, h, "guests", &v1alpha1.RetentionPolicy{}),
		get(t, h, "case", &v1alpha1.LegalHold{}), get(t, h, "asked", &v1alpha1.DataSubjectRequest{}), get(t, h, "twilio", &corev1.Secret{}),
	} {
		hands := map[string]bool{}
		for _, f := range o.GetManagedFields() {
			hands[f.Manager+"/"+f.Subresource] = true
			if (f.Manager == "operator" || f.Manager == apply.FieldOwner) && f.Subresource != "status" {
				t.Errorf("%T %s was written by %s", o, o.GetName(), f.Manager)
			}
		}
		if len(hands) == 0 {
			t.Errorf("nobody knows who wrote %T %s: the test shows nothing", o, o.GetName())
		}
	}
}

func madeFor() []client.ObjectList {
	return []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &batchv1.JobList{}, &batchv1.CronJobList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{},
		&networkingv1.NetworkPolicyList{}, &corev1.ResourceQuotaList{}, &v1alpha1.ResidencyBoundaryList{},
	}
}

// givenUp starts the operator anew without the client's region: what runs goes on as it is, drift is nobody's to put
// back, and its end waits for who serves it.
func givenUp(t *testing.T, c testCluster, h hotel) {
	c.restart(t, "--regions=eu-north")
	eventually(t, "it is refused", func(ctx context.Context) error {
		return condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonRegionNotServed)
	})
	serve := get(t, h, "serve", &appsv1.Deployment{})
	if err := c.Delete(t.Context(), serve); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it says why it stays", func(ctx context.Context) error {
		tenant := h.tenant(t)
		if tenant.DeletionTimestamp.IsZero() || tenant.Status.ObservedGeneration != tenant.Generation {
			return errors.New("not seen yet")
		}
		return condition(tenant.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRegionNotServed)
	})
	quiet(t, c)
	if err := c.Get(t.Context(), h.key("serve"), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment was made again: %v", err)
	}
	connector := get(t, h, "connector-desk", &appsv1.Deployment{})
	if !connector.DeletionTimestamp.IsZero() {
		t.Error("the connector was stopped")
	}
	c.restart(t, "--regions=eu-central")
	eventually(t, "its own operator ends it", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
}

// settleWithout has everything work until the client is served; its operator may be another process.
func (h hotel) settleWithout(t *testing.T) {
	t.Helper()
	eventually(t, h.name+" is served", func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		tenant, channel := &v1alpha1.Tenant{}, &v1alpha1.Channel{}
		if err := errors.Join(h.Get(ctx, client.ObjectKey{Name: h.name}, tenant), h.Get(ctx, h.key("desk"), channel)); err != nil {
			return err
		}
		return errors.Join(
			condition(tenant.Status.Conditions, v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue, ""),
			// Not Ready: no connector is there that could tell the program of its credentials.
			condition(channel.Status.Conditions, v1alpha1.ConditionConnectorAvailable, metav1.ConditionTrue, ""))
	})
}

// runProgram runs the operator as a program, with the rights that it is given, until the test ends.
func runProgram(t *testing.T, c testCluster, args ...string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "operator")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args = append(args, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0")
	operator := exec.Command(program, args...)
	operator.Env = []string{"KUBECONFIG=" + kubeconfigOf(t, operatorAccount(c.config))}
	var log bytes.Buffer
	operator.Stdout, operator.Stderr = &log, &log
	if err := operator.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(operator.Process.Signal(syscall.SIGTERM), operator.Wait()); err != nil {
			t.Errorf("the program didn't end well: %v\n%s", err, log.String())
		}
	})
}

func kubeconfigOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*api.AuthInfo{"test": {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
			Impersonate: config.Impersonate.UserName, ImpersonateGroups: config.Impersonate.Groups,
		}},
		Contexts:       map[string]*api.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Fatalf("the kubeconfig is for everybody to read: %v", err)
	}
	return file
}
