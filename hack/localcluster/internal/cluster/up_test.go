package cluster

import (
	"net"
	"path/filepath"
	"testing"
)

func TestASocketThatIsLeftBehindDoesNotAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "containerd.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := answers(t.Context(), path); err != nil {
		t.Fatalf("a socket that is listened on: %v", err)
	}
	listener.SetUnlinkOnClose(false) // what a killed program leaves
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := answers(t.Context(), path); err == nil {
		t.Fatal("a socket whose program has died was taken for one that answers")
	}
}
