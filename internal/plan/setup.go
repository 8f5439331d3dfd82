package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Setup is the Job that brings a tenant's database to what is asked for: schema,
// roles, channels, limits and holds. Its name bears the hash of all that, so that a
// change makes a new Job and no change makes none. logins are every login role to
// exist, in use or about to be; channels those that were accepted; limits and holds what is in force.
func Setup(in Tenant, logins []Login, channels []v1alpha1.Channel, limits []contract.Retention, holds []Hold) *batchv1.Job {
	holds = sortedHolds(holds)
	logins = slices.Clone(logins)
	slices.SortFunc(logins, func(a, b Login) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Version, b.Version))
	})
	secrets := make([]string, 0, len(logins))
	var sources []corev1.VolumeProjection
	for _, l := range logins {
		secrets = append(secrets, name.Credentials(l.Component, l.Version))
		sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name.Credentials(l.Component, l.Version)},
			Items:                []corev1.KeyToPath{{Key: contract.FilePassword, Path: l.Role() + "/" + contract.FilePassword}},
		}})
	}
	asked := setupOf(channels, limits, holds, AcceptedWebhooks(in))
	asked.SendWindow, _ = SendWindow(in.Tenant.Spec.SendWindow)
	asked.PrivacyNotice = PrivacyNotice(in.Tenant.Spec.PrivacyNotice)
	setup := mustJSON(asked)
	meta := in.tenantMeta("", componentMigrate)
	meta.Annotations = map[string]string{v1alpha1.AnnotationLogins: strings.Join(secrets, ",")}
	container := in.instance("migrate", need{cpu: "50m", memory: "64Mi", memoryLimit: "256Mi"},
		slices.Concat([]corev1.EnvVar{{Name: contract.EnvSetup, Value: setup}}, in.mayLack(asked), in.claim()),
		[]corev1.VolumeMount{mount("database", contract.DirDatabase), mount("roles", contract.DirRoles), mount("staff", contract.DirStaff)})
	container.Image = in.migrator()
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(name.Admin), secretVolume("staff", name.StaffBootstrap),
		{Name: "roles", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: &secretMode}}},
	})
	mountHolds(&pod, holds)
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(4), int64(600)
	spec := batchv1.JobSpec{
		BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentMigrate)}, Spec: pod},
	}
	if len(holds) > 0 {
		spec.Template.Annotations = map[string]string{v1alpha1.AnnotationHolds: marks(holds)}
	}
	if in.Epoch > 0 {
		metav1.SetMetaDataAnnotation(&spec.Template.ObjectMeta, v1alpha1.AnnotationEpoch, strconv.Itoa(int(in.Epoch)))
	}
	// A Job can't be changed: all of it goes into the name.
	sum := sha256.Sum256([]byte(mustJSON(spec)))
	meta.Name = name.Migrate(hex.EncodeToString(sum[:8]))
	return &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta, Spec: spec}
}

// mayLack tells the migration which parts of what is asked for its image may lack: until a tenant's turn comes, that is one of the
// release before, which goes on without them and says so.
func (in Tenant) mayLack(asked contract.Setup) []corev1.EnvVar {
	var parts []string
	for _, p := range []struct {
		name  string
		asked bool
	}{
		{contract.PartPrivacyNotice, asked.PrivacyNotice != nil},
		{contract.PartSendWindow, asked.SendWindow != nil},
		{contract.PartStaffOIDC, in.Tenant.Spec.StaffOIDC != nil},
		{contract.PartWebhooks, len(asked.Webhooks) > 0},
	} {
		if p.asked {
			parts = append(parts, p.name)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []corev1.EnvVar{{Name: contract.EnvMayLack, Value: strings.Join(parts, ",")}}
}

func setupOf(channels []v1alpha1.Channel, limits []contract.Retention, holds []Hold, webhooks []v1alpha1.Webhook) contract.Setup {
	s := contract.Setup{Channels: []contract.SetupChannel{}, Retention: append([]contract.Retention{}, limits...)}
	for _, c := range channels {
		s.Channels = append(s.Channels, contract.SetupChannel{Name: c.Name, Type: string(c.Spec.Type)})
	}
	for _, h := range holds {
		s.Holds = append(s.Holds, h.Hold)
	}
	s.Webhooks = WebhooksOf(webhooks)
	slices.SortFunc(s.Channels, func(a, b contract.SetupChannel) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Retention, func(a, b contract.Retention) int { return cmp.Compare(a.Policy, b.Policy) })
	return s
}

// defaultMaxPercent of a category that one run may delete.
const defaultMaxPercent = 50

// RetentionOf gives a policy as the instance knows it.
func RetentionOf(p *v1alpha1.RetentionPolicy) contract.Retention {
	r := contract.Retention{
		Policy: p.Name, Generation: p.Generation, Rules: []contract.RetentionRule{},
		Mode: cmp.Or(string(p.Spec.Mode), contract.ModeEnforce), MaxPercent: defaultMaxPercent, ApprovedPlan: p.Spec.ApprovedPlan,
	}
	if g := p.Spec.Guard; g != nil && g.MaxPercent != nil {
		r.MaxPercent = *g.MaxPercent
	}
	for _, rule := range p.Spec.Rules {
		r.Rules = append(r.Rules, contract.RetentionRule{
			Category: string(rule.Category), RetainDays: rule.RetainDays,
			Action: cmp.Or(string(rule.Action), contract.ActionDelete), LegalBasis: rule.LegalBasis,
		})
	}
	slices.SortFunc(r.Rules, func(a, b contract.RetentionRule) int { return cmp.Compare(a.Category, b.Category) })
	r.Digest = contract.Digest(r.Rules)
	return r
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and integers only: cannot happen
	}
	return string(b)
}

// IsMigration says that an object is a migration, or a pod of one.
func IsMigration(o client.Object) bool { return o.GetLabels()[labelComponent] == componentMigrate }
