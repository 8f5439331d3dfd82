package pki

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
)

func TestCertificatesComeFromTheAuthorityAndStay(t *testing.T) {
	dir := t.TempDir()
	ca, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Server("api", []string{"kubernetes"}, []net.IP{net.IPv4(10, 88, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := ca.Client("admin", "kubernetes-admin", "system:masters"); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for name, usage := range map[string]x509.ExtKeyUsage{"api": x509.ExtKeyUsageServerAuth, "admin": x509.ExtKeyUsageClientAuth} {
		certs, err := cert.CertsFromFile(filepath.Join(dir, name+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	before, err := os.ReadFile(filepath.Join(dir, "admin.crt"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Client("admin", "kubernetes-admin", "system:masters"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "admin.crt")); err != nil || string(after) != string(before) {
		t.Errorf("a second run changed a certificate (%v)", err)
	}
}

func TestKubeconfigIsUsableAndPrivate(t *testing.T) {
	dir := t.TempDir()
	ca, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := ca.Kubeconfig(file, "https://10.88.0.1:6443", "admin"); err == nil {
		t.Error("a kubeconfig was made of a certificate that does not exist")
	}
	if err := ca.Client("admin", "kubernetes-admin", "system:masters"); err != nil {
		t.Fatal(err)
	}
	if err := ca.Kubeconfig(file, "https://10.88.0.1:6443", "admin"); err != nil {
		t.Fatal(err)
	}
	if config, err := clientcmd.BuildConfigFromFlags("", file); err != nil || config.Host != "https://10.88.0.1:6443" {
		t.Errorf("%v, %v", config, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
