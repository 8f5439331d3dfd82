// Package addons puts into the cluster what every cluster has: DNS, storage classes and the Gateway API.
package addons

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/run"
)

const (
	// Provisioner is the name that storage classes know the provisioner by.
	Provisioner = "switchboard.localhost/folder"
	// ProvisionerUser is who the provisioner is to the API server.
	ProvisionerUser = "localcluster-provisioner"
)

//go:embed manifests
var manifests embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(manifests, "manifests/*.yaml"))

// Applier applies manifests with kubectl.
type Applier struct {
	// Kubectl and Kubeconfig are files.
	Kubectl, Kubeconfig string
	// DNSImage is the image of the cluster's DNS.
	DNSImage string
}

// Apply applies the cluster's own manifests.
func (a Applier) Apply(ctx context.Context) error {
	var all bytes.Buffer
	for _, name := range []string{"coredns.yaml", "storage.yaml"} {
		content, err := render(name, a.DNSImage)
		if err != nil {
			return err
		}
		all.WriteString("---\n")
		all.Write(content)
	}
	return a.apply(ctx, &all)
}

// ApplyGatewayAPI applies the definitions of the Gateway API from its Go module.
func (a Applier) ApplyGatewayAPI(ctx context.Context, source string) error {
	jsonpath := "jsonpath={.metadata.annotations." + strings.ReplaceAll(consts.BundleVersionAnnotation, ".", `\.`) + "}"
	have, err := run.Output(ctx, a.Kubectl, "--kubeconfig", a.Kubeconfig, "get", "--ignore-not-found", "--output", jsonpath,
		"customresourcedefinition", "httproutes.gateway.networking.k8s.io")
	if err != nil {
		return fmt.Errorf("asking for the version of the Gateway API: %w", err)
	}
	if have == consts.BundleVersion {
		return nil
	}
	dir, err := run.Output(ctx, "go", "-C", source, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	if err != nil {
		return fmt.Errorf("finding the Gateway API's module: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(dir), "config", "crd", "standard", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("the Gateway API's module in %q holds no definitions", strings.TrimSpace(dir))
	}
	var all bytes.Buffer
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading a definition of the Gateway API: %w", err)
		}
		all.WriteString("\n---\n")
		all.Write(content)
	}
	return a.apply(ctx, &all)
}

func (a Applier) apply(ctx context.Context, manifests io.Reader) error {
	_, err := run.Input(ctx, manifests, a.Kubectl, "--kubeconfig", a.Kubeconfig, "apply", "--server-side", "--force-conflicts",
		"--field-manager=localcluster", "--filename=-")
	if err != nil {
		return fmt.Errorf("applying the cluster's manifests: %w", err)
	}
	return nil
}

func render(name, dnsImage string) ([]byte, error) {
	var regions []string
	for _, n := range layout.Nodes() {
		regions = append(regions, n.Region)
	}
	var out bytes.Buffer
	err := templates.ExecuteTemplate(&out, name, map[string]any{
		"DNS": layout.DNSServiceIP, "Domain": layout.ClusterDomain, "Image": dnsImage,
		"Provisioner": Provisioner, "ProvisionerUser": ProvisionerUser, "Regions": regions,
	})
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return out.Bytes(), nil
}
