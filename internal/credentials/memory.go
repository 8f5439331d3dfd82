package credentials

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Remembered is how long what was found of a tenant's Secrets counts: one that was removed goes unnoticed for no longer.
const Remembered = 5 * time.Minute

// proofLife is how long a proof of the operator's is used: much shorter than its certificate is valid.
const proofLife = 24 * time.Hour

// Memory is what was found of tenants' Secrets: names, and what the operator itself proves itself by. Secrets are not watched
// (docs/design/0003), and reading all of a tenant's at every pass would be a quarter of what the API server is asked for.
type Memory struct {
	mu     sync.Mutex
	found  map[string]remembered // by namespace
	proofs map[string]proof      // by tenant
}

type remembered struct {
	wanted [sha256.Size]byte // digest of Wanted
	used   map[string]int
	found  Found
	at     time.Time
}

// proof is what the operator proves itself by to a tenant's pods, and knows them by.
type proof struct {
	authority []byte // PEM, of the certificate that it was made by
	config    *tls.Config
	made      time.Time
}

// recall gives what was found when the same was wanted, and for how long that counts; 0 when it has to be looked for.
func (k Keeper) recall(w Wanted) (Found, time.Duration, error) {
	if k.Memory == nil {
		return nil, 0, nil
	}
	wanted, err := digest(w)
	if err != nil {
		return nil, 0, err
	}
	k.Memory.mu.Lock()
	defer k.Memory.mu.Unlock()
	r, ok := k.Memory.found[w.Namespace]
	if left := Remembered - k.Now().Sub(r.at); ok && left > 0 && r.wanted == wanted && (maps.Equal(r.used, w.Used) || r.found.have(w.Used)) {
		return r.found, left, nil
	}
	delete(k.Memory.found, w.Namespace)
	return nil, 0, nil
}

func (k Keeper) remember(w Wanted, found Found) error {
	if k.Memory == nil {
		return nil
	}
	wanted, err := digest(w)
	if err != nil {
		return err
	}
	k.Memory.mu.Lock()
	defer k.Memory.mu.Unlock()
	if k.Memory.found == nil {
		k.Memory.found = map[string]remembered{}
	}
	k.Memory.found[w.Namespace] = remembered{wanted: wanted, used: w.Used, found: found, at: k.Now()}
	return nil
}

// Forget has a namespace's Secrets looked at when it is asked for them next.
func (k Keeper) Forget(namespace string) {
	if k.Memory == nil {
		return
	}
	k.Memory.mu.Lock()
	defer k.Memory.mu.Unlock()
	delete(k.Memory.found, namespace)
}

// have says that all these versions of logins were found: the database was set up with what there is, and nothing has to be made.
func (f Found) have(used map[string]int) bool {
	for component, version := range used {
		if !slices.Contains(f[component], version) {
			return false
		}
	}
	return true
}

// digest of all that is wanted; which logins are used is compared with what was found.
func digest(w Wanted) ([sha256.Size]byte, error) {
	w.Used = nil
	b, err := json.Marshal(w) // the keys of maps are sorted
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encoding what is wanted: %w", err)
	}
	return sha256.Sum256(b), nil
}

// Operator gives what the operator proves itself by to a tenant's pods, and knows them by. It is made once in a day, from the
// authority that Ensure reads, or is read here.
func (k Keeper) Operator(ctx context.Context, tenant, serverName string) (*tls.Config, error) {
	known := k.known(tenant)
	if known == nil {
		s := &corev1.Secret{}
		if err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.OperatorNamespace, Name: name.CA(tenant)}, s); err != nil {
			return nil, fmt.Errorf("reading the certificate authority: %w", err)
		}
		made, err := k.prove(tenant, Pair{Cert: s.Data[contract.FileTLSCert], Key: s.Data[contract.FileTLSKey]})
		if err != nil {
			return nil, err
		}
		known = made
	}
	config := known.config.Clone()
	config.ServerName = serverName
	return config, nil
}

// Distrust has the authority read again before the operator proves itself to a tenant's pods: it may be another one by now.
func (k Keeper) Distrust(tenant string) {
	if k.Memory == nil {
		return
	}
	k.Memory.mu.Lock()
	defer k.Memory.mu.Unlock()
	delete(k.Memory.proofs, tenant)
}

// known gives the proof that was made before, as long as it is good.
func (k Keeper) known(tenant string) *proof {
	if k.Memory == nil {
		return nil
	}
	k.Memory.mu.Lock()
	defer k.Memory.mu.Unlock()
	p, ok := k.Memory.proofs[tenant]
	if !ok || k.Now().Sub(p.made) >= proofLife {
		return nil
	}
	return &p
}

// prove makes a proof, and keeps it.
func (k Keeper) prove(tenant string, ca Pair) (*proof, error) {
	if p := k.known(tenant); p != nil && slices.Equal(p.authority, ca.Cert) {
		return p, nil
	}
	pair, err := ca.Client(k.Now(), contract.OperatorName)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the operator's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	p := proof{authority: ca.Cert, made: k.Now(), config: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots, MinVersion: tls.VersionTLS13}}
	if k.Memory != nil {
		k.Memory.mu.Lock()
		defer k.Memory.mu.Unlock()
		if k.Memory.proofs == nil {
			k.Memory.proofs = map[string]proof{}
		}
		k.Memory.proofs[tenant] = p
	}
	return &p, nil
}
