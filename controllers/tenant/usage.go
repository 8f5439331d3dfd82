package tenant

import (
	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// usage is what an instance counted, for status.
func usage(u contract.Usage) *v1alpha1.Usage {
	st := &v1alpha1.Usage{Until: u.Until}
	for _, m := range u.Months {
		month := v1alpha1.UsageMonth{Month: m.Month, StoredBytes: m.StoredBytes}
		for _, c := range m.Channels {
			month.Channels = append(month.Channels, v1alpha1.UsageChannel(c))
		}
		st.Months = append(st.Months, month)
	}
	return st
}
