package credentials_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

func TestARotationAddsAVersionAndKeepsTheOlder(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	before := k.secrets(t, namespace)
	w := wanted()
	w.Rotation = "2026-02"
	found := k.ensure(t, w)
	for _, component := range w.Components {
		if !slices.Equal(found[component], []int{1, 2}) {
			t.Errorf("%s has versions %v, want 1 and 2", component, found[component])
		}
		older, newer := k.secrets(t, namespace)[name.Credentials(component, 1)], k.secrets(t, namespace)[name.Credentials(component, 2)]
		if !bytes.Equal(older.Data[contract.FilePassword], before[older.Name].Data[contract.FilePassword]) {
			t.Errorf("the password of %s changed", older.Name)
		}
		if bytes.Equal(older.Data[contract.FilePassword], newer.Data[contract.FilePassword]) {
			t.Errorf("%s kept the password", newer.Name)
		}
	}
	if !slices.Equal(found[name.Admin], []int{1}) {
		t.Errorf("the superuser, whose password the database's image sets once, has versions %v", found[name.Admin])
	}

	for _, same := range []string{"2026-02", ""} { // asked for already; the annotation taken away
		k.writes = 0
		w.Rotation = same
		k.ensure(t, w)
		if k.writes != 0 {
			t.Errorf("rotation %q asked for nothing new and wrote %d times", same, k.writes)
		}
	}

	if err := k.Remove(t.Context(), namespace, contract.ComponentServe, 1); err != nil {
		t.Fatal(err)
	}
	if err := k.Remove(t.Context(), namespace, contract.ComponentServe, 1); err != nil {
		t.Error("removing what is gone:", err)
	}
	found, err := k.Versions(t.Context(), "hotel-berlin", namespace)
	if err != nil || !slices.Equal(found[contract.ComponentServe], []int{2}) {
		t.Errorf("after the removal serve has versions %v, %v", found[contract.ComponentServe], err)
	}
}

func TestRenewalWhenAThirdOfTheLifeIsLeft(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	before := k.secrets(t, namespace)
	leaf := certificate(t, before[name.ServeTLS].Data[contract.FileTLSCert])
	third := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)

	k.now, k.writes = third, 0
	if k.ensure(t, wanted()); k.writes != 0 {
		t.Errorf("%d writes with just a third of the time left", k.writes)
	}
	k.now = third.Add(time.Second)
	found := k.ensure(t, wanted())
	after := k.secrets(t, namespace)
	for _, secret := range []string{name.ServeTLS, name.PostgresTLS, name.ConnectorTLS("front-desk")} {
		if renewed := certificate(t, after[secret].Data[contract.FileTLSCert]); !renewed.NotAfter.After(leaf.NotAfter) {
			t.Errorf("%s was not renewed", secret)
		}
	}
	for component, versions := range found {
		if !slices.Equal(versions, []int{1, 2}) {
			t.Errorf("%s has versions %v, want a second beside the first", component, versions)
		}
	}
	// The superuser's certificate is new, its password is what the database knows.
	if !bytes.Equal(after["database-admin-v2"].Data[contract.FilePassword], before["database-admin-v1"].Data[contract.FilePassword]) {
		t.Error("the superuser's password changed with its certificate")
	}
	if !bytes.Equal(after[name.Keys].Data["address-hash-1"], before[name.Keys].Data["address-hash-1"]) {
		t.Error("the key for hashes changed")
	}
	k.writes = 0
	if k.ensure(t, wanted()); k.writes != 0 {
		t.Errorf("%d writes after the renewal", k.writes)
	}
}

func TestWhatAnotherAuthorityIssuedIsIssuedAnew(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	if err := k.RemoveAuthority(t.Context(), "hotel-berlin"); err != nil {
		t.Fatal(err)
	}
	found := k.ensure(t, wanted())
	authority := certificate(t, k.secrets(t, operatorNamespace)["tenant-hotel-berlin-ca"].Data[contract.FileTLSCert])
	all := k.secrets(t, namespace)
	for _, secret := range []string{name.PostgresTLS, name.ServeTLS, name.ConnectorTLS("front-desk"), "database-serve-v2"} {
		if err := certificate(t, all[secret].Data[contract.FileTLSCert]).CheckSignatureFrom(authority); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
		if !bytes.Equal(certificate(t, all[secret].Data[contract.FileCA]).Raw, authority.Raw) {
			t.Errorf("%s brings the authority before", secret)
		}
	}
	if !slices.Equal(found[contract.ComponentServe], []int{1, 2}) {
		t.Errorf("serve has versions %v, want 1 and 2", found[contract.ComponentServe])
	}
}

func TestAnotherHostnameGetsACertificate(t *testing.T) {
	k := newKept()
	k.ensure(t, wanted())
	w := wanted()
	w.Hostname = "new.hotel-berlin.example"
	k.ensure(t, w)
	all := k.secrets(t, namespace)
	if err := certificate(t, all[name.ServeTLS].Data[contract.FileTLSCert]).VerifyHostname(w.Hostname); err != nil {
		t.Error(err)
	}
	if _, twice := all["database-serve-v2"]; twice {
		t.Error("a hostname rotated a login")
	}
}
