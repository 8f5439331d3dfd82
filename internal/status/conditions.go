package status

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxMessage is the API's bound on a condition's message, in bytes.
const maxMessage = 32768

// SetConditions makes conditions what was judged, and keeps the time of those that
// did not change.
func SetConditions(conditions *[]metav1.Condition, judged []metav1.Condition, generation int64) {
	for _, c := range judged {
		c.ObservedGeneration = generation
		if len(c.Message) > maxMessage {
			c.Message = c.Message[:maxMessage]
		}
		meta.SetStatusCondition(conditions, c)
	}
	*conditions = slices.DeleteFunc(*conditions, func(c metav1.Condition) bool {
		return !slices.ContainsFunc(judged, func(j metav1.Condition) bool { return j.Type == c.Type })
	})
}
