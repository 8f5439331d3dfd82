package store

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// How soon either side gives up a peer that answers nothing any more, as of a node that is gone: the kernel's own two hours would keep a
// transaction's locks as long. A minute, whether the connection rests (30 s, then 3 probes 10 s apart) or has something under way.
const (
	peerIdle     = 30 * time.Second
	peerInterval = 10 * time.Second
	peerProbes   = 3
	peerTimeout  = time.Minute
)

// serverKeepalive are the server's settings for its side of a session (PostgreSQL 12 and newer). Each session brings them along, so that
// they hold on a server that a provider runs too, and no database is restarted for them.
func serverKeepalive() map[string]string {
	return map[string]string{
		"tcp_keepalives_idle":     strconv.Itoa(int(peerIdle.Seconds())),
		"tcp_keepalives_interval": strconv.Itoa(int(peerInterval.Seconds())),
		"tcp_keepalives_count":    strconv.Itoa(peerProbes),
		"tcp_user_timeout":        strconv.FormatInt(peerTimeout.Milliseconds(), 10),
	}
}

// dial connects with the client's side of the same.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: peerIdle, Interval: peerInterval, Count: peerProbes},
		Control:         giveUp,
	}
	return d.DialContext(ctx, network, address)
}

// tcpUserTimeout is Linux' TCP_USER_TIMEOUT (RFC 5482), which package syscall lacks.
const tcpUserTimeout = 0x12

// giveUp bounds how long what was sent may stay unacknowledged: keepalives rest meanwhile.
func giveUp(network, _ string, c syscall.RawConn) error {
	if runtime.GOOS != "linux" || network == "unix" {
		return nil
	}
	var option error
	err := c.Control(func(fd uintptr) {
		option = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(peerTimeout.Milliseconds()))
	})
	return errors.Join(err, option)
}
