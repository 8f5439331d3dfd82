package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

// demo is what the steps hand on to each other.
type demo struct {
	root    string
	cluster *cluster.Cluster
	standin *fixture.Standin
	inbox   map[string]*inbox.Inbox // by hotel
	thread  map[string]string       // conversation, by the guest's number
}

// hotel is one client of config/samples.
type hotel struct {
	name     string // of the Tenant
	account  string // at the provider
	token    string
	region   string
	policies []string
}

var hotels = []hotel{
	{"hotel-berlin", "AC00000000000000000000000000000be1", "demo-token-berlin", "eu-central", []string{"guest-messages", "guest-contacts"}},
	{"hotel-boston", "AC00000000000000000000000000000b05", "demo-token-boston", "us-east", []string{"guest-data"}},
}

func (h hotel) namespace() string { return "tenant-" + h.name }

type say = func(format string, args ...any)

// steps is the demo's table of contents.
func (d *demo) steps() []step {
	return []step{
		{"Look at the cluster", "is it up? `make cluster-up`; KUBECONFIG names another one", d.lookAtCluster},
		{"Install the operator: kubectl apply -k config/default", "kubectl -n switchboard-system describe pods", d.installOperator},
		{"Start a stand-in for the SMS provider", "kubectl -n twilio-standin describe pods", d.startStandin},
		{"Onboard two hotels: kubectl apply -k config/samples/two-hotels", "kubectl get tenants,channels -A", d.onboard},
		{"Wait until both are Ready", "kubectl describe tenant hotel-berlin", d.awaitReady},
		{"Guests write, in seven languages, by signed webhooks", "kubectl -n tenant-hotel-berlin logs deploy/connector-front-desk", d.guestsWrite},
		{"Bring in the history of another system: instance import", "kubectl -n tenant-hotel-berlin get pods", d.importHistory},
		{"Staff sign in and answer", "kubectl -n tenant-hotel-berlin logs deploy/serve", d.staffAnswer},
		{"A guest says STOP, and isn't written to any more", "kubectl -n tenant-hotel-berlin logs deploy/connector-front-desk", d.guestStops},
		{"Delete what is past its limit: the policies' CronJobs", "kubectl -n tenant-hotel-berlin get jobs", d.runRetention},
		{"kubectl get regions,tenants,channels,retentionpolicies -A", "kubectl get crds", d.show},
		{"Check the evidence against the digest in status", "kubectl -n tenant-hotel-berlin describe retentionpolicies", d.verify},
	}
}

func (d *demo) lookAtCluster(ctx context.Context, say say) error {
	c, err := cluster.Open()
	if err != nil {
		return err
	}
	d.cluster = c
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	regions := map[string]bool{}
	for _, n := range nodes.Items {
		region := n.Labels["topology.kubernetes.io/region"]
		regions[region] = true
		say("node %s is in region %s (Kubernetes %s)", n.Name, region, n.Status.NodeInfo.KubeletVersion)
	}
	for _, h := range hotels {
		if !regions[h.region] {
			return fmt.Errorf("no node bears the label topology.kubernetes.io/region: %s, which the samples need", h.region)
		}
	}
	return nil
}

func (d *demo) installOperator(ctx context.Context, _ say) error {
	return fixture.InstallOperator(ctx, d.cluster, d.root)
}

func (d *demo) startStandin(ctx context.Context, say say) error {
	s, err := fixture.StartStandin(ctx, d.cluster)
	if err != nil {
		return err
	}
	d.standin = s
	for _, h := range hotels {
		if err := s.AddAccount(ctx, h.account, h.token); err != nil {
			return err
		}
	}
	say("it answers at %s and checks credentials and forms as Twilio's API does", s.URL())
	return nil
}

// onboard applies the samples with two fields changed: where the provider's API is, and who vouches for it.
func (d *demo) onboard(ctx context.Context, say say) error {
	folder, err := os.MkdirTemp("", "switchboard-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the overlay: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return fmt.Errorf("making a folder for the overlay: %w", err)
	}
	samples, err := filepath.Rel(folder, filepath.Join(d.root, "config", "samples", "two-hotels"))
	if err != nil {
		return fmt.Errorf("finding the samples: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(overlay(samples, d.standin)), 0o600); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	if err := d.cluster.ApplyFolder(ctx, folder); err != nil {
		return err
	}
	for _, h := range hotels {
		if err := fixture.PutAuthToken(ctx, d.cluster, h.namespace(), h.token); err != nil {
			return err
		}
	}
	say("applied as they are, but that the channels' apiBaseURL is the stand-in's")
	return nil
}

func overlay(samples string, s *fixture.Standin) string {
	var ca strings.Builder
	for line := range strings.Lines(string(s.CA())) {
		ca.WriteString("        " + line)
	}
	return fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [%s]
patches:
- target: {kind: Channel}
  patch: |
    - {op: add, path: /spec/twilioSMS/apiBaseURL, value: %q}
    - op: add
      path: /spec/twilioSMS/caBundle
      value: |
%s- target: {kind: Region}
  patch: |
    - {op: add, path: /spec/subProcessors/0/egress/ports/-, value: %d}
`, samples, s.URL(), ca.String(), fixture.StandinPort)
}

// awaitReady shows each step of onboarding as the conditions tell it.
func (d *demo) awaitReady(ctx context.Context, say say) error {
	start := time.Now()
	for _, h := range hotels {
		last := ""
		err := cluster.Until(ctx, 4*time.Minute, "Tenant "+h.name, func(ctx context.Context) error {
			err := fixture.Ready(ctx, d.cluster, h.name)
			if err != nil {
				if line, _, _ := strings.Cut(err.Error(), "\n"); line != last {
					last = line
					say("%5.1f s  %s", time.Since(start).Seconds(), line)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		say("%5.1f s  Tenant %s and its Channels are Ready", time.Since(start).Seconds(), h.name)
	}
	return nil
}

func (d *demo) tenant(ctx context.Context, h hotel) (*v1alpha1.Tenant, error) {
	t := &v1alpha1.Tenant{}
	if err := d.cluster.Get(ctx, client.ObjectKey{Name: h.name}, t); err != nil {
		return nil, fmt.Errorf("reading Tenant %s: %w", h.name, err)
	}
	return t, nil
}

func (d *demo) farewell() string {
	return fmt.Sprintf(`
Look further:
  export KUBECONFIG=%s
  kubectl describe tenant hotel-berlin
  kubectl -n tenant-hotel-berlin get pods,cronjobs,networkpolicies
  kubectl -n tenant-hotel-berlin get retentionpolicy guest-messages -o yaml
  kubectl -n tenant-hotel-berlin exec deploy/serve -- /instance verify --export   # every receipt

Take it down:
  kubectl delete tenant hotel-berlin hotel-boston      # deletionPolicy Retain: the data stays
  make cluster-down                                    # the local cluster with everything in it
`, os.Getenv("KUBECONFIG"))
}
