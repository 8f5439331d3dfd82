// Package signing keeps the operator's signing key: in a Secret of the operator's
// namespace, made once and never applied again. Public halves are published in a
// ConfigMap beside it, and are never taken back: what an old key signed stays checkable.
package signing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Keeper makes, rotates and publishes the key.
type Keeper struct {
	Client client.Client // writes
	// Reader reads Secrets and ConfigMaps live.
	Reader    client.Reader
	Namespace string // the operator's
}

// Current gives the key to sign with. It makes the first one, makes the next one
// when AnnotationRotateSigningKey on the Secret has a new value, and sees to it that
// the public halves are published before anything is signed.
func (k Keeper) Current(ctx context.Context) (statement.PrivateKey, error) {
	secret, err := k.secret(ctx)
	if err != nil {
		return statement.PrivateKey{}, err
	}
	asked := secret.Annotations[v1alpha1.AnnotationRotateSigningKey]
	if asked != "" && asked != secret.Annotations[v1alpha1.AnnotationRotatedFor] {
		if err := k.rotate(ctx, secret, asked); err != nil {
			return statement.PrivateKey{}, err
		}
	}
	keys, newest, err := read(secret)
	if err != nil {
		return statement.PrivateKey{}, err
	}
	return keys[newest], k.publish(ctx, keys)
}

// Public gives all keys that were published.
func (k Keeper) Public(ctx context.Context) (statement.Keys, error) {
	published := &corev1.ConfigMap{}
	err := k.Reader.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: name.SigningKeys}, published)
	if err != nil {
		return nil, fmt.Errorf("reading the public signing keys: %w", err)
	}
	return PublicKeys(published)
}

// PublicKeys reads the ConfigMap in which the keys are published.
func PublicKeys(published *corev1.ConfigMap) (statement.Keys, error) {
	all := strings.Builder{}
	for _, file := range slices.Sorted(maps.Keys(published.Data)) {
		all.WriteString(published.Data[file])
	}
	keys, err := statement.ParseKeys([]byte(all.String()))
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s: %w", published.Name, err)
	}
	return keys, nil
}

func (k Keeper) secret(ctx context.Context) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: k.Namespace, Name: name.SigningKey}
	secret := &corev1.Secret{}
	err := k.Reader.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		secret, err = k.first(ctx)
		if apierrors.IsAlreadyExists(err) { // somebody else was first
			secret = &corev1.Secret{}
			err = k.Reader.Get(ctx, key, secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keeping the signing key: %w", err)
	}
	return secret, nil
}

func (k Keeper) first(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{ObjectMeta: k.meta(name.SigningKey), Data: map[string][]byte{}}
	if err := add(secret, 1); err != nil {
		return nil, err
	}
	return secret, k.Client.Create(ctx, secret)
}

// rotate adds the next version. The older ones stay, so that their public halves can
// be published again should the ConfigMap be lost.
func (k Keeper) rotate(ctx context.Context, secret *corev1.Secret, asked string) error {
	_, newest, err := read(secret)
	if err != nil {
		return err
	}
	before := secret.DeepCopy()
	if err := add(secret, newest+1); err != nil {
		return err
	}
	secret.Annotations[v1alpha1.AnnotationRotatedFor] = asked
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := k.Client.Patch(ctx, secret, patch); err != nil {
		return fmt.Errorf("rotating the signing key: %w", err)
	}
	return nil
}

func (k Keeper) publish(ctx context.Context, keys map[int]statement.PrivateKey) error {
	published := &corev1.ConfigMap{}
	err := k.Reader.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: name.SigningKeys}, published)
	missing := apierrors.IsNotFound(err)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the public signing keys: %w", err)
	}
	before := published.DeepCopy()
	if published.Data == nil {
		published.Data = map[string]string{}
	}
	for _, key := range keys {
		published.Data[key.Public().ID()+".pem"] = string(key.Public().PEM())
	}
	switch {
	case missing:
		published.ObjectMeta = k.meta(name.SigningKeys)
		err = k.Client.Create(ctx, published)
	case !maps.Equal(before.Data, published.Data):
		err = k.Client.Patch(ctx, published, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("publishing the signing keys: %w", err)
	}
	return nil
}

func (k Keeper) meta(object string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: object, Namespace: k.Namespace, Labels: map[string]string{
		"app.kubernetes.io/name": "switchboard", "app.kubernetes.io/component": "evidence",
	}}
}

const (
	filePrefix = "v"
	fileSuffix = ".pem"
)

func add(secret *corev1.Secret, version int) error {
	key, err := statement.NewPrivateKey()
	if err != nil {
		return err
	}
	pem, err := key.PEM()
	if err != nil {
		return err
	}
	secret.Data[filePrefix+strconv.Itoa(version)+fileSuffix] = pem
	return nil
}

// read gives the keys of a Secret by their versions, and the newest version.
func read(secret *corev1.Secret) (keys map[int]statement.PrivateKey, newest int, err error) {
	keys = map[int]statement.PrivateKey{}
	for file, pem := range secret.Data {
		number, prefixed := strings.CutPrefix(strings.TrimSuffix(file, fileSuffix), filePrefix)
		version, err := strconv.Atoi(number)
		if err != nil || !prefixed || !strings.HasSuffix(file, fileSuffix) || version < 1 {
			continue // not ours
		}
		if keys[version], err = statement.ParsePrivateKey(pem); err != nil {
			return nil, 0, fmt.Errorf("Secret %s, %s: %w; restore the Secret from a backup", secret.Name, file, err)
		}
		newest = max(newest, version)
	}
	if newest == 0 {
		return nil, 0, errors.New("Secret " + secret.Name + " holds no signing key: restore it from a backup, or delete it to have one made")
	}
	return keys, newest, nil
}
