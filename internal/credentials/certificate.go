package credentials

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// server keeps a serving certificate fresh, in place: its readers read it again.
func (m maker) server(ctx context.Context, secret, service string) error {
	names := []string{
		name.Host(service, m.wanted.Namespace), service, service + "." + m.wanted.Namespace,
		name.Host(service, m.wanted.Namespace) + ".cluster.local",
	}
	if slices.Contains(m.wanted.Public, secret) {
		names = append(names, m.wanted.Hostname)
	}
	return m.certificate(ctx, secret, names, func() (Pair, error) { return m.ca.Server(m.Now(), names...) })
}

// client keeps a client certificate fresh, in place likewise.
func (m maker) client(ctx context.Context, secret, role string) error {
	return m.certificate(ctx, secret, nil, func() (Pair, error) { return m.ca.Client(m.Now(), role) })
}

func (m maker) certificate(ctx context.Context, secret string, names []string, issue func() (Pair, error)) error {
	old := m.secrets[secret]
	if old != nil && !due(old.Data[contract.FileTLSCert], m.authority, m.Now(), names...) {
		return nil
	}
	pair, err := issue()
	if err != nil {
		return err
	}
	data := map[string][]byte{contract.FileTLSCert: pair.Cert, contract.FileTLSKey: pair.Key, contract.FileCA: m.ca.Cert}
	if old == nil {
		return m.create(ctx, secret, data, false, nil)
	}
	before := client.MergeFromWithOptions(old.DeepCopy(), client.MergeFromWithOptimisticLock{})
	old.Data = data
	if err := m.Client.Patch(ctx, old, before); err != nil {
		return fmt.Errorf("renewing certificate %s: %w", secret, err)
	}
	return nil
}
