package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// maxDeskMessage bounds what a desk is told of one request, in bytes.
const maxDeskMessage = 512

// Filed is the DataSubjectRequest that a checked filed request becomes, and the Secret that names its person; nil for a
// Complaint, which names nobody. The Secret is no object of the operator's: those name nobody.
func Filed(in Tenant, f contract.Filed) (*v1alpha1.DataSubjectRequest, *corev1.Secret) {
	about := metav1.ObjectMeta{
		Name: name.Filed(f.ID), Namespace: in.Namespace(),
		Labels: map[string]string{v1alpha1.LabelFiledBy: v1alpha1.FiledByDesk},
	}
	q := &v1alpha1.DataSubjectRequest{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DataSubjectRequest"},
		ObjectMeta: about,
		Spec:       v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestType(f.Type), ReceivedAt: metav1.NewTime(f.ReceivedAt.UTC().Truncate(time.Second))},
	}
	if f.DueDays != 0 {
		q.Spec.DueDays = &f.DueDays
	}
	if f.ArchiveKey != "" {
		q.Spec.Archive = &v1alpha1.Archive{PublicKey: f.ArchiveKey}
	}
	if len(f.Subject) == 0 {
		return q, nil
	}
	q.Spec.Subject = &v1alpha1.SubjectReference{SecretName: about.Name}
	fixed := true
	secret := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: *about.DeepCopy(), Immutable: &fixed, Data: map[string][]byte{}}
	for key, value := range f.Subject {
		secret.Data[key] = []byte(value)
	}
	return q, secret
}

// Desk is what a tenant's privacy desk is told of requests and holds.
func Desk(requests []v1alpha1.DataSubjectRequest, holds []v1alpha1.LegalHold) (contract.DeskTold, error) {
	told := contract.DeskTold{Requests: []contract.DeskRequest{}, Holds: []contract.DeskHold{}}
	requests = slices.Clone(requests)
	slices.SortFunc(requests, func(a, b v1alpha1.DataSubjectRequest) int {
		return cmp.Or(missed(&a)-missed(&b), sooner(&a, &b), cmp.Compare(a.Name, b.Name))
	})
	told.Cut = len(requests) > contract.MaxDeskRequests
	for i := range requests[:min(len(requests), contract.MaxDeskRequests)] {
		told.Requests = append(told.Requests, deskRequest(&requests[i]))
	}
	slices.SortFunc(told.Requests, func(a, b contract.DeskRequest) int {
		return cmp.Or(ended(a)-ended(b), b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.Name, b.Name))
	})
	for i := range holds {
		told.Holds = append(told.Holds, deskHold(&holds[i]))
	}
	slices.SortFunc(told.Holds, func(a, b contract.DeskHold) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Name, b.Name))
	})
	told.Holds = told.Holds[:min(len(told.Holds), contract.MaxDeskHolds)]
	b, err := json.Marshal(told)
	if err != nil {
		return told, fmt.Errorf("encoding what a desk is told: %w", err)
	}
	digest := sha256.Sum256(b)
	told.Digest = hex.EncodeToString(digest[:])
	return told, nil
}

// missed ranks requests by how a desk would miss them, were there too many: first its own that are open, then the cluster's, then
// what has ended.
func missed(q *v1alpha1.DataSubjectRequest) int {
	switch {
	case q.Status.CompletedAt != nil:
		return 2
	case q.Labels[v1alpha1.LabelFiledBy] != v1alpha1.FiledByDesk:
		return 1
	default:
		return 0
	}
}

// sooner puts what is due first before the rest, and of what has ended that which ended last.
func sooner(a, b *v1alpha1.DataSubjectRequest) int {
	if a.Status.CompletedAt != nil && b.Status.CompletedAt != nil {
		return b.Status.CompletedAt.Compare(a.Status.CompletedAt.Time)
	}
	return due(a).Compare(due(b))
}

func due(q *v1alpha1.DataSubjectRequest) time.Time {
	if q.Status.DueAt != nil {
		return q.Status.DueAt.Time
	}
	return q.Spec.ReceivedAt.Time // not looked at yet
}

func ended(r contract.DeskRequest) int {
	if r.CompletedAt != nil {
		return 1
	}
	return 0
}

func deskRequest(q *v1alpha1.DataSubjectRequest) contract.DeskRequest {
	st := q.Status
	r := contract.DeskRequest{
		Name: q.Name, Type: string(q.Spec.Type), ReceivedAt: q.Spec.ReceivedAt.UTC(),
		Phase: cmp.Or(string(st.Phase), string(v1alpha1.RequestPending)), DueAt: instant(st.DueAt), CompletedAt: instant(st.CompletedAt),
	}
	if at := Answered(q); !at.IsZero() {
		utc := at.UTC()
		r.AnsweredAt = &utc
	}
	if ready := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Status != metav1.ConditionTrue {
		r.Message = shorten(ready.Message, maxDeskMessage)
	}
	for _, c := range st.Done {
		r.Done = append(r.Done, contract.RequestCount{Category: c.Category, Rows: c.Rows})
	}
	for _, f := range st.Refused {
		r.Refused = append(r.Refused, contract.DeskRefusal{Category: f.Category, Rows: f.Rows, Hold: f.Hold})
	}
	if st.Download != nil {
		r.Archive, r.ArchiveUntil = st.Download.URL[strings.LastIndex(st.Download.URL, "/")+1:], instant(&st.Download.ExpiresAt)
	}
	return r
}

func deskHold(h *v1alpha1.LegalHold) contract.DeskHold {
	told := contract.DeskHold{
		Name: h.Name, Reason: h.Spec.Reason, Since: h.CreationTimestamp.UTC(), Until: instant(h.Spec.Until),
		InForce: meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionInForce), HeldBack: h.Status.HeldBack,
	}
	if m := h.Status.Matched; m != nil {
		told.Contacts, told.Messages = &m.Contacts, &m.Messages
	}
	return told
}

// Answered is when a person could be told first; zero when that is still to come.
func Answered(q *v1alpha1.DataSubjectRequest) time.Time {
	switch st := q.Status; {
	case q.Spec.Type == v1alpha1.RequestComplaint && q.Spec.AnsweredAt != nil:
		return q.Spec.AnsweredAt.Time
	case len(st.Receipts) > 0:
		return st.Receipts[len(st.Receipts)-1].FinishedAt.Time
	default:
		return time.Time{}
	}
}

// shorten cuts text to at most limit bytes, between characters.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
