package apply

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Slim leaves out of an object that is to be cached what Apply doesn't look at there: which fields are the operator's own, and
// which are of status, and when any of them were written. With many objects that is half of what they take. That the entries exist stays.
func Slim(object metav1.Object) {
	entries := slices.Clone(object.GetManagedFields()) // an informer that lists anew has it slim what others read by now
	for i := range entries {
		entries[i].Time = nil
		if isOurs(entries[i]) || entries[i].Subresource == "status" {
			entries[i].FieldsV1 = nil
		}
	}
	object.SetManagedFields(entries)
}
