package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func TestEveryChangeOfANoticeIsMaterialUnlessItIsSaidNotToBe(t *testing.T) {
	const url = "https://hotel-berlin.example/privacy"
	for name, c := range map[string]struct {
		notice *v1alpha1.PrivacyNotice
		want   *contract.PrivacyNotice
	}{
		"none":           {nil, nil},
		"by default":     {&v1alpha1.PrivacyNotice{URL: url, Version: 3}, &contract.PrivacyNotice{URL: url, Version: 3, Material: 3, Language: "en"}},
		"a small change": {&v1alpha1.PrivacyNotice{URL: url, Version: 3, MaterialVersion: 1, Language: "de"}, &contract.PrivacyNotice{URL: url, Version: 3, Material: 1, Language: "de"}},
	} {
		if got := plan.PrivacyNotice(c.notice); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAWebChatWithoutANoticeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		tenant  *v1alpha1.PrivacyNotice
		channel *v1alpha1.WebChat
		refused bool
	}{
		"neither":            {nil, &v1alpha1.WebChat{}, true},
		"the chat's own":     {nil, &v1alpha1.WebChat{PrivacyNoticeURL: "https://hotel-berlin.example/chat"}, false},
		"the tenant's":       {&v1alpha1.PrivacyNotice{}, &v1alpha1.WebChat{}, false},
		"a channel of texts": {nil, nil, false},
	} {
		tenant, channel := &v1alpha1.Tenant{}, &v1alpha1.Channel{}
		tenant.Spec.PrivacyNotice, channel.Spec.WebChat = c.tenant, c.channel
		refusal := plan.ChatNotice(tenant, channel)
		if (refusal != nil) != c.refused {
			t.Errorf("%s: %v", name, refusal)
		}
		if refusal != nil && (refusal.Reason != v1alpha1.ReasonPrivacyNoticeMissing || !strings.Contains(refusal.Message, "spec.privacyNotice")) {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}
