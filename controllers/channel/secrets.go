package channel

import (
	"hash/fnv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// remembered is how long a Secret that was found counts as being there: one that was removed goes unnoticed for no longer.
const remembered = 5 * time.Minute

// found remembers which Channels' Secrets were found with all keys: Secrets are not watched (docs/design/0003).
type found struct {
	mu    sync.Mutex
	looks map[types.NamespacedName]look
}

type look struct {
	uid        types.UID // of the Channel
	generation int64
	at         time.Time
}

// left gives for how long what was found still counts; 0 when the Secret has to be looked at. After a restart, what status tells
// counts as if it had been found a while ago, less for one Channel and more for another: so they are not all looked at at once.
func (f *found) left(c *v1alpha1.Channel, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := client.ObjectKeyFromObject(c)
	l, ok := f.looks[key]
	if !ok {
		told := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionCredentialsReady)
		if told == nil || told.Status != metav1.ConditionTrue {
			return 0
		}
		l = look{c.UID, told.ObservedGeneration, now.Add(-spread(c.UID))}
		f.keep(key, l)
	}
	if l.uid != c.UID || l.generation != c.Generation {
		return 0
	}
	return max(remembered-now.Sub(l.at), 0)
}

// note remembers that a Channel's Secret was found.
func (f *found) note(c *v1alpha1.Channel, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(client.ObjectKeyFromObject(c), look{c.UID, c.Generation, now})
}

func (f *found) keep(key types.NamespacedName, l look) {
	if f.looks == nil {
		f.looks = map[types.NamespacedName]look{}
	}
	f.looks[key] = l
}

// forget is for a Channel that has gone, or whose Secret has.
func (f *found) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.looks, key)
}

// spread is a part of remembered, another one for every Channel.
func spread(uid types.UID) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid)) // never fails
	return remembered / 1024 * time.Duration(h.Sum32()%1024)
}
