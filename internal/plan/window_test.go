package plan_test

import (
	"reflect"
	"testing"
	_ "time/tzdata" // as in the operator

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func TestAWindowOfAnUnknownTimeZoneNeverOpens(t *testing.T) {
	for name, c := range map[string]struct {
		window  *v1alpha1.SendWindow
		want    *contract.SendWindow
		refused bool
	}{
		"none":     {nil, nil, false},
		"all days": {&v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "Europe/Berlin"}, &contract.SendWindow{Opens: "08:00", Closes: "20:00", Days: []int{1, 2, 3, 4, 5, 6, 7}, TimeZone: "Europe/Berlin"}, false},
		"in whatever order": {&v1alpha1.SendWindow{Start: "18:00", End: "02:00", Days: []v1alpha1.Weekday{"Sunday", "Monday"}, TimeZone: "UTC"},
			&contract.SendWindow{Opens: "18:00", Closes: "02:00", Days: []int{1, 7}, TimeZone: "UTC"}, false},
		"a zone of none": {&v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "Europe/Atlantis"}, &contract.SendWindow{Opens: "08:00", Closes: "20:00", Days: []int{}, TimeZone: "Europe/Atlantis"}, true},
	} {
		got, refusal := plan.SendWindow(c.window)
		if !reflect.DeepEqual(got, c.want) || (refusal != nil) != c.refused {
			t.Errorf("%s: %+v, %v", name, got, refusal)
		}
		if refusal != nil && refusal.Reason != v1alpha1.ReasonInvalidSchedule {
			t.Errorf("%s: reason %s", name, refusal.Reason)
		}
	}
}
