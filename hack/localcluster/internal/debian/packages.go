// Package debian sees to the host's commands that the cluster needs.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// needs maps what must be there to the Debian package that brings it: a command's name, or a file's path.
var needs = []struct{ what, pkg string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
	{"/usr/lib/cni/portmap", "containernetworking-plugins"},
	{"iptables", "iptables"},
	{"conntrack", "conntrack"},
	{"ipset", "ipset"},
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
	{"sysctl", "procps"},
	{"mmdebstrap", "mmdebstrap"},
}

// Ensure installs the packages that are missing, where it may, or says which they are.
func Ensure(ctx context.Context, progress io.Writer) error {
	missing := missing(there)
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s. Install them (on Debian or Ubuntu: sudo apt-get install --no-install-recommends %s) and try again", list, list)
	}
	fmt.Fprintf(progress, "installing %s\n", list)
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "--yes", "-qq", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing %s by apt-get %s: %w\n%s", list, args[0], err, out)
		}
	}
	return nil
}

// missing lists the packages of what is not there, each once.
func missing(there func(string) bool) []string {
	var packages []string
	for _, need := range needs {
		if !there(need.what) && !slices.Contains(packages, need.pkg) {
			packages = append(packages, need.pkg)
		}
	}
	return packages
}

func there(what string) bool {
	if filepath.IsAbs(what) {
		_, err := os.Stat(what)
		return !errors.Is(err, fs.ErrNotExist)
	}
	_, err := exec.LookPath(what)
	return err == nil
}
