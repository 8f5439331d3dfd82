package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// findKubectl takes $KUBECTL, which the Makefile sets to the one that it built, else the one of $PATH.
func findKubectl() (string, error) {
	if path := os.Getenv("KUBECTL"); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return "", errors.New("kubectl is missing: run this by make, which builds it, or set KUBECTL to where it is")
	}
	return path, nil
}

// Run runs kubectl and gives its standard output; the error carries what it said.
func (c *Cluster) Run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Kubectl, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// ApplyFolder is `kubectl apply -k folder`, by server-side apply.
func (c *Cluster) ApplyFolder(ctx context.Context, folder string) error {
	_, err := c.Run(ctx, nil, "apply", "--server-side", "--force-conflicts", "-k", folder)
	return err
}

// ApplyYAML is `kubectl apply -f -`, by server-side apply.
func (c *Cluster) ApplyYAML(ctx context.Context, manifests string) error {
	_, err := c.Run(ctx, []byte(manifests), "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}
