package debian

import (
	"slices"
	"testing"
)

func TestMissingNamesEachPackageOnce(t *testing.T) {
	got := missing(func(what string) bool { return what != "containerd" && what != "ctr" && what != "ip" })
	if want := []string{"containerd", "iproute2"}; !slices.Equal(got, want) {
		t.Errorf("missing = %q, want %q", got, want)
	}
	if got := missing(func(string) bool { return true }); len(got) != 0 {
		t.Errorf("missing = %q on a machine that has everything", got)
	}
}
