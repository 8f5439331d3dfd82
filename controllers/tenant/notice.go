package tenant

import (
	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// notice gives who was told of a tenant's privacy notice, as its instance told last: what status says, while it does not tell.
func (r *Reconciler) notice(t *v1alpha1.Tenant) *v1alpha1.NoticeStatus {
	if t.Spec.PrivacyNotice == nil {
		return nil
	}
	known, ok := r.Journal.Known(t.UID)
	if !ok || known.State.Notice == nil {
		return t.Status.PrivacyNotice
	}
	return noticeStatus(*known.State.Notice)
}

// noticeStatus takes nothing that an instance may not tell: too many counts, or groups that are too small.
func noticeStatus(n contract.NoticeState) *v1alpha1.NoticeStatus {
	st := &v1alpha1.NoticeStatus{Version: n.Version}
	for _, c := range n.Told {
		if c.Guests >= contract.MinGroup && len(st.Told) < contract.MaxNoticeCounts {
			st.Told = append(st.Told, v1alpha1.NoticeCount{Version: c.Version, Guests: c.Guests})
		}
	}
	if n.ToTell != nil && (*n.ToTell == 0 || *n.ToTell >= contract.MinGroup) {
		st.ToTell = n.ToTell
	}
	return st
}
