package observe

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Setup is what is known of a tenant's migrations.
type Setup struct {
	Done, Failed bool
	// Error of a Job that failed.
	Error         string
	SchemaVersion int64
	// Usable logins, by component: those that a finished Job brought about, newest version.
	Usable map[string]int
	// Holds in force, by name: those that the newest finished Job lists.
	Holds map[string]plan.Hold
	// Matches is what that Job said of them; nil when its pod has gone.
	Matches []contract.HoldMatch
	// Lacks are the parts of what is asked for that the image of the Job asked for now has left out; LacksKnown unless its pod has gone.
	Lacks      []string
	LacksKnown bool
	// Gone are the uids of the LegalHolds that finished Jobs before it list, and it does not.
	Gone []string
	// Outdated Jobs: others than the one asked for.
	Outdated []string
}

// Setup reads the migration Jobs of a tenant; desired is the name of the one
// that stands for what is asked for now.
func (j Jobs) Setup(ctx context.Context, tenant *v1alpha1.Tenant, namespace, desired string) (Setup, error) {
	s := Setup{Usable: map[string]int{}}
	var jobs batchv1.JobList
	if err := j.Cache.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant.Name, "migrate"))); err != nil {
		return s, fmt.Errorf("reading the migration Jobs: %w", err)
	}
	slices.SortFunc(jobs.Items, func(a, b batchv1.Job) int {
		// Times count seconds: of two in one, what is asked for now is the newer.
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), newer(a.Name == desired)-newer(b.Name == desired))
	})
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if !metav1.IsControlledBy(job, tenant) || !job.DeletionTimestamp.IsZero() {
			continue
		}
		done := finished(job, batchv1.JobComplete)
		if job.Name != desired {
			s.Outdated = append(s.Outdated, job.Name)
		}
		if job.Name == desired {
			s.Done, s.Failed = done, finished(job, batchv1.JobFailed)
		}
		if !done && (job.Name != desired || job.Status.Failed == 0) {
			continue
		}
		result, err := j.result(ctx, job)
		if err != nil {
			return s, err
		}
		if done {
			s.take(job, result.Migration)
		}
		if job.Name != desired {
			continue
		}
		s.Error = result.Error
		if result.Migration != nil {
			s.SchemaVersion = result.Migration.SchemaVersion
			s.Lacks, s.LacksKnown = lacks(result.Migration), true
		}
	}
	return s, nil
}

// lacks are those of the operator's own parts that a migration says it has left out: a pod's word adds no others.
func lacks(m *contract.MigrationResult) []string {
	return slices.DeleteFunc(contract.Parts(), func(p string) bool { return !slices.Contains(m.Lacks, p) })
}

func newer(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// take makes what a finished Job brought about what there is.
func (s *Setup) take(job *batchv1.Job, result *contract.MigrationResult) {
	before := s.Holds
	s.Usable, s.Holds, s.Matches = usable(job), holds(job), nil
	if result != nil {
		s.Matches = result.Holds
	}
	listed := map[string]bool{}
	for _, h := range s.Holds {
		listed[h.UID()] = true
	}
	for _, h := range before {
		s.Gone = append(s.Gone, h.UID())
	}
	s.Gone = slices.DeleteFunc(s.Gone, func(uid string) bool { return listed[uid] })
	slices.Sort(s.Gone)
}

func usable(job *batchv1.Job) map[string]int {
	found := map[string]int{}
	for _, secret := range strings.Split(job.Annotations[v1alpha1.AnnotationLogins], ",") {
		if c, version, ok := name.ParseCredentials(secret); ok {
			found[c] = max(found[c], version)
		}
	}
	return found
}

// holds are those that a migration puts in force, by name.
func holds(job *batchv1.Job) map[string]plan.Hold {
	all := map[string]plan.Hold{}
	marks := plan.ParseMarks(job.Spec.Template.Annotations[v1alpha1.AnnotationHolds])
	for _, c := range job.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			var setup contract.Setup
			if e.Name != contract.EnvSetup || json.Unmarshal([]byte(e.Value), &setup) != nil {
				continue
			}
			for _, h := range setup.Holds {
				all[h.Name] = plan.Hold{Hold: h, Mark: marks[h.Name]}
			}
		}
	}
	return all
}
