package status

import (
	"slices"
	"strings"

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
		c.Message = cut(c.Message, maxMessage)
		meta.SetStatusCondition(conditions, c)
	}
	*conditions = slices.DeleteFunc(*conditions, func(c metav1.Condition) bool {
		return !slices.ContainsFunc(judged, func(j metav1.Condition) bool { return j.Type == c.Type })
	})
}

// cut shortens text to so many bytes, between characters.
func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes], "")
}
