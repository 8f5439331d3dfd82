package mounts

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	mountinfo := `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 22 0:50 / /var/lib/sw rw - tmpfs tmpfs rw
91 90 0:51 / /var/lib/sw/nodes/a/kubelet/pods/1/volumes/secret rw - tmpfs tmpfs rw
92 22 0:52 / /var/lib/sw-other rw - tmpfs tmpfs rw
93 22 0:53 / /var/lib/sw/with\040blank rw - tmpfs tmpfs rw
`
	want := []string{"/var/lib/sw", "/var/lib/sw/nodes/a/kubelet/pods/1/volumes/secret", "/var/lib/sw/with blank"}
	if got := parse(mountinfo, "/var/lib/sw"); !slices.Equal(got, want) {
		t.Errorf("parse = %q, want %q", got, want)
	}
}
