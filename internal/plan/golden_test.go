package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

var update = flag.Bool("update", false, "write want.yaml anew")

func read(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// everything is all that is planned for one case of testdata, in the order of applying.
// It has two logins of serve, as during a rotation.
func everything(t *testing.T, dir string) []client.Object {
	t.Helper()
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, filepath.Join(dir, "tenant.yaml"), tenant)
	read(t, filepath.Join(dir, "region.yaml"), region)
	in := plan.Tenant{
		Tenant: tenant, Region: region, OperatorNamespace: name.OperatorNamespace, Gateway: true,
		Images: plan.Images{Instance: "instance:test", Postgres: "postgres:test"},
		Versions: map[string]int{name.Admin: 1, contract.ComponentServe: 2, contract.ComponentRetain: 1, contract.ComponentSubject: 1,
			contract.ComponentReplay: 1, contract.ComponentBackup: 1, contract.ComponentExport: 1, contract.ComponentAdopt: 1, contract.ComponentWebhooks: 1},
	}
	logins := []plan.Login{
		{Component: contract.ComponentServe, Version: 1}, {Component: contract.ComponentServe, Version: 2},
		{Component: contract.ComponentRetain, Version: 1}, {Component: contract.ComponentSubject, Version: 1},
	}
	channels, policies := all[v1alpha1.Channel](t, dir, "channel*.yaml"), all[v1alpha1.RetentionPolicy](t, dir, "policy*.yaml")
	var limits []contract.Retention
	var connectors, cronJobs []client.Object
	for i := range channels {
		connector := contract.ComponentConnector(channels[i].Name)
		in.Versions[connector] = 1
		logins = append(logins, plan.Login{Component: connector, Version: 1})
		processor, refusal := plan.Processor(region, &channels[i])
		if refusal != nil {
			t.Fatal(refusal.Message)
		}
		connectors = append(connectors, plan.Connector(in, &channels[i], processor)...)
		if contract.Registers(string(channels[i].Spec.Type)) {
			policy, job := plan.Withdraw(in, &channels[i], processor)
			connectors = append(connectors, policy, job)
		}
	}
	for i := range policies {
		if refusal := plan.Accept(region, &policies[i]); refusal != nil {
			t.Fatal(refusal.Message)
		}
		limits = append(limits, plan.RetentionOf(&policies[i]))
		cronJobs = append(cronJobs, plan.Retention(in, &policies[i]))
	}
	var holds []plan.Hold
	for _, h := range all[v1alpha1.LegalHold](t, dir, "hold*.yaml") {
		holds = append(holds, plan.HoldOf(&h, "100"))
	}
	objects := []client.Object{plan.Namespace(in), plan.ManagerBinding(in), plan.Boundary(in)}
	objects = append(objects, plan.Isolation(in)...)
	objects = append(objects, plan.Database(in)...)
	objects = append(objects, plan.Setup(in, logins, channels, limits, holds))
	objects = append(objects, plan.Anchor(in, contract.Anchor{Head: contract.ChainLink{Sequence: 7, Digest: strings.Repeat("ab", 32)}}))
	objects = append(objects, plan.Server(in)...)
	objects = append(objects, connectors...)
	objects = append(objects, plan.Webhooks(in, plan.AcceptedWebhooks(in))...)
	objects = append(objects, cronJobs...)
	for _, q := range all[v1alpha1.DataSubjectRequest](t, dir, "request*.yaml") {
		objects = append(objects, plan.Subject(in, &q, ""))
	}
	if b := plan.BackupOf(in); b != nil {
		days, _ := plan.KeepDays(b, limits)
		if away, refusal := plan.ToObjectStore(in, b); refusal != nil {
			t.Fatal(refusal.Message)
		} else if !away {
			objects = append(objects, plan.BackupClaim(in, b))
		}
		objects = append(objects, plan.Backups(in, b, days)...)
		objects = append(objects, plan.RestoreJob(in, "latest 2026-11-24T09:00:00Z", "latest", "data-postgres-0"))
	}
	if tenant.Spec.Export != nil {
		objects = append(objects, plan.Export(in, []byte("kind: Tenant\n"))...)
	}
	objects = append(objects, plan.StandBy(in, contract.ComponentAdopt, "adopt-abcde", 24))
	if store, refusal := plan.Store(in); refusal != nil {
		t.Fatal(refusal.Message)
	} else if store != nil {
		objects = append(objects, plan.CheckBucket(in, "100"), plan.EmptyBucket(in))
	}
	if plan.External(region) != nil {
		objects = append(objects, plan.CheckDatabase(in, "100"), plan.EraseDatabase(in))
	}
	probe, _ := plan.Probe(in, plan.ProbeOf(in, []plan.Neighbour{{Database: "10.96.0.21", Serve: "10.96.0.22"}}), "")
	objects = append(objects, probe)
	replay, err := plan.Replay(in, contract.Replay{})
	if err != nil {
		t.Fatal(err)
	}
	return append(objects, replay[1], plan.Count(in)) // the other is packed
}

// all reads a case's objects of one kind, by the names of their files.
func all[T any](t *testing.T, dir, pattern string) []T {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	objects := make([]T, len(files))
	for i, f := range files {
		read(t, f, &objects[i])
	}
	return objects
}

func cases(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	return dirs
}

// Every object of a tenant is as its golden file shows. After a change that is
// meant: go test ./internal/plan -update, and read the difference.
func TestGolden(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var got bytes.Buffer
			for _, o := range everything(t, dir) {
				b, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(b)
			}
			path := filepath.Join(dir, "want.yaml")
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
		})
	}
}

// Whatever runs for a tenant stays in its region, holds no token, and may do nothing
// that Pod Security's restricted profile forbids.
func TestEveryPodIsConfined(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			region := &v1alpha1.Region{}
			read(t, filepath.Join(dir, "region.yaml"), region)
			pods := 0
			for _, o := range everything(t, dir) {
				pod := podOf(o)
				if pod == nil {
					continue
				}
				pods++
				confined(t, o.GetName(), pod, plan.NodeSelector(region))
			}
			// Database, migrate, serve, adopt, probe, replay and count; a connector per channel, a run per policy, a Job per request;
			// backup and restore, two that ask an object store, and an export, where they are asked for.
			want := 7 + len(all[v1alpha1.Channel](t, dir, "channel*.yaml")) + len(all[v1alpha1.RetentionPolicy](t, dir, "policy*.yaml")) +
				len(all[v1alpha1.DataSubjectRequest](t, dir, "request*.yaml"))
			if region.Spec.Database != nil && region.Spec.Database.Backup != nil {
				want += 2
			}
			tenant := &v1alpha1.Tenant{}
			read(t, filepath.Join(dir, "tenant.yaml"), tenant)
			if tenant.Spec.Export != nil {
				want++
			}
			if len(tenant.Spec.Webhooks) > 0 {
				want++
			}
			if len(region.Spec.ObjectStores) > 0 {
				want += 2
			}
			for _, c := range all[v1alpha1.Channel](t, dir, "channel*.yaml") {
				if contract.Registers(string(c.Spec.Type)) {
					want++ // what takes its webhook back
				}
			}
			if plan.CloudNativePG(region) != nil {
				want-- // its pods are for CloudNativePG to make
			}
			if plan.External(region) != nil {
				want++ // two that ask and empty its provider's server, for the database
			}
			if pods != want {
				t.Errorf("%d pods were looked at, %d were expected", pods, want)
			}
		})
	}
}

func confined(t *testing.T, where string, pod *corev1.PodSpec, selector map[string]string) {
	t.Helper()
	check := func(ok bool, claim string) {
		t.Helper()
		if !ok {
			t.Errorf("%s: not true that %s", where, claim)
		}
	}
	check(required(pod, selector), "every term of a required node affinity demands the region's labels")
	check(pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken, "no token is mounted")
	check(pod.EnableServiceLinks != nil && !*pod.EnableServiceLinks, "no service links are set")
	security := pod.SecurityContext
	check(security != nil && security.RunAsNonRoot != nil && *security.RunAsNonRoot && security.RunAsUser != nil && *security.RunAsUser > 0, "it runs as somebody else than root")
	check(security != nil && security.SeccompProfile != nil && security.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "the runtime's seccomp profile holds")
	check(!pod.HostNetwork && !pod.HostPID && !pod.HostIPC, "nothing of the host is shared")
	for _, v := range pod.Volumes {
		check(v.HostPath == nil, "no path of the host is mounted")
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		s := c.SecurityContext
		check(s != nil && s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem, "the root file system is read-only")
		check(s != nil && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation, "privileges can't grow")
		check(s != nil && s.Capabilities != nil && len(s.Capabilities.Drop) == 1 && s.Capabilities.Drop[0] == "ALL", "all capabilities are dropped")
		check(!c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero(), "CPU and memory are requested")
		check(!c.Resources.Limits.Memory().IsZero(), "memory is limited")
	}
}

func required(pod *corev1.PodSpec, selector map[string]string) bool {
	if pod.Affinity == nil || pod.Affinity.NodeAffinity == nil || pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, term := range terms {
		demanded := map[string]string{}
		for _, e := range term.MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				demanded[e.Key] = e.Values[0]
			}
		}
		for key, value := range selector {
			if demanded[key] != value {
				return false
			}
		}
	}
	return len(terms) > 0
}
