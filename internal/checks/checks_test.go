package checks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Thousands of connectors are asked every half minute: that must not be as many requests to the API server.
func TestTheAuthorityIsReadOnceUntilAConnectorDoesNotAnswer(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	authority, err := credentials.NewAuthority("berlin", now)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-berlin", Labels: map[string]string{v1alpha1.LabelTenant: "berlin"}}},
		&v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name.CA("berlin"), Namespace: "system"}, Data: map[string][]byte{
			contract.FileTLSCert: authority.Cert, contract.FileTLSKey: authority.Key,
		}},
	).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if _, secret := o.(*corev1.Secret); secret {
				reads++
			}
			return c.Get(ctx, key, o, options...)
		},
	}).Build()
	connector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tried":"2026-01-01T00:00:00Z","answered":"2026-01-01T00:00:00Z"}`))
	}))
	defer connector.Close()
	at := connector.URL
	checks := &Checks{
		Client: c, Keeper: credentials.Keeper{Client: c, OperatorNamespace: "system", Now: func() time.Time { return now }, Memory: &credentials.Memory{}},
		URL: func(*v1alpha1.Channel) string { return at },
	}
	channel := &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: "desk", Namespace: "tenant-berlin", UID: "1"}}
	ask := func(answered bool, want int) {
		t.Helper()
		if _, _, err := checks.ask(t.Context(), channel); (err == nil) != answered {
			t.Fatal("asking the connector:", err)
		}
		if reads != want {
			t.Errorf("the authority was read %d times, want %d", reads, want)
		}
	}
	ask(true, 1)
	ask(true, 1)
	at = "http://127.0.0.1:1" // nobody answers there
	ask(false, 1)
	at = connector.URL
	ask(true, 2) // the authority may be another
	now = now.Add(24 * time.Hour)
	ask(true, 3) // its certificate is not used for as long as it is valid

	// One that answers nobody is silent after a while, until it does.
	at = "http://127.0.0.1:1"
	for _, after := range []struct {
		passed time.Duration
		silent bool
	}{{0, false}, {patience, false}, {time.Second, true}} {
		now = now.Add(after.passed)
		_, _, _ = checks.ask(t.Context(), channel)
		if checks.Silent(channel) != after.silent {
			t.Errorf("silent after another %s: %t", after.passed, !after.silent)
		}
	}
	at = connector.URL
	if _, _, err := checks.ask(t.Context(), channel); err != nil || checks.Silent(channel) {
		t.Errorf("it answers, and is called silent: %v", err)
	}
}
