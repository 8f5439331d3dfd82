package tenant

import (
	"reflect"
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

func TestNoSmallGroupReachesTheStatusOfATenant(t *testing.T) {
	n := contract.NoticeState{Version: 9}
	for v := int32(9); v > 0; v-- {
		n.Told = append(n.Told, contract.NoticeCount{Version: v, Guests: int64(v)})
	}
	want := &v1alpha1.NoticeStatus{Version: 9, Told: []v1alpha1.NoticeCount{
		{Version: 9, Guests: 9}, {Version: 8, Guests: 8}, {Version: 7, Guests: 7}, {Version: 6, Guests: 6}, {Version: 5, Guests: 5},
	}}
	for toTell, kept := range map[int64]bool{0: true, 1: false, 4: false, 5: true} {
		n.ToTell = &toTell
		if want.ToTell = nil; kept {
			want.ToTell = &toTell
		}
		if got := noticeStatus(n); !reflect.DeepEqual(got, want) {
			t.Errorf("%d to tell: %+v", toTell, got)
		}
	}
}
