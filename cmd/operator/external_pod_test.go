package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/external"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// guest is a client whose database a provider runs: a real server.
type guest struct {
	hotel
	database *pgtest.Database
}

// Mounts of the instance's pods, and the variables that lead elsewhere.
var mounts = map[string]string{
	contract.DirDatabase: store.EnvDatabaseDir, contract.DirRoles: migrate.EnvRolesDir, contract.DirStaff: migrate.EnvStaffDir,
}

// runs runs the pod of a Job in this process, with the environment and the files that the operator gave it, and ends the
// Job as it ends. not is a Job of before.
func (g guest) runs(t *testing.T, prefix string, not *batchv1.Job, do func(context.Context, *slog.Logger, []string) error) *batchv1.Job {
	t.Helper()
	var job *batchv1.Job
	eventually(t, "a Job "+prefix, func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := g.List(ctx, &jobs, client.InNamespace(g.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			if j := &jobs.Items[i]; strings.HasPrefix(j.Name, prefix) && j.DeletionTimestamp.IsZero() && len(j.Status.Conditions) == 0 && (not == nil || j.UID != not.UID) {
				job = j
				return nil
			}
		}
		return errors.New("there is none")
	})
	pod := job.Spec.Template.Spec
	container := pod.Containers[0]
	t.Setenv("PGHOST", "")
	for _, e := range container.Env {
		t.Setenv(e.Name, e.Value)
	}
	for _, m := range container.VolumeMounts {
		if variable, known := mounts[m.MountPath]; known {
			t.Setenv(variable, g.mount(t, pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })]))
		}
	}
	told := filepath.Join(t.TempDir(), "told")
	t.Setenv(contract.EnvTerminationLog, told)
	failed := do(t.Context(), slog.New(slog.DiscardHandler), container.Args[1:])
	message, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "Job "+job.Name+" ends", func(ctx context.Context) error {
		if err := g.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
			return err
		}
		if failed != nil {
			return g.fail(ctx, job, string(message), metav1.Now().Time)
		}
		return g.finish(ctx, job, string(message))
	})
	return job
}

// mount writes what a volume of Secrets holds, as the kubelet does.
func (g guest) mount(t *testing.T, v corev1.Volume) string {
	t.Helper()
	dir := t.TempDir()
	put := func(secret string, items []corev1.KeyToPath) {
		data := get(t, g.hotel, secret, &corev1.Secret{}).Data
		if len(items) == 0 {
			for key := range data {
				items = append(items, corev1.KeyToPath{Key: key, Path: key})
			}
		}
		for _, item := range items {
			content, there := data[item.Key]
			if !there {
				continue
			}
			path := filepath.Join(dir, item.Path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if v.Secret != nil {
		put(v.Secret.SecretName, v.Secret.Items)
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			put(source.Secret.Name, source.Secret.Items)
		}
	}
	return dir
}

func ask(ctx context.Context, log *slog.Logger, args []string) error {
	return external.Command(ctx, log, slices.Contains(args, "--erase"))
}

func bringAbout(ctx context.Context, log *slog.Logger, _ []string) error {
	return migrate.Command(ctx, log)
}

// leads writes the Secret with the way to the server, changed.
func (g guest) leads(t *testing.T, change func(data map[string][]byte)) {
	t.Helper()
	ours := g.database.ByPassword(t, pgtest.ProviderLogin, pgtest.Password)
	ca, err := os.ReadFile(filepath.Join(ours.Dir, contract.FileCA))
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "server", Namespace: g.namespace}, Data: map[string][]byte{
		"host": []byte("localhost"), "port": []byte(strconv.Itoa(g.database.Server.Port)), "dbname": []byte(g.database.Name),
		"user": []byte(pgtest.ProviderLogin), "password": []byte(pgtest.Password), "ca.crt": ca,
	}}
	change(secret.Data)
	err = g.Create(t.Context(), secret)
	if apierrors.IsAlreadyExists(err) {
		err = g.Update(t.Context(), secret)
	}
	if err != nil {
		t.Fatal(err)
	}
}
