package plan

import (
	"cmp"
	"fmt"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// ChatNotice refuses a web chat that has no privacy notice to show, neither its own nor the tenant's.
func ChatNotice(tenant *v1alpha1.Tenant, channel *v1alpha1.Channel) *Refusal {
	if w := channel.Spec.WebChat; w == nil || w.PrivacyNoticeURL != "" || tenant.Spec.PrivacyNotice != nil {
		return nil
	}
	return &Refusal{
		Reason: v1alpha1.ReasonPrivacyNoticeMissing,
		Message: fmt.Sprintf("a web chat shows guests a privacy notice before they write, and there is none: set spec.privacyNotice of Tenant %s, "+
			"or spec.webChat.privacyNoticeURL of this Channel", tenant.Name),
	}
}

// PrivacyNotice gives a tenant's notice as its database knows it, nil for none.
func PrivacyNotice(n *v1alpha1.PrivacyNotice) *contract.PrivacyNotice {
	if n == nil {
		return nil
	}
	return &contract.PrivacyNotice{
		URL: n.URL, Version: n.Version, Material: cmp.Or(n.MaterialVersion, n.Version), Language: cmp.Or(string(n.Language), "en"),
	}
}
