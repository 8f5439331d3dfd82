package credentials

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// labelComponent tells credentials from other Secrets of a tenant.
const (
	labelComponent       = "app.kubernetes.io/component"
	componentCredentials = "credentials"
)

// Keeper makes a tenant's Secrets when they are missing.
type Keeper struct {
	Client            client.Client // reads Secrets live
	OperatorNamespace string
	Now               func() time.Time
	Memory            *Memory // shared by all keepers; nil has everything read each time
}

// Wanted is what a tenant needs.
type Wanted struct {
	Tenant, Namespace, Hostname string
	Rotation                    string            // value of the annotation that asks for new logins
	Components                  []string          // that log in to the database, without the superuser
	Superuser                   bool              // the database's superuser is ours
	Servers                     map[string]string // Secret of a serving certificate → Service that it is for
	Public                      []string          // Secrets whose certificate is for Hostname too
	Clients                     map[string]string // Secret of a client certificate → role that it is for
	Watched                     map[string]string // labels of the database's certificates, for who else watches them
	// Used are the newest versions of logins that the database has known: a lost login
	// is replaced by a newer one, never by another secret of the same name.
	Used map[string]int
	// Revision of what people say of the tenant, and of its namespace: with another one nothing counts that was found before.
	Revision string
}

// LostError says that a Secret is gone that can't be made again.
type LostError struct{ Secret, Message string }

func (e *LostError) Error() string { return e.Message }

// Found are the versions of every component's login that exist, lowest first.
type Found map[string][]int

// Ensure makes what is missing or due for renewal, and gives all versions there are. What was found when the same was wanted
// counts for a while: left is how long it still does, and 0 when everything was looked at.
func (k Keeper) Ensure(ctx context.Context, w Wanted) (found Found, left time.Duration, err error) {
	if found, left, err = k.recall(w); err != nil || left > 0 {
		return found, left, err
	}
	if found, err = k.ensure(ctx, w); err != nil {
		return nil, 0, err
	}
	return found, 0, k.remember(w, found)
}

func (k Keeper) ensure(ctx context.Context, w Wanted) (Found, error) {
	ca, err := k.authority(ctx, w.Tenant)
	if err != nil {
		return nil, err
	}
	authority, _, err := ca.parse()
	if err != nil {
		return nil, err
	}
	if k.Memory != nil {
		if _, err := k.prove(w.Tenant, ca); err != nil {
			return nil, err
		}
	}
	secrets, err := k.list(ctx, w)
	if err != nil {
		return nil, err
	}
	m := maker{Keeper: k, wanted: w, ca: ca, authority: authority, secrets: secrets}
	if err := m.lost(); err != nil {
		return nil, err
	}
	for _, secret := range slices.Sorted(maps.Keys(w.Servers)) {
		if err := m.server(ctx, secret, w.Servers[secret]); err != nil {
			return nil, err
		}
	}
	for _, secret := range slices.Sorted(maps.Keys(w.Clients)) {
		if err := m.client(ctx, secret, w.Clients[secret]); err != nil {
			return nil, err
		}
	}
	if err := m.random(ctx); err != nil {
		return nil, err
	}
	components := w.Components
	if w.Superuser {
		components = append([]string{name.Admin}, components...)
	}
	for _, component := range components {
		if err := m.login(ctx, component); err != nil {
			return nil, err
		}
	}
	return versions(m.secrets), nil
}

// Versions gives the logins that exist in a tenant's namespace.
func (k Keeper) Versions(ctx context.Context, tenant, namespace string) (Found, error) {
	secrets, err := k.list(ctx, Wanted{Tenant: tenant, Namespace: namespace})
	if err != nil {
		return nil, err
	}
	return versions(secrets), nil
}

// Remove deletes one version of a login.
func (k Keeper) Remove(ctx context.Context, namespace, component string, version int) error {
	k.Forget(namespace)
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name.Credentials(component, version), Namespace: namespace}}
	if err := k.Client.Delete(ctx, s); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing credentials %s: %w", s.Name, err)
	}
	return nil
}

// RemoveAuthority deletes a tenant's certificate authority: nothing issued by it can be renewed.
func (k Keeper) RemoveAuthority(ctx context.Context, tenant string) error {
	k.Distrust(tenant)
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name.CA(tenant), Namespace: k.OperatorNamespace}}
	if err := k.Client.Delete(ctx, s); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the certificate authority: %w", err)
	}
	return nil
}

func (k Keeper) authority(ctx context.Context, tenant string) (Pair, error) {
	s := &corev1.Secret{}
	err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.OperatorNamespace, Name: name.CA(tenant)}, s)
	if err == nil {
		return Pair{Cert: s.Data[contract.FileTLSCert], Key: s.Data[contract.FileTLSKey]}, nil
	}
	if !apierrors.IsNotFound(err) {
		return Pair{}, fmt.Errorf("reading the certificate authority: %w", err)
	}
	ca, err := NewAuthority(tenant, k.Now())
	if err != nil {
		return Pair{}, err
	}
	s = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name.CA(tenant), Namespace: k.OperatorNamespace, Labels: labels(tenant)},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{contract.FileTLSCert: ca.Cert, contract.FileTLSKey: ca.Key},
	}
	if err := k.Client.Create(ctx, s); err != nil {
		return Pair{}, fmt.Errorf("keeping the certificate authority: %w", err)
	}
	return ca, nil
}

func (k Keeper) list(ctx context.Context, w Wanted) (map[string]*corev1.Secret, error) {
	var list corev1.SecretList
	err := k.Client.List(ctx, &list, client.InNamespace(w.Namespace), client.MatchingLabels(labels(w.Tenant)))
	if err != nil {
		return nil, fmt.Errorf("reading the tenant's credentials: %w", err)
	}
	found := map[string]*corev1.Secret{}
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found, nil
}

func labels(tenant string) map[string]string {
	l := plan.TenantLabels(tenant)
	l[labelComponent] = componentCredentials
	return l
}

func versions(secrets map[string]*corev1.Secret) Found {
	found := Found{}
	for secret := range secrets {
		if component, version, ok := name.ParseCredentials(secret); ok {
			found[component] = append(found[component], version)
		}
	}
	for _, v := range found {
		slices.Sort(v)
	}
	return found
}

// maker makes one tenant's Secrets.
type maker struct {
	Keeper
	wanted    Wanted
	ca        Pair
	authority *x509.Certificate
	secrets   map[string]*corev1.Secret
}

// lost finds what must not be made anew beside a database that exists.
func (m maker) lost() error {
	if len(m.wanted.Used) == 0 {
		return nil // nothing was ever set up
	}
	for secret, loss := range map[string]string{
		name.Keys:                       "without it, guests who said STOP are not recognised any more",
		name.Credentials(name.Admin, 1): "the database's superuser knows no other password",
	} {
		if secret == name.Credentials(name.Admin, 1) && !m.wanted.Superuser {
			continue
		}
		if m.secrets[secret] == nil {
			return &LostError{Secret: secret, Message: fmt.Sprintf(
				"Secret %s was removed, and %s: restore it from a backup, with its labels; the tenant's pods go on as they are", secret, loss)}
		}
	}
	return nil
}

// random makes the key for hashes and the first staff account.
func (m maker) random(ctx context.Context) error {
	if m.secrets[name.Keys] == nil {
		if err := m.create(ctx, name.Keys, map[string][]byte{contract.FileHashKeyPrefix + "1": bytes()}, false, nil); err != nil {
			return err
		}
	}
	if m.secrets[name.BackupKey] == nil {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			return fmt.Errorf("making the key of backups: %w", err)
		}
		err = m.create(ctx, name.BackupKey, map[string][]byte{
			contract.FileIdentity: []byte(key.String()), contract.FileRecipient: []byte(key.Recipient().String()),
		}, true, nil)
		if err != nil {
			return err
		}
	}
	if m.secrets[name.StaffBootstrap] == nil {
		return m.create(ctx, name.StaffBootstrap, map[string][]byte{
			contract.FileEmail: []byte("owner@" + m.wanted.Hostname), contract.FilePassword: password(),
		}, false, nil)
	}
	return nil
}

// login makes a component's first login, or its next one when rotation was asked
// for or its certificate is due. The superuser keeps its password for life: the
// database's image sets it once.
func (m maker) login(ctx context.Context, component string) error {
	version, secret := m.wanted.Used[component], password()
	if existing := versions(m.secrets)[component]; len(existing) > 0 {
		version = existing[len(existing)-1]
		newest := m.secrets[name.Credentials(component, version)]
		asked := component != name.Admin && m.wanted.Rotation != "" && newest.Annotations[v1alpha1.AnnotationRotatedFor] != m.wanted.Rotation
		if !asked && !due(newest.Data[contract.FileTLSCert], m.authority, m.Now()) {
			return nil
		}
		if component == name.Admin {
			secret = newest.Data[contract.FilePassword]
		}
	}
	version++
	role := contract.LoginRole(component, version)
	if component == name.Admin {
		role = contract.AdminRole
	}
	pair, err := m.ca.Client(m.Now(), role)
	if err != nil {
		return err
	}
	return m.create(ctx, name.Credentials(component, version), map[string][]byte{
		contract.FileUsername: []byte(role), contract.FilePassword: secret,
		contract.FileTLSCert: pair.Cert, contract.FileTLSKey: pair.Key, contract.FileCA: m.ca.Cert,
	}, true, map[string]string{v1alpha1.AnnotationRotatedFor: m.wanted.Rotation})
}

func (m maker) create(ctx context.Context, secretName string, data map[string][]byte, immutable bool, annotations map[string]string) error {
	marks := labels(m.wanted.Tenant)
	if _, client := m.wanted.Clients[secretName]; client || secretName == name.PostgresTLS {
		maps.Copy(marks, m.wanted.Watched)
	}
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: secretName, Namespace: m.wanted.Namespace, Labels: marks, Annotations: annotations,
		},
		Data: data, Immutable: &immutable,
	}
	if err := m.Client.Create(ctx, s); err != nil {
		return fmt.Errorf("keeping credentials %s: %w", secretName, err)
	}
	m.secrets[secretName] = s
	return nil
}

// bytes gives 32 random bytes.
func bytes() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

// password has 256 bits, in letters that need no escaping anywhere.
func password() []byte { return []byte(base64.RawURLEncoding.EncodeToString(bytes())) }
