package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Hold is a LegalHold as a migration puts it in force.
type Hold struct {
	contract.Hold
	// Mark tells one version of the object, and of its Secret, from another.
	Mark string
	// Secret with the person's addresses; empty when the hold is about none, or when
	// what is known of the person already stays.
	Secret string
}

// HoldOf gives a LegalHold as the instance knows it; version is the resourceVersion of
// the Secret with the person's addresses, empty when it names none.
func HoldOf(h *v1alpha1.LegalHold, version string) Hold {
	m := h.Spec.Match
	hold := Hold{
		Hold: contract.Hold{
			Name: h.Name, Subject: m.Subject != nil, Conversation: m.Conversation, Channel: m.Channel,
			From: instant(m.From), To: instant(m.To), Expires: instant(h.Spec.Until),
		},
		Mark: fmt.Sprintf("%s.%d", h.UID, h.Generation),
	}
	if m.Subject != nil {
		hold.Secret = m.Subject.SecretName
		hold.Mark += "." + version
	}
	return hold
}

func instant(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

// Expired says that a hold's time is over.
func Expired(h *v1alpha1.LegalHold, now time.Time) bool {
	return h.Spec.Until != nil && !now.Before(h.Spec.Until.Time)
}

// Is says that a hold is that of an object as it is now, whatever became of the Secret
// since: what is known of a person stays.
func (h Hold) Is(object *v1alpha1.LegalHold) bool {
	return h.Name == object.Name && strings.HasPrefix(h.Mark, HoldOf(object, "").Mark)
}

// UID of the LegalHold that a hold was made from.
func (h Hold) UID() string {
	uid, _, _ := strings.Cut(h.Mark, ".")
	return uid
}

// marks are the value of AnnotationHolds.
func marks(holds []Hold) string {
	var all []string
	for _, h := range holds {
		all = append(all, h.Name+"="+h.Mark)
	}
	return strings.Join(all, ",")
}

// ParseMarks reads the marks by the holds' names.
func ParseMarks(annotation string) map[string]string {
	all := map[string]string{}
	for _, pair := range strings.Split(annotation, ",") {
		if hold, mark, ok := strings.Cut(pair, "="); ok {
			all[hold] = mark
		}
	}
	return all
}

func sortedHolds(holds []Hold) []Hold {
	holds = slices.Clone(holds)
	slices.SortFunc(holds, func(a, b Hold) int { return cmp.Compare(a.Name, b.Name) })
	return holds
}

// mountHolds mounts the addresses of those who are named by holds, and the keys to hash
// them with. Whatever has gone since is left out: the instance keeps what it knows.
func mountHolds(pod *corev1.PodSpec, holds []Hold) {
	yes := true
	var sources []corev1.VolumeProjection
	for _, h := range holds {
		if h.Secret == "" {
			continue
		}
		source := &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: h.Secret}, Optional: &yes}
		for _, kind := range contract.Kinds() {
			source.Items = append(source.Items, corev1.KeyToPath{Key: kind, Path: h.Name + "/" + kind})
		}
		sources = append(sources, corev1.VolumeProjection{Secret: source})
	}
	if len(sources) == 0 {
		return
	}
	pod.Volumes = append(pod.Volumes, secretVolume("keys", name.Keys), corev1.Volume{
		Name:         "holds",
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: &secretMode}},
	})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, mount("keys", contract.DirKeys), mount("holds", contract.DirHolds))
}
