package cluster

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// cniNotes is where the CNI library notes the networks of each pod.
	cniNotes = "/var/lib/cni/results/"
	// deviceSocket is where kubelets wait for device plugins.
	deviceSocket = "/var/lib/kubelet/device-plugins/kubelet.sock"
)

// traces are the files that containerd and kubelet leave in places that no setting moves.
func (c Cluster) traces() []string {
	traces, _ := filepath.Glob("/var/log/containers/*.log") // the patterns are well-formed
	traces = slices.DeleteFunc(traces, func(link string) bool {
		target, err := os.Readlink(link)
		return err != nil || !strings.HasPrefix(target, string(c.State)+"/")
	})
	notes, _ := filepath.Glob(cniNotes + "switchboard-*")
	for _, note := range notes {
		traces = append(traces, note)
		if loopback := loopbackNote(note); exists(loopback) {
			traces = append(traces, loopback)
		}
	}
	if exists(deviceSocket) {
		traces = append(traces, deviceSocket)
	}
	return traces
}

// loopbackNote is the note about a pod's loopback device that goes with the one about its network.
func loopbackNote(note string) string {
	id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(note), "switchboard-"), "-eth0")
	return cniNotes + "cni-loopback-" + id + "-lo"
}

func (c Cluster) removeTraces(context.Context) error {
	for _, trace := range c.traces() {
		if err := os.Remove(trace); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	// Their folders go only when nobody else has anything in them.
	for folder := filepath.Dir(deviceSocket); folder != "/var/lib"; folder = filepath.Dir(folder) {
		_ = os.Remove(folder)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
