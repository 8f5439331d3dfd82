package journal

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

var answered = prometheus.NewDesc("switchboard_journal_last_answer_timestamp_seconds",
	"When the tenant's instance last told what its database holds and the operator had kept it; absent before the first time.", []string{"tenant"}, nil)

var givenUp = prometheus.NewDesc("switchboard_webhook_given_up_events",
	"Events that a webhook's receiver did not take in three days, of the last week, as the instance last told.", []string{"tenant", "webhook"}, nil)

// Describe implements prometheus.Collector.
func (j *Journal) Describe(to chan<- *prometheus.Desc) {
	to <- answered
	to <- givenUp
}

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed. A tenant that nobody asks has no series.
func (j *Journal) Collect(to chan<- prometheus.Metric) {
	var tenants v1alpha1.TenantList
	if err := j.Client.List(context.Background(), &tenants); err != nil {
		return // the cache is not filled yet
	}
	for i := range tenants.Items {
		t := &tenants.Items[i]
		known, ok := j.Known(t.UID)
		if !ok || !j.asks(t) {
			continue
		}
		to <- prometheus.MustNewConstMetric(answered, prometheus.GaugeValue, float64(known.at.Unix()), t.Name)
		for k := range t.Spec.Webhooks { // an instance's own words are no labels
			for _, state := range known.State.Webhooks {
				if state.Name == t.Spec.Webhooks[k].Name {
					to <- prometheus.MustNewConstMetric(givenUp, prometheus.GaugeValue, float64(state.Dead), t.Name, state.Name)
					break
				}
			}
		}
	}
}
