package desk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/desk"
	"github.com/switchboard-operator/switchboard/internal/name"
)

const (
	one = "0198c1f2-5a6b-4c8d-9e0f-112233445566"
	two = "0198c1f2-5a6b-4c8d-9e0f-112233445567"
)

func filed(id string) contract.Filed {
	return contract.Filed{ID: id, Type: contract.RequestErasure, ReceivedAt: time.Now().UTC(), Subject: map[string]string{"phone": "+493023125177"}}
}

// stage is a desk whose API server answers as create says to what is to be made.
func stage(t *testing.T, create func(client.Object) error) (*desk.Desk, client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := create(o); err != nil {
				return err
			}
			o.SetCreationTimestamp(metav1.Now())
			return c.Create(ctx, o, options...)
		},
	}).Build()
	return &desk.Desk{Client: c, Live: c, Now: time.Now}, c
}

func names(t *testing.T, c client.Client) (found []string) {
	t.Helper()
	var requests v1alpha1.DataSubjectRequestList
	var secrets corev1.SecretList
	for _, list := range []client.ObjectList{&requests, &secrets} {
		if err := c.List(t.Context(), list, client.InNamespace("tenant-berlin")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range requests.Items {
		found = append(found, "request "+requests.Items[i].Name)
	}
	for i := range secrets.Items {
		found = append(found, "secret "+secrets.Items[i].Name)
	}
	slices.Sort(found)
	return found
}

var berlin = &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}}

// What the cluster will not have leaves no addresses behind, and the officer is told.
func TestARequestThatTheClusterRefusesLeavesNothing(t *testing.T) {
	d, c := stage(t, func(o client.Object) error {
		if _, request := o.(*v1alpha1.DataSubjectRequest); request && o.GetName() == name.Filed(one) {
			return apierrors.NewInvalid(schema.GroupKind{Kind: "DataSubjectRequest"}, o.GetName(), nil)
		}
		return nil
	})
	taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(one), filed(two)})
	if err != nil || len(taken) != 2 || taken[0].Name != "" || !strings.Contains(taken[0].Refused, "admission") || taken[1].Name != name.Filed(two) {
		t.Errorf("taken %+v, %v", taken, err)
	}
	if got := names(t, c); !slices.Equal(got, []string{"request " + name.Filed(two), "secret " + name.Filed(two)}) {
		t.Errorf("there are %v", got)
	}
}

// One that can't be made now keeps no other from it, stays filed, and is made when it is told of again.
func TestARequestThatFailsIsMadeLater(t *testing.T) {
	down := true
	d, c := stage(t, func(o client.Object) error {
		if _, request := o.(*v1alpha1.DataSubjectRequest); request && down && o.GetName() == name.Filed(one) {
			return apierrors.NewInternalError(errors.New("etcd is down"))
		}
		return nil
	})
	taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(one), filed(two)})
	if err == nil || len(taken) != 1 || taken[0].ID != two {
		t.Errorf("taken %+v, %v", taken, err)
	}
	down = false
	if taken, err = d.Take(t.Context(), berlin, []contract.Filed{filed(one)}); err != nil || len(taken) != 1 || taken[0].Name != name.Filed(one) {
		t.Errorf("taken %+v, %v", taken, err)
	}
	if got := names(t, c); len(got) != 4 {
		t.Errorf("there are %v", got)
	}
}

// A policy's webhook and a quota answer that it is forbidden: that is a refusal. Nobody's addresses wait for what can't be made now.
func TestNoAddressesAreLeftByARequestThatIsNotMade(t *testing.T) {
	kind := schema.GroupResource{Resource: "datasubjectrequests"}
	ending := apierrors.NewForbidden(kind, "x", errors.New("the namespace ends"))
	ending.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for what, c := range map[string]struct {
		answer           error
		refused, remains bool
	}{
		"forbidden":                {answer: apierrors.NewForbidden(kind, "x", errors.New("exceeded quota")), refused: true},
		"the namespace ends":       {answer: ending},
		"a request that is no one": {answer: apierrors.NewBadRequest("no")},
		"too many":                 {answer: apierrors.NewTooManyRequestsError("later")},
		"a timeout":                {answer: apierrors.NewTimeoutError("late", 1), remains: true},
		"no answer":                {answer: context.DeadlineExceeded, remains: true},
	} {
		t.Run(what, func(t *testing.T) {
			d, cluster := stage(t, func(o client.Object) error {
				if _, request := o.(*v1alpha1.DataSubjectRequest); request {
					return c.answer
				}
				return nil
			})
			taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(one)})
			if (err == nil) != c.refused || (len(taken) == 1 && taken[0].Refused != "") != c.refused {
				t.Errorf("taken %+v, %v", taken, err)
			}
			if got := names(t, cluster); (len(got) == 1) != c.remains {
				t.Errorf("there are %v", got)
			}
		})
	}
}

// Addresses that stay because nobody knows whether the request was made are bounded as requests are.
func TestSecretsOfWhatFailedAreBoundedToo(t *testing.T) {
	down := true
	d, c := stage(t, func(o client.Object) error {
		if _, request := o.(*v1alpha1.DataSubjectRequest); request && down {
			return context.DeadlineExceeded
		}
		return nil
	})
	var last string
	for range contract.MaxFiledDay + 5 {
		last = uuid.NewString()
		if _, err := d.Take(t.Context(), berlin, []contract.Filed{filed(last)}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	got := names(t, c)
	if len(got) != contract.MaxFiledDay {
		t.Fatalf("there are %d", len(got))
	}
	down = false
	if taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(last)}); err != nil || len(taken) != 0 {
		t.Errorf("one more than may be: %+v, %v", taken, err)
	}
	// One that has its Secret already is made all the same.
	id := uuid.MustParse(strings.TrimPrefix(got[0], "secret desk-")).String()
	if taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(id)}); err != nil || len(taken) != 1 || taken[0].Name != name.Filed(id) {
		t.Errorf("taken %+v, %v", taken, err)
	}
}

// A Secret goes with its request, also where the operator was cut off between the two.
func TestASecretBelongsToItsRequest(t *testing.T) {
	d, c := stage(t, func(client.Object) error { return nil })
	for range 2 {
		if taken, err := d.Take(t.Context(), berlin, []contract.Filed{filed(one)}); err != nil || len(taken) != 1 {
			t.Fatalf("taken %+v, %v", taken, err)
		}
		key, secret := client.ObjectKey{Namespace: "tenant-berlin", Name: name.Filed(one)}, &corev1.Secret{}
		if err := c.Get(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
		if len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].Kind != "DataSubjectRequest" || secret.OwnerReferences[0].Name != key.Name || string(secret.Data["phone"]) == "" {
			t.Errorf("it belongs to %+v", secret.OwnerReferences)
		}
		secret.OwnerReferences = nil
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
}

// Reports of children take none of the room of what officers file, and are bounded themselves.
func TestReportsHaveRoomOfTheirOwn(t *testing.T) {
	d, c := stage(t, func(client.Object) error { return nil })
	take := func(kind string, n int) {
		t.Helper()
		for range n {
			f := filed(uuid.NewString())
			f.Type = kind
			if _, err := d.Take(t.Context(), berlin, []contract.Filed{f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	take(contract.RequestUnderage, contract.MaxReportsDay)
	take(contract.RequestErasure, contract.MaxFiledDay+5)
	if got := names(t, c); len(got) != 2*(contract.MaxFiledDay+contract.MaxReportsDay) {
		t.Errorf("there are %d objects", len(got))
	}
	take(contract.RequestUnderage, 5)
	if got := names(t, c); len(got) != 2*(contract.MaxFiledDay+contract.MaxReportsDay) {
		t.Errorf("there are %d objects", len(got))
	}
}
