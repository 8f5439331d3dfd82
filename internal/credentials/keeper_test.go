package credentials_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
)

const (
	operatorNamespace = "switchboard-system"
	namespace         = "tenant-hotel-berlin"
	hostname          = "messages.hotel-berlin.example"
)

// kept is a keeper on an API of its own, with a clock that the test turns and a
// count of what was written.
type kept struct {
	credentials.Keeper
	now    time.Time
	writes int
}

func newKept() *kept {
	k := &kept{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			k.writes++
			return c.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			k.writes++
			return c.Patch(ctx, o, p, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			k.writes++
			return c.Update(ctx, o, opts...)
		},
	}).Build()
	k.Keeper = credentials.Keeper{Client: c, OperatorNamespace: operatorNamespace, Now: func() time.Time { return k.now }}
	return k
}

func wanted() credentials.Wanted {
	return credentials.Wanted{Superuser: true,
		Tenant: "hotel-berlin", Namespace: namespace, Hostname: hostname,
		Components: []string{contract.ComponentServe, contract.ComponentRetain, contract.ComponentConnector("front-desk")},
		Servers: map[string]string{
			name.PostgresTLS: name.Postgres, name.ServeTLS: name.Serve, name.ConnectorTLS("front-desk"): name.Connector("front-desk"),
		},
		Public: []string{name.ServeTLS, name.ConnectorTLS("front-desk")},
	}
}

func (k *kept) ensure(t *testing.T, w credentials.Wanted) credentials.Found {
	t.Helper()
	found, _, err := k.Ensure(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (k *kept) secrets(t *testing.T, namespace string) map[string]corev1.Secret {
	t.Helper()
	var list corev1.SecretList
	if err := k.Client.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	all := map[string]corev1.Secret{}
	for _, s := range list.Items {
		all[s.Name] = s
	}
	return all
}

func certificate(t *testing.T, raw []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(raw)
	if block == nil {
		t.Fatal("not PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEverythingIsMadeOnce(t *testing.T) {
	k := newKept()
	found := k.ensure(t, wanted())
	want := []string{
		"backup-key", "connector-front-desk-tls", "database-admin-v1", "database-connector-front-desk-v1", "database-retain-v1", "database-serve-v1",
		"keys", "postgres-tls", "serve-tls", "staff-bootstrap",
	}
	before := k.secrets(t, namespace)
	if got := slices.Sorted(maps.Keys(before)); !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	if got := slices.Sorted(maps.Keys(k.secrets(t, operatorNamespace))); !slices.Equal(got, []string{"tenant-hotel-berlin-ca"}) {
		t.Errorf("in the operator's namespace there are %v, want the authority alone", got)
	}
	for component, versions := range found {
		if !slices.Equal(versions, []int{1}) {
			t.Errorf("%s has versions %v, want 1 alone", component, versions)
		}
	}

	k.writes = 0
	k.ensure(t, wanted())
	if k.writes != 0 {
		t.Errorf("a second pass wrote %d times", k.writes)
	}
	for n, s := range k.secrets(t, namespace) {
		if !maps.EqualFunc(s.Data, before[n].Data, bytes.Equal) {
			t.Errorf("a second pass changed %s", n)
		}
	}
}

// The authority's key never enters a tenant's namespace, and no two secrets are alike.
func TestSecretsAreApart(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	authority := k.secrets(t, operatorNamespace)["tenant-hotel-berlin-ca"].Data[contract.FileTLSKey]
	passwords := map[string]string{}
	for n, s := range k.secrets(t, namespace) {
		for file, value := range s.Data {
			if bytes.Equal(value, authority) {
				t.Errorf("%s in %s is the authority's key", file, n)
			}
		}
		password, has := s.Data[contract.FilePassword]
		if !has {
			continue
		}
		if len(password) < 43 { // 256 bits in base64
			t.Errorf("the password in %s has %d characters", n, len(password))
		}
		if twin, ok := passwords[string(password)]; ok {
			t.Errorf("%s and %s have one password", n, twin)
		}
		passwords[string(password)] = n
	}
	if len(passwords) != 5 { // admin, serve, retain, connector, staff
		t.Errorf("%d passwords were looked at, 5 were expected", len(passwords))
	}
	if keys := k.secrets(t, namespace)[name.Keys]; len(keys.Data["address-hash-1"]) != 32 {
		t.Errorf("the key for hashes has %d bytes, want 32", len(keys.Data["address-hash-1"]))
	}
}

func TestCertificates(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	all := k.secrets(t, namespace)
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, k.secrets(t, operatorNamespace)["tenant-hotel-berlin-ca"].Data[contract.FileTLSCert]))
	verify := func(secret, host string, usage x509.ExtKeyUsage) error {
		_, err := certificate(t, all[secret].Data[contract.FileTLSCert]).Verify(x509.VerifyOptions{
			Roots: roots, DNSName: host, CurrentTime: k.now, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		return err
	}
	for secret, role := range map[string]string{
		"database-admin-v1": "postgres", "database-serve-v1": "sb_serve_v1", "database-retain-v1": "sb_retain_v1",
		"database-connector-front-desk-v1": "sb_connector_front_desk_v1",
	} {
		if cn := certificate(t, all[secret].Data[contract.FileTLSCert]).Subject.CommonName; cn != role || string(all[secret].Data[contract.FileUsername]) != role {
			t.Errorf("%s is for %q with the certificate of %q, want %q", secret, all[secret].Data[contract.FileUsername], cn, role)
		}
		if err := verify(secret, "", x509.ExtKeyUsageClientAuth); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
		if verify(secret, "", x509.ExtKeyUsageServerAuth) == nil {
			t.Errorf("%s could pass for a server", secret)
		}
		if immutable := all[secret].Immutable; immutable == nil || !*immutable {
			t.Errorf("%s can be changed", secret)
		}
	}
	for secret, service := range map[string]string{"postgres-tls": "postgres", "serve-tls": "serve", "connector-front-desk-tls": "connector-front-desk"} {
		for _, host := range []string{service, service + "." + namespace, service + "." + namespace + ".svc", service + "." + namespace + ".svc.cluster.local"} {
			if err := verify(secret, host, x509.ExtKeyUsageServerAuth); err != nil {
				t.Errorf("%s: %v", secret, err)
			}
		}
		if public := verify(secret, hostname, x509.ExtKeyUsageServerAuth) == nil; public != (secret != "postgres-tls") {
			t.Errorf("%s is for %s: %t", secret, hostname, public)
		}
		if verify(secret, "", x509.ExtKeyUsageClientAuth) == nil {
			t.Errorf("%s could pass for a database role", secret)
		}
	}
}

func TestWhatIsLost(t *testing.T) {
	used := map[string]int{contract.ComponentServe: 3, contract.ComponentRetain: 1, contract.ComponentConnector("front-desk"): 1}
	for _, secret := range []string{name.Keys, "database-admin-v1"} {
		t.Run(secret+" is asked for and not made anew beside a database", func(t *testing.T) {
			k := newKept()
			k.ensure(t, wanted())
			lost := k.secrets(t, namespace)[secret]
			if err := k.Client.Delete(t.Context(), &lost); err != nil {
				t.Fatal(err)
			}
			w := wanted()
			w.Used, k.writes = used, 0
			_, _, err := k.Ensure(t.Context(), w)
			var want *credentials.LostError
			if !errors.As(err, &want) || want.Secret != secret || !strings.Contains(want.Message, "restore it from a backup") {
				t.Errorf("err = %v", err)
			}
			if k.writes != 0 {
				t.Errorf("%d writes", k.writes)
			}
		})
	}
	t.Run("a login is followed by the version after the last that the database knew", func(t *testing.T) {
		k := newKept()
		k.ensure(t, wanted())
		if err := k.Remove(t.Context(), namespace, contract.ComponentServe, 1); err != nil {
			t.Fatal(err)
		}
		w := wanted()
		w.Used = used
		if found := k.ensure(t, w); !slices.Equal(found[contract.ComponentServe], []int{4}) {
			t.Errorf("serve has versions %v, want 4", found[contract.ComponentServe])
		}
	})
}

// Secrets of the same name that somebody else made are neither taken nor changed.
func TestASecretOfSomebodyElseIsNotTaken(t *testing.T) {
	k := newKept()
	theirs := &corev1.Secret{Data: map[string][]byte{"mine": []byte("x")}}
	theirs.Name, theirs.Namespace = name.ServeTLS, namespace
	if err := k.Client.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Ensure(t.Context(), wanted()); err == nil || !strings.Contains(err.Error(), "serve-tls") {
		t.Errorf("err = %v, want one that names serve-tls", err)
	}
	got := &corev1.Secret{}
	if err := k.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name.ServeTLS}, got); err != nil || string(got.Data["mine"]) != "x" || len(got.Data) != 1 {
		t.Errorf("it was changed: %v %v", got.Data, err)
	}
}

// TestADatabaseOfOthersHasNoSuperuserOfOurs: none is made, and none is missed later.
func TestADatabaseOfOthersHasNoSuperuserOfOurs(t *testing.T) {
	k := newKept()
	w := wanted()
	w.Superuser = false
	delete(w.Servers, name.PostgresTLS)
	k.ensure(t, w)
	w.Used = map[string]int{contract.ComponentServe: 1}
	k.ensure(t, w)
	for secret := range k.secrets(t, namespace) {
		if secret == name.Credentials(name.Admin, 1) || secret == name.PostgresTLS {
			t.Errorf("Secret %s was made", secret)
		}
	}
}

// TestCertificatesThatOthersWatch bear their labels, and follow the tenant's authority.
func TestCertificatesThatOthersWatch(t *testing.T) {
	k := newKept()
	w := wanted()
	w.Clients, w.Watched = map[string]string{name.ReplicationTLS: "streaming_replica"}, map[string]string{"cnpg.io/reload": "true"}
	k.ensure(t, w)
	writes := k.writes
	k.ensure(t, w)
	if k.writes != writes {
		t.Errorf("%d writes though nothing changed", k.writes-writes)
	}
	secrets := k.secrets(t, namespace)
	for secret, watched := range map[string]bool{name.ReplicationTLS: true, name.PostgresTLS: true, name.ServeTLS: false} {
		if got := secrets[secret].Labels["cnpg.io/reload"] == "true"; got != watched {
			t.Errorf("Secret %s has the labels %v", secret, secrets[secret].Labels)
		}
	}
	follower := secrets[name.ReplicationTLS]
	if len(follower.Data[contract.FileTLSKey]) == 0 || len(follower.Data[contract.FileCA]) == 0 {
		t.Error("the followers' certificate has no key or no authority")
	}
}

// A pass over a tenant of which nothing changed reads nothing.
func TestWhatWasFoundIsRemembered(t *testing.T) {
	k, reads := remembering()
	k.ensure(t, wanted())
	*reads = 0
	for _, w := range []credentials.Wanted{wanted(), wanted()} {
		found, left, err := k.Ensure(t.Context(), w)
		if err != nil || left <= 0 || left > credentials.Remembered || !slices.Equal(found[contract.ComponentServe], []int{1}) {
			t.Errorf("it found %v, which counts for %s: %v", found, left, err)
		}
	}
	if _, err := k.Operator(t.Context(), "hotel-berlin", "serve"); err != nil || *reads != 0 {
		t.Errorf("%d reads of what is known: %v", *reads, err)
	}

	// A database that was set up with what was found uses nothing else.
	w := wanted()
	w.Used = map[string]int{contract.ComponentServe: 1}
	if _, left, err := k.Ensure(t.Context(), w); err != nil || left <= 0 || *reads != 0 {
		t.Errorf("once the logins are used: %d reads, and what was found counts for %s: %v", *reads, left, err)
	}

	for name, change := range map[string]func(*credentials.Wanted){
		"the database knows a login that was not found": func(w *credentials.Wanted) { w.Used = map[string]int{contract.ComponentServe: 2} },
		"time passes":                 func(*credentials.Wanted) { k.now = k.now.Add(credentials.Remembered) },
		"somebody changes the tenant": func(w *credentials.Wanted) { w.Revision = "another" },
		"a channel is added":          func(w *credentials.Wanted) { w.Components = append(w.Components, contract.ComponentConnector("bar")) },
		"a login is removed": func(*credentials.Wanted) {
			if err := k.Remove(t.Context(), namespace, contract.ComponentRetain, 1); err != nil {
				t.Fatal(err)
			}
		},
		"it is to be forgotten": func(*credentials.Wanted) { k.Forget(namespace) },
	} {
		k.ensure(t, wanted())
		w := wanted()
		change(&w)
		*reads = 0
		if _, left, err := k.Ensure(t.Context(), w); err != nil || left != 0 || *reads == 0 {
			t.Errorf("when %s: %d reads, and what was found before still counts for %s: %v", name, *reads, left, err)
		}
	}
}

// What could not be brought about is not taken for known.
func TestAFailureIsNotRemembered(t *testing.T) {
	k, _ := remembering()
	k.ensure(t, wanted())
	w := wanted()
	w.Used = map[string]int{contract.ComponentServe: 1}
	k.ensure(t, w)
	if err := k.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name.Keys, Namespace: namespace}}); err != nil {
		t.Fatal(err)
	}
	k.Forget(namespace)
	for range 2 {
		var lost *credentials.LostError
		if _, _, err := k.Ensure(t.Context(), w); !errors.As(err, &lost) {
			t.Errorf("without the keys: %v", err)
		}
	}
}

// An authority that was put in the place of another is used once the older one is distrusted.
func TestTheOperatorProvesItselfByTheAuthorityThatThereIs(t *testing.T) {
	k, reads := remembering()
	k.ensure(t, wanted())
	before, err := k.Operator(t.Context(), "hotel-berlin", "serve")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.RemoveAuthority(t.Context(), "hotel-berlin"); err != nil {
		t.Fatal(err)
	}
	k.Forget(namespace)
	k.ensure(t, wanted())
	*reads = 0
	after, err := k.Operator(t.Context(), "hotel-berlin", "serve")
	if err != nil || after.RootCAs.Equal(before.RootCAs) || after.ServerName != "serve" {
		t.Errorf("it still trusts the authority before: %v", err)
	}
	k.Distrust("hotel-berlin")
	if _, err := k.Operator(t.Context(), "hotel-berlin", "serve"); err != nil || *reads != 1 {
		t.Errorf("%d reads of an authority that is not trusted: %v", *reads, err)
	}
}

// remembering is a keeper that remembers, and a count of what it reads.
func remembering() (*kept, *int) {
	k, reads := newKept(), new(int)
	k.Memory = &credentials.Memory{}
	k.Client = interceptor.NewClient(k.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			*reads++
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			*reads++
			return c.List(ctx, l, opts...)
		},
	})
	return k, reads
}
