package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// StoredFiles is what an instance told of files in an object store, as status shows it.
func StoredFiles(f contract.FilesResult) *v1alpha1.StoredFiles {
	s := &v1alpha1.StoredFiles{Removed: f.Removed, Pending: f.Pending, Unknown: f.Unknown, Missing: f.Missing, Class: f.Class}
	if f.Since != nil {
		since := metav1.NewTime(*f.Since)
		s.Since = &since
	}
	return s
}
