package intern_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/intern"
)

// planned is a tenant's whole plan, as internal/plan's golden file shows it, with another tenant's name.
func planned(t testing.TB, tenant string) []client.Object {
	t.Helper()
	kinds := kruntime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(kinds))
	utilruntime.Must(v1alpha1.AddToScheme(kinds))
	b, err := os.ReadFile("../plan/testdata/usual/want.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(bytes.ReplaceAll(b, []byte("hotel-berlin"), []byte(tenant))), 4096)
	for {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(&u.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if len(u.Object) == 0 {
			continue
		}
		typed, err := kinds.New(u.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := kruntime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, typed.(client.Object)) //nolint:forcetypeassert // every kind of the plan is one
	}
}

func TestSharingChangesNothing(t *testing.T) {
	table := &intern.Table{}
	for _, tenant := range []string{"hotel-0001", "hotel-0002", "hotel-0001"} {
		want := planned(t, tenant) // not copies: those would have what the objects have by mistake
		for i, o := range planned(t, tenant) {
			table.Share(o)
			if !reflect.DeepEqual(asJSON(t, o), asJSON(t, want[i])) {
				t.Errorf("%s: %T %s is %v, want %v", tenant, o, o.GetName(), asJSON(t, o), asJSON(t, want[i]))
			}
		}
	}
}

func asJSON(t *testing.T, o client.Object) map[string]any {
	t.Helper()
	u, err := kruntime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// pod is made anew at each call, from text that nobody else has.
func pod(env, memory string, at time.Time) *corev1.Pod {
	own := func(s string) string { return string([]byte(s)) }
	started, yes := metav1.NewTime(at), true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{own("app"): own("serve")}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: own("serve"), Env: append(make([]corev1.EnvVar, 0, 8), corev1.EnvVar{Name: own("A"), Value: own(env)}),
			Resources:       corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}},
			SecurityContext: &corev1.SecurityContext{RunAsNonRoot: &yes},
		}}},
		Status: corev1.PodStatus{StartTime: &started},
	}
}

func TestWhatIsEqualIsOne(t *testing.T) {
	table, at := &intern.Table{}, time.Unix(1_700_000_000, 0)
	a, b := pod("1", "64Mi", at), pod("1", "64Mi", at)
	other := pod("2", "65Mi", at.Add(time.Nanosecond))
	for _, p := range []*corev1.Pod{a, b, other} {
		table.Share(p)
	}
	of := func(p *corev1.Pod) *corev1.Container { return &p.Spec.Containers[0] }
	if &a.Spec.Containers[0] != &b.Spec.Containers[0] || reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(b.Labels).Pointer() || a.Status.StartTime != b.Status.StartTime {
		t.Error("two pods that are equal share nothing")
	}
	if of(a).SecurityContext != of(other).SecurityContext || unsafe.StringData(of(a).Name) != unsafe.StringData(of(other).Name) {
		t.Error("two containers that are equal in part share none of it")
	}
	limit := of(other).Resources.Limits[corev1.ResourceMemory]
	if of(other).Env[0].Value != "2" || limit.String() != "65Mi" || !other.Status.StartTime.After(at) || of(a).Env[0].Value != "1" {
		t.Errorf("what differs was mixed up: %+v", other)
	}
	if cap(of(a).Env) != 1 {
		t.Errorf("a slice of one has room for %d", cap(of(a).Env))
	}
}

// An informer that lists anew hands over objects that others read by now. (It needs -race to fail.)
func TestWhatIsSharedIsNotWrittenTo(t *testing.T) {
	table, at := &intern.Table{}, time.Unix(1_700_000_000, 0)
	read, again := pod("1", "64Mi", at), pod("1", "64Mi", at)
	table.Share(read)
	table.Share(again)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			_ = read.DeepCopy().Labels["app"]
		}
	}()
	for range 100 {
		table.Share(again)
	}
	<-done
}

func TestNothingAndEmptyAreTold(t *testing.T) {
	table := &intern.Table{}
	nothing, empty := &corev1.ConfigMap{}, &corev1.ConfigMap{Data: map[string]string{}, Immutable: new(bool), BinaryData: map[string][]byte{"a": {}}}
	full := &corev1.ConfigMap{Data: map[string]string{"a": "", "": "a"}, BinaryData: map[string][]byte{"a": nil}}
	for range 2 {
		for _, c := range []*corev1.ConfigMap{nothing, empty, full} {
			table.Share(c)
		}
	}
	if nothing.Data != nil || nothing.Immutable != nil || empty.Data == nil || *empty.Immutable || empty.BinaryData["a"] == nil || full.BinaryData["a"] != nil || len(full.Data) != 2 {
		t.Errorf("%v, %v, %v", nothing, empty, full)
	}
}

// What is in an interface is not looked into; the rest is shared all the same.
func TestWhatCannotBeDescribedStays(t *testing.T) {
	table := &intern.Table{}
	raw := func(of string) *appsv1.ControllerRevision {
		return &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "serve"}}, Data: kruntime.RawExtension{Object: &corev1.Pod{Spec: corev1.PodSpec{NodeName: of}}},
		}
	}
	a, b := raw("here"), raw("there")
	table.Share(a)
	table.Share(b)
	if reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(b.Labels).Pointer() {
		t.Error("the labels are not shared")
	}
	if there, is := b.Data.Object.(*corev1.Pod); !is || there.Spec.NodeName != "there" {
		t.Errorf("the object within became %v", b.Data.Object)
	}
}

// Of many tenants' objects, a cache is to hold less than half with a Table than without one.
func TestManyTenantsTakeLess(t *testing.T) {
	const tenants = 40
	hold := func(share func(any)) (bytes uint64) {
		var before, after runtime.MemStats
		held := make([][]client.Object, 0, tenants)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range tenants {
			all := planned(t, fmt.Sprintf("hotel-%04d", i))
			for _, o := range all {
				share(o)
			}
			held = append(held, all)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(held)
		return after.HeapAlloc - before.HeapAlloc
	}
	table := &intern.Table{}
	without, with := hold(func(any) {}), hold(table.Share)
	t.Logf("%d KiB of each tenant without a table, %d with one", without>>10/tenants, with>>10/tenants)
	if with > without/2 {
		t.Errorf("%d tenants take %d KiB with a table, %d without", tenants, with>>10, without>>10)
	}
}
