package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is a process that runs on this machine.
type Process struct {
	PID  int
	Argv []string
}

// Strays are the processes of the cluster whose state folder this is, whether or not a record of them was kept:
// those of a run that was killed, and the shims that containerd leaves behind by design.
func Strays(state string) []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if argv, alive := commandLine(pid); alive && belongs(argv, state) {
			found = append(found, Process{PID: pid, Argv: argv})
		}
	}
	return found
}

// EndUnrecorded ends the cluster's programs that no record tells of: those that a run had just started when it was killed.
// Shims have no records at all, and stay: containerd finds them again.
func (t Table) EndUnrecorded(ctx context.Context, state string) error {
	recorded := map[int]bool{}
	files, err := filepath.Glob(t.file("*"))
	if err != nil {
		return fmt.Errorf("listing the records: %w", err)
	}
	for _, file := range files {
		if r, ok := t.running(strings.TrimSuffix(filepath.Base(file), ".json")); ok {
			recorded[r.PID] = true
		}
	}
	for _, p := range Strays(state) {
		if recorded[p.PID] || filepath.Base(p.Argv[0]) == shim {
			continue
		}
		if err := End(ctx, p.PID, patience); err != nil {
			return fmt.Errorf("ending a program of an earlier run: %w", err)
		}
	}
	return nil
}

const shim = "containerd-shim-runc-v2"

// ours are the programs that the cluster runs on the host.
var ours = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "provisioner",
	"containerd", shim,
}

// belongs tells whether a command line is that of one of the cluster's programs: the program is one of ours,
// and one of its arguments lies in the state folder. Neither alone would do: an editor may have a file of the
// folder open, and another cluster may run a kubelet.
func belongs(argv []string, state string) bool {
	if len(argv) == 0 || !slices.Contains(ours, filepath.Base(argv[0])) {
		return false
	}
	return slices.ContainsFunc(argv[1:], func(arg string) bool {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		arg = strings.TrimPrefix(arg, "unix://")
		return arg == state || strings.HasPrefix(arg, state+"/")
	})
}

// matches tells whether a process that runs as argv may be the one that was started as started.
// A wrapper such as nsenter replaces itself, so that the process shows the end of the command line alone.
func matches(started, argv []string) bool {
	if len(argv) == 0 || len(argv) > len(started) {
		return false
	}
	return slices.Equal(started[len(started)-len(argv):], argv)
}

// commandLine is the command line of a process that runs; a zombie has none.
func commandLine(pid int) ([]string, bool) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || len(content) == 0 {
		return nil, false
	}
	var argv []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(content, []byte{0}), []byte{0}) {
		argv = append(argv, string(arg))
	}
	return argv, true
}
