package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// SendWindow gives a tenant's window as its database knows it, nil for none. One whose time zone is not known is refused, and never
// opens: nobody is written to at night by a mistake.
func SendWindow(w *v1alpha1.SendWindow) (*contract.SendWindow, *Refusal) {
	if w == nil {
		return nil, nil
	}
	window := &contract.SendWindow{Opens: w.Start, Closes: w.End, Days: []int{}, TimeZone: w.TimeZone}
	if _, err := time.LoadLocation(w.TimeZone); err != nil {
		return window, &Refusal{v1alpha1.ReasonInvalidSchedule, fmt.Sprintf("spec.sendWindow.timeZone %q is not known, so that automated messages wait: "+
			"use a name of the IANA time zone database such as Europe/Berlin", w.TimeZone)}
	}
	for i, day := range v1alpha1.Weekdays() {
		if len(w.Days) == 0 || slices.Contains(w.Days, day) {
			window.Days = append(window.Days, i+1)
		}
	}
	return window, nil
}
