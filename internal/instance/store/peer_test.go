package store_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// A peer that is gone is given up within a minute by both sides, as the kernel has it of the socket: nothing else ends its locks.
func TestAPeerThatIsGoneIsGivenUp(t *testing.T) {
	pool, err := store.OpenConfig(t.Context(), quiet, pgtest.New(t).Config(t, contract.LoginRole(contract.ComponentServe, 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	// What the server shows of these is read from its socket, not from its configuration.
	for setting, want := range map[string]string{
		"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3", "tcp_user_timeout": "60000",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("the server's %s is %s (%v), want %s", setting, got, err, want)
		}
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	options := socketOptions(t, conn.Conn(), syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL, syscall.TCP_KEEPCNT, 0x12)
	if options != [4]int{30, 10, 3, 60000} {
		t.Errorf("the client's idle, interval, count and timeout are %v", options)
	}
}

func socketOptions(t *testing.T, conn *pgx.Conn, of ...int) (values [4]int) {
	t.Helper()
	secure, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		t.Fatal("the connection is not TLS")
	}
	raw, err := secure.NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for i, option := range of {
			if values[i], err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return values
}
