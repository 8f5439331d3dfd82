package process

import (
	"testing"
)

const state = "/var/lib/switchboard/localcluster"

func TestBelongs(t *testing.T) {
	cases := map[string]struct {
		argv []string
		want bool
	}{
		"a program of ours with its configuration in the state folder": {
			[]string{"/cache/kubelet", "--config=" + state + "/nodes/a/kubelet.yaml"}, true},
		"a shim, by the socket of its containerd": {
			[]string{"/usr/bin/containerd-shim-runc-v2", "-id", "x", "-address", state + "/nodes/a/containerd.sock"}, true},
		"a socket written as a URL": {
			[]string{"kubelet", "--container-runtime-endpoint=unix://" + state + "/nodes/a/containerd.sock"}, true},
		"the kubelet of another cluster":               {[]string{"/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"}, false},
		"a folder that only begins alike":              {[]string{"etcd", "--data-dir=" + state + "-2/etcd"}, false},
		"an editor with a file of the state folder":    {[]string{"vi", state + "/audit.log"}, false},
		"a program of ours that names no file at all":  {[]string{"etcd"}, false},
		"a process without a command line":             {nil, false},
		"the state folder in the program's path alone": {[]string{state + "/bin/etcd", "--help"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := belongs(c.argv, state); got != c.want {
				t.Errorf("belongs(%q) = %v, want %v", c.argv, got, c.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	started := []string{"nsenter", "--net=/run/netns/x", "--", "/bin/kubelet", "--config=c"}
	cases := map[string]struct {
		argv []string
		want bool
	}{
		"the wrapper has not replaced itself yet": {started, true},
		"the wrapper has replaced itself":         {[]string{"/bin/kubelet", "--config=c"}, true},
		"the id went to another program":          {[]string{"/bin/sleep", "60"}, false},
		"the same program with other arguments":   {[]string{"/bin/kubelet", "--config=d"}, false},
		"the process has ended":                   {nil, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := matches(started, c.argv); got != c.want {
				t.Errorf("matches(%q) = %v, want %v", c.argv, got, c.want)
			}
		})
	}
}
