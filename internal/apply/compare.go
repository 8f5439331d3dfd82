package apply

import "reflect"

// contains tells whether every field of desired has the same value in live. Live
// may have more fields, for the API server fills in defaults, but not more items
// in a list: an item too many is an opening too many. Nothing and empty are the
// same.
func contains(live, desired map[string]any) bool {
	for key, want := range desired {
		if key == "metadata" {
			if !metadataContains(asMap(live[key]), asMap(want)) {
				return false
			}
			continue
		}
		if !valueContains(live[key], want) {
			return false
		}
	}
	return true
}

// metadataContains lets other owners and finalizers stand beside ours.
func metadataContains(live, desired map[string]any) bool {
	for key, want := range desired {
		if key != "ownerReferences" && key != "finalizers" {
			if !valueContains(live[key], want) {
				return false
			}
			continue
		}
		for _, item := range asList(want) {
			if !anyContains(asList(live[key]), item) {
				return false
			}
		}
	}
	return true
}

func anyContains(live []any, want any) bool {
	for _, item := range live {
		if valueContains(item, want) {
			return true
		}
	}
	return false
}

func valueContains(live, want any) bool {
	switch w := want.(type) {
	case nil:
		return isEmpty(live)
	case map[string]any:
		if len(w) == 0 && live == nil {
			return true
		}
		l, ok := live.(map[string]any)
		if !ok && live != nil {
			return false
		}
		for key, item := range w {
			if !valueContains(l[key], item) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if (!ok && live != nil) || len(l) != len(w) {
			return false
		}
		for i := range w {
			if !valueContains(l[i], w[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(live, want)
	}
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func asList(value any) []any {
	l, _ := value.([]any)
	return l
}
