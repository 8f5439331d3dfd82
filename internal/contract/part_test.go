package contract

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A field that is added to the setup has to be judged: may an image of before do without it, or is it about data that is kept or deleted?
func TestEveryFieldOfTheSetupIsAPartOrNeeded(t *testing.T) {
	setup := reflect.TypeFor[Setup]()
	for i := range setup.NumField() {
		field, _, _ := strings.Cut(setup.Field(i).Tag.Get("json"), ",")
		if slices.Contains(Parts(), field) == slices.Contains(needed(), field) {
			t.Errorf("%s of Setup must be either a part, or needed", field)
		}
	}
}

func TestOnlyWhatIsNotKnownIsLacked(t *testing.T) {
	if got := Lacked([]string{"rooms", PartSendWindow, "holds", "retention", "channels", "events", "rooms"}); !slices.Equal(got, []string{"events", "rooms"}) {
		t.Errorf("lacked: %v", got)
	}
	if got := Lacked(Parts()); len(got) > 0 {
		t.Errorf("it lacks what it knows: %v", got)
	}
}
