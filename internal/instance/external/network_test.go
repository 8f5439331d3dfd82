package external_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
)

// withoutTLS is a port where a server says that it has no TLS.
func withoutTLS(t *testing.T) uint16 {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 8)) // SSLRequest
			_, _ = conn.Write([]byte("N"))
			_ = conn.Close()
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
}

// forward leads to the server by an address that its certificate does not bear.
func forward(t *testing.T, to uint16) uint16 {
	t.Helper()
	l := listen(t, "127.0.0.2:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(to))))
			if err != nil {
				_ = conn.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
			go func() { _, _ = io.Copy(conn, server); _ = conn.Close() }()
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
}

// nobody is a port where none listens.
func nobody(t *testing.T) uint16 {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	port := uint16(l.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
