package signing_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

const namespace = "switchboard-system"

// kept is a keeper on an API of its own, with a count of what was written.
type kept struct {
	signing.Keeper
	writes int
}

func newKept() *kept {
	k := &kept{}
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			k.writes++
			return c.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			k.writes++
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	k.Keeper = signing.Keeper{Client: c, Reader: c, Namespace: namespace}
	return k
}

func (k *kept) current(t *testing.T) statement.PrivateKey {
	t.Helper()
	key, err := k.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (k *kept) public(t *testing.T) statement.Keys {
	t.Helper()
	keys, err := k.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (k *kept) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	if err := k.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name.SigningKey}, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheKeyIsMadeOnceAndPublished(t *testing.T) {
	k := newKept()
	first := k.current(t)
	if k.writes != 2 {
		t.Errorf("%d writes, want the Secret and the ConfigMap", k.writes)
	}
	for range 3 {
		if again := k.current(t); again.Public().ID() != first.Public().ID() || k.writes != 2 {
			t.Errorf("another key, or %d writes", k.writes)
		}
	}
	if keys := k.public(t); len(keys) != 1 || keys[first.Public().ID()].ID() != first.Public().ID() {
		t.Errorf("published %v", keys)
	}
}

// rotate asks for a new key as the documentation says.
func (k *kept) rotate(t *testing.T, why string) {
	t.Helper()
	s := k.secret(t)
	metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationRotateSigningKey, why)
	if err := k.Client.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestARotationLeavesWhatWasSignedBeforeCheckable(t *testing.T) {
	k := newKept()
	var envelopes [][]byte
	for _, why := range []string{"", "2026-05-01", "2026-06-01"} {
		if why != "" {
			k.rotate(t, why)
		}
		key := k.current(t)
		if again := k.current(t); again.Public().ID() != key.Public().ID() {
			t.Error("one request for a rotation made two keys")
		}
		s, err := statement.New("a", "b", "https://switchboard.dev/test", map[string]string{"why": why})
		if err != nil {
			t.Fatal(err)
		}
		envelope, err := statement.Sign(t.Context(), key, s)
		if err != nil {
			t.Fatal(err)
		}
		envelopes = append(envelopes, envelope)
	}
	check := func() {
		t.Helper()
		keys, seen := k.public(t), map[string]bool{}
		for i, envelope := range envelopes {
			_, id, err := statement.Open(t.Context(), envelope, keys, "https://switchboard.dev/test")
			if err != nil {
				t.Errorf("envelope %d: %v", i+1, err)
			}
			seen[id] = true
		}
		if len(seen) != 3 || len(keys) != 3 {
			t.Errorf("%d keys signed, %d are published", len(seen), len(keys))
		}
	}
	check()
	// The ConfigMap is lost: it is published again, whole.
	published := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name.SigningKeys, Namespace: namespace}}
	if err := k.Client.Delete(t.Context(), published); err != nil {
		t.Fatal(err)
	}
	k.current(t)
	check()
	// The Secret is lost: a new key is made, and the old public halves stay.
	if err := k.Client.Delete(t.Context(), k.secret(t)); err != nil {
		t.Fatal(err)
	}
	fresh := k.current(t)
	if keys := k.public(t); len(keys) != 4 || keys[fresh.Public().ID()].ID() == "" {
		t.Errorf("%d keys are published", len(keys))
	}
}

func TestAnUnreadableSecretIsToldAndLeftAlone(t *testing.T) {
	for what, data := range map[string]map[string][]byte{
		"no key":  {"notes": []byte("x")},
		"rubbish": {"v1.pem": []byte("x")},
	} {
		t.Run(what, func(t *testing.T) {
			k := newKept()
			s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name.SigningKey, Namespace: namespace}, Data: data}
			if err := k.Client.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			k.writes = 0
			if _, err := k.Current(t.Context()); err == nil || k.writes != 0 {
				t.Errorf("err %v, %d writes", err, k.writes)
			}
		})
	}
}
