package apply

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// verified remembers of which live object, in which version, it was seen that it is as desired. Most passes find everything as
// the pass before has left it: they need not compare it field by field again.
type verified struct {
	mu    sync.Mutex
	known map[sum]sum // by a digest of the object's kind and name
}

// sum is a digest: with a thousand tenants there are as many as sixty thousand, and names would take more room.
type sum [sha256.Size / 2]byte

func (id identity) sum() sum {
	full := sha256.Sum256([]byte(id.Group + "/" + id.Kind + "/" + id.Namespace + "/" + id.Name))
	return sum(full[:len(sum{})])
}

// sumOf says what is desired, and in which version it was found.
func sumOf(desired, live client.Object) (sum, error) {
	raw, err := json.Marshal(desired) // the keys of maps are sorted
	if err != nil {
		return sum{}, fmt.Errorf("writing %T as JSON: %w", desired, err)
	}
	h := sha256.New()
	_, _ = h.Write(raw) // never fails
	_, _ = fmt.Fprintf(h, "\x00%s\x00%s", live.GetUID(), live.GetResourceVersion())
	return sum(h.Sum(nil)[:len(sum{})]), nil
}

func (v *verified) is(id identity, s sum) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known[id.sum()] == s
}

func (v *verified) note(id identity, s sum) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[sum]sum{}
	}
	v.known[id.sum()] = s
}

func (v *verified) forget(id identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, id.sum())
}
