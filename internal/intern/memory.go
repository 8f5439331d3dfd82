package intern

// memory keeps what was asked for lately: what is older than two generations goes.
type memory[K comparable, V any] struct {
	young, old map[K]V
}

func (m *memory[K, V]) get(k K) (V, bool) {
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.put(k, v)
	}
	return v, ok
}

func (m *memory[K, V]) put(k K, v V) {
	if m.young == nil || len(m.young) >= generation {
		m.young, m.old = map[K]V{}, m.young
	}
	m.young[k] = v
}
