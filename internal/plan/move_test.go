package plan_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// moving is a tenant of testdata that is to move to a region which has all that it needs.
func moving(t *testing.T) (plan.Tenant, plan.MoveFacts) {
	t.Helper()
	const dir = "testdata/everything"
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, filepath.Join(dir, "tenant.yaml"), tenant)
	read(t, filepath.Join(dir, "region.yaml"), region)
	to := region.DeepCopy()
	to.Name, to.Spec.Jurisdiction, to.Spec.StorageClassName = "us-east", "US", "local-us-east"
	to.Spec.NodeSelector = map[string]v1alpha1.LabelValue{corev1.LabelTopologyRegion: "us-east-1"}
	for i := range to.Spec.SubProcessors {
		to.Spec.SubProcessors[i].TransferMechanism = "standard contractual clauses"
	}
	tenant.Spec.ObjectStore = nil
	tenant.Spec.Move = &v1alpha1.Move{To: to.Name, TransferMechanism: "EU-US Data Privacy Framework"}
	in := plan.Tenant{
		Tenant: tenant, Region: region, OperatorNamespace: name.OperatorNamespace, Images: plan.Images{Instance: "instance:test", Postgres: "postgres:test"},
		Incoming: to,
	}
	return in, plan.MoveFacts{
		To: to, Nodes: 1, Class: &v1alpha1.RegionStorageClass{Name: "local-us-east", Bound: true},
		Channels: all[v1alpha1.Channel](t, dir, "channel*.yaml"), Policies: all[v1alpha1.RetentionPolicy](t, dir, "policy*.yaml"),
	}
}

// Every object of a move is as its golden file shows, and so is its plan.
func TestMoveGolden(t *testing.T) {
	in, facts := moving(t)
	objects := append([]client.Object{plan.Boundary(in)}, plan.MoveDoors(in)...)
	objects = append(objects, plan.MoveClaim(in), plan.CopyJob(in), plan.MoveDatabase(in), plan.CutOverJob(in), plan.ReopenJob(in, name.DatabaseIn("us-east")))
	var got bytes.Buffer
	for _, o := range objects {
		write(t, &got, o)
	}
	write(t, &got, plan.MovePlan(in, facts))
	const path = "testdata/everything/move.yaml"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		t.Errorf("the plan differs from %s; run go test ./internal/plan -update and look at git diff", path)
	}

	t.Run("and every pod is confined to one of both regions", func(t *testing.T) {
		pods := 0
		for _, o := range objects {
			pod := podOf(o)
			if pod == nil {
				continue
			}
			pods++
			region := in.Region
			if o.GetName() == "postgres-us-east" || o.GetName() == "copy-postgres-us-east" {
				region = in.Incoming
			}
			confined(t, o.GetName(), pod, plan.NodeSelector(region))
		}
		if pods != 4 {
			t.Errorf("%d pods were looked at", pods)
		}
	})
}

func write(t *testing.T, into *bytes.Buffer, v any) {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	into.WriteString("---\n")
	into.Write(b)
}

// Once the tenant was switched, its database is applied as it was made: it does not restart.
func TestADatabaseThatMovedStaysAsItIs(t *testing.T) {
	in, _ := moving(t)
	in.Claim = &corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeName: "pv-1"}
	made := plan.MoveDatabase(in)
	after := in
	after.Region, after.Incoming, after.Database = in.Incoming, nil, name.DatabaseIn("us-east")
	after.Claim = &made.Spec.VolumeClaimTemplates[0].Spec
	var before, now bytes.Buffer
	write(t, &before, made)
	objects := plan.Database(after)
	write(t, &now, objects[len(objects)-1])
	if before.String() != now.String() {
		t.Errorf("before the switch:\n%s\nafter:\n%s", &before, &now)
	}
	if made.Spec.VolumeClaimTemplates[0].Spec.VolumeName != "" {
		t.Error("the copy is made on the volume of the source")
	}
}

func TestWhatIsInTheWayOfAMove(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*plan.Tenant, *plan.MoveFacts)
		says   string // empty: nothing is
	}{
		"nothing":                   {func(*plan.Tenant, *plan.MoveFacts) {}, ""},
		"no such Region":            {func(_ *plan.Tenant, f *plan.MoveFacts) { f.To = nil }, "there is no Region us-east"},
		"another law, no mechanism": {func(in *plan.Tenant, _ *plan.MoveFacts) { in.Tenant.Spec.Move.TransferMechanism = "" }, "data would leave jurisdiction"},
		"the same law, no mechanism": {func(in *plan.Tenant, f *plan.MoveFacts) {
			in.Tenant.Spec.Move.TransferMechanism, f.To.Spec.Jurisdiction = "", in.Region.Spec.Jurisdiction
		}, ""},
		"no nodes":                {func(_ *plan.Tenant, f *plan.MoveFacts) { f.Nodes = 0 }, "has no nodes"},
		"no StorageClass":         {func(_ *plan.Tenant, f *plan.MoveFacts) { f.Class = nil }, "has no StorageClass"},
		"a StorageClass at large": {func(_ *plan.Tenant, f *plan.MoveFacts) { f.Class.Bound = false }, "other regions reach"},
		"another image": {func(_ *plan.Tenant, f *plan.MoveFacts) {
			f.To.Spec.Database = &v1alpha1.RegionDatabase{Image: "postgres:17"}
		}, "a copy needs the same"},
		"files in an object store": {func(in *plan.Tenant, _ *plan.MoveFacts) {
			in.Tenant.Spec.ObjectStore = &v1alpha1.TenantObjectStore{Name: "frankfurt", Bucket: "b"}
		}, "files in an object store"},
		"the same nodes":                         {func(in *plan.Tenant, f *plan.MoveFacts) { f.To.Spec.NodeSelector = in.Region.Spec.NodeSelector }, "have the same nodes"},
		"a sub-processor that is not registered": {func(_ *plan.Tenant, f *plan.MoveFacts) { f.To.Spec.SubProcessors = nil }, "is not in the register of region us-east"},
		"data kept too long there": {func(_ *plan.Tenant, f *plan.MoveFacts) {
			days := int32(1)
			f.To.Spec.RetentionBounds = nil
			for _, r := range f.Policies[0].Spec.Rules {
				f.To.Spec.RetentionBounds = append(f.To.Spec.RetentionBounds, v1alpha1.RetentionBound{Category: r.Category, MaxDays: &days})
			}
		}, "region us-east allows 1 at most"},
		"data that only the Region bounds": {func(in *plan.Tenant, f *plan.MoveFacts) {
			f.Policies, f.To.Spec.DefaultRetention = nil, nil
			in.Region.Spec.DefaultRetention = &v1alpha1.DefaultRetention{Rules: []v1alpha1.RetentionRule{{Category: v1alpha1.CategoryAccessLogs, RetainDays: 90}}}
		}, "nothing would bound AccessLogs in Region us-east"},
	} {
		t.Run(sentence, func(t *testing.T) {
			in, facts := moving(t)
			c.change(&in, &facts)
			got := plan.MovePlan(in, facts).Refusals
			if c.says == "" && len(got) > 0 || c.says != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.says) }) {
				t.Errorf("refused for %q, want %q", got, c.says)
			}
		})
	}
}

// An approval is of one plan: whatever changes in it makes another.
func TestAPlanOfAMoveIsApprovedOnce(t *testing.T) {
	in, facts := moving(t)
	seen := map[string]string{plan.MovePlan(in, facts).Digest: "the first"}
	differs := func(what string) {
		t.Helper()
		digest := plan.MovePlan(in, facts).Digest
		if before, known := seen[digest]; known {
			t.Errorf("%s has the digest of %s", what, before)
		}
		seen[digest] = what
	}
	facts.Attempts = 1
	differs("a second attempt")
	in.Tenant.Spec.Move.TransferMechanism = "standard contractual clauses"
	differs("another mechanism")
	facts.To.Spec.Jurisdiction = "CA"
	differs("another jurisdiction")
	facts.Channels = nil
	differs("fewer channels")
	facts.Nodes = 0
	differs("what it is refused for")
}
