package layout

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Project is the module path of the project that the cluster serves.
const Project = "github.com/switchboard-operator/switchboard"

// State is the folder with everything of one cluster; `down` removes it whole.
type State string

// DefaultState is $SWITCHBOARD_CLUSTER or /var/lib/switchboard/localcluster.
func DefaultState() State {
	if dir := os.Getenv("SWITCHBOARD_CLUSTER"); dir != "" {
		return State(filepath.Clean(dir))
	}
	return "/var/lib/switchboard/localcluster"
}

// Path joins elements to the state folder.
func (s State) Path(elem ...string) string {
	return filepath.Join(append([]string{string(s)}, elem...)...)
}

// Kubeconfig is the administrator's.
func (s State) Kubeconfig() string { return s.Path("kubeconfig") }

// PKI is the folder of keys and certificates.
func (s State) PKI(elem ...string) string { return s.Path(append([]string{"pki"}, elem...)...) }

// Logs is the folder of the programs' logs.
func (s State) Logs() string { return s.Path("logs") }

// Pids is the folder of the process records.
func (s State) Pids() string { return s.Path("run") }

// Node is the folder of one node.
func (s State) Node(node string, elem ...string) string {
	return s.Path(append([]string{"nodes", node}, elem...)...)
}

// Containerd is the socket of a node's containerd.
func (s State) Containerd(node string) string { return s.Node(node, "containerd.sock") }

// Volumes is the folder of a node's persistent volumes.
func (s State) Volumes(node string) string { return s.Path("volumes", node) }

// Check refuses folders that `down` must never remove.
func (s State) Check() error {
	if !filepath.IsAbs(string(s)) || strings.Count(string(s), "/") < 2 {
		return fmt.Errorf("the state folder is %q; set SWITCHBOARD_CLUSTER to an absolute path at least two folders deep, as `down` removes it whole", string(s))
	}
	return nil
}

// Cache is the folder of what is slow to make and outlives every cluster.
func Cache() (string, error) {
	if dir := os.Getenv("SWITCHBOARD_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder (set SWITCHBOARD_CACHE): %w", err)
	}
	return filepath.Join(dir, "switchboard"), nil
}

// ProjectRoot is the nearest folder at or above dir that holds the project's go.mod.
func ProjectRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the project: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && declares(string(mod), Project) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod of %s at or above %s: run this inside a checkout of the project", Project, dir)
		}
	}
}

func declares(mod, module string) bool {
	for line := range strings.Lines(mod) {
		if strings.TrimSpace(line) == "module "+module {
			return true
		}
	}
	return false
}

// Source is the folder of this program's own source inside the project.
func Source(root string) string { return filepath.Join(root, "hack", "localcluster") }
