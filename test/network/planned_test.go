// Package network holds the network policies of tenants to a table of who may reach whom, by a policy engine that
// nobody here wrote. It is a module of its own: the engine's dependencies stay out of the project's.
package network

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// plans are the golden files of internal/plan, whose own tests hold them to what is applied.
const plans = "../../internal/plan/testdata"

const (
	labelTenant    = "messaging.switchboard.dev/tenant"
	labelChannel   = "messaging.switchboard.dev/channel"
	labelComponent = "app.kubernetes.io/component"
)

// tenant is what is planned of one: its policies, and a pod of every kind that it has.
type tenant struct {
	namespace corev1.Namespace
	policies  []*networkingv1.NetworkPolicy
	pods      map[string]map[string]string // labels, by component; a connector's is connector-CHANNEL
}

func load(t *testing.T, plan string) tenant {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(plans, plan, "want.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := tenant{pods: map[string]map[string]string{}}
	for d := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := d.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := found.add(document); err != nil {
			t.Fatalf("%s: %v", plan, err)
		}
	}
	if found.namespace.Name == "" || len(found.policies) == 0 || len(found.pods) == 0 {
		t.Fatalf("%s has a namespace %q, %d policies and %d kinds of pods", plan, found.namespace.Name, len(found.policies), len(found.pods))
	}
	return found
}

func (f *tenant) add(document []byte) error {
	var kind struct{ Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	read := func(into any) error { return yaml.Unmarshal(document, into) }
	switch kind.Kind {
	case "Namespace":
		return read(&f.namespace)
	case "NetworkPolicy":
		p := &networkingv1.NetworkPolicy{}
		f.policies = append(f.policies, p)
		return read(p)
	case "Pod":
		o := &corev1.Pod{}
		err := read(o)
		f.pod(o.Labels)
		return err
	case "Deployment":
		o := &appsv1.Deployment{}
		err := read(o)
		f.pod(o.Spec.Template.Labels)
		return err
	case "StatefulSet":
		o := &appsv1.StatefulSet{}
		err := read(o)
		f.pod(o.Spec.Template.Labels)
		return err
	case "Job":
		o := &batchv1.Job{}
		err := read(o)
		f.pod(o.Spec.Template.Labels)
		return err
	case "CronJob":
		o := &batchv1.CronJob{}
		err := read(o)
		f.pod(o.Spec.JobTemplate.Spec.Template.Labels)
		return err
	}
	return nil
}

func (f *tenant) pod(labels map[string]string) {
	component := labels[labelComponent]
	if channel := labels[labelChannel]; channel != "" {
		component += "-" + channel
	}
	f.pods[component] = labels
}
