package retentionpolicy

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/metric"
)

// Collector tells what the policies' status shows, from the cache, whenever it is asked.
// What is not known has no series: it is never told as zero.
type Collector struct {
	Reader client.Reader
}

// Metrics of a policy. Series are bounded by the number of policies, times nine categories.
var (
	overdueRows = prometheus.NewDesc("switchboard_retention_overdue_rows",
		"Expired rows that the newest run has left, counted afterwards; absent when it could not count them.", []string{"tenant", "policy", "category"}, nil)
	heldRows = prometheus.NewDesc("switchboard_retention_held_rows",
		"Expired rows that a legal hold kept from the newest run.", []string{"tenant", "policy", "category"}, nil)
	oldestRecord = prometheus.NewDesc("switchboard_retention_oldest_record_timestamp_seconds",
		"Age mark of the oldest row that the newest run has left; absent when there is none.", []string{"tenant", "policy", "category"}, nil)
	lastSuccess = prometheus.NewDesc("switchboard_retention_last_success_timestamp_seconds",
		"When the newest run that deleted what had expired ended; absent when status shows none.", []string{"tenant", "policy"}, nil)
	filesPending = prometheus.NewDesc("switchboard_retention_files_pending",
		"Deleted files that the tenant's object store had not removed when the newest run ended.", []string{"tenant", "policy"}, nil)
	blocked = prometheus.NewDesc("switchboard_retention_blocked",
		"1 while the guard has stopped the newest run.", []string{"tenant", "policy"}, nil)
	enforcedNow = prometheus.NewDesc("switchboard_retention_enforced",
		"1 while condition Enforced is True: the newest run left nothing overdue, and none is missing; absent before the first.", []string{"tenant", "policy"}, nil)
	state = prometheus.NewDesc("switchboard_retention_state",
		"1 for the reason that condition Enforced has now; one series for a policy.", []string{"tenant", "policy", "reason"}, nil)
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{overdueRows, heldRows, oldestRecord, lastSuccess, filesPending, blocked, enforcedNow, state} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx := context.Background()
	var policies v1alpha1.RetentionPolicyList
	if err := c.Reader.List(ctx, &policies); err != nil {
		return // the cache is not filled yet
	}
	tenantOf := metric.Tenants(ctx, c.Reader)
	for i := range policies.Items {
		p := &policies.Items[i]
		if tenant := tenantOf(p.Namespace); tenant != "" {
			tell(to, tenant, p)
		}
	}
}

func tell(to chan<- prometheus.Metric, tenant string, p *v1alpha1.RetentionPolicy) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{tenant, p.Name}, labels...)...)
	}
	enforced := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionEnforced)
	if enforced != nil {
		gauge(state, 1, enforced.Reason) // a run that failed or is missing may be the first
		if enforced.Status != metav1.ConditionUnknown {
			gauge(enforcedNow, one(enforced.Status == metav1.ConditionTrue))
		}
	}
	if len(p.Status.Runs) == 0 {
		return
	}
	last := &p.Status.Runs[0]
	for _, run := range p.Status.Runs {
		if run.Outcome == contract.OutcomeEnforced {
			gauge(lastSuccess, float64(run.FinishedAt.Unix()))
			break
		}
	}
	pending := int64(0)
	if last.Files != nil {
		pending = last.Files.Pending
	}
	gauge(filesPending, float64(pending))
	gauge(blocked, one(last.Outcome == contract.OutcomeBlocked))
	for _, category := range last.Categories {
		gauge(heldRows, float64(category.HeldBack), string(category.Category))
		if category.Overdue != nil {
			gauge(overdueRows, float64(*category.Overdue), string(category.Category))
		}
		if category.OldestLeft != nil {
			gauge(oldestRecord, float64(category.OldestLeft.Unix()), string(category.Category))
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
