package connect

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// byTLS puts TLS before the message centre, which has none of its own, and gives the port and the authority.
func (s *line) byTLS() (port int, ca string) {
	s.t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // of a certificate for 127.0.0.1
	s.t.Cleanup(lender.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	var pipes sync.WaitGroup
	s.t.Cleanup(pipes.Wait)
	s.t.Cleanup(func() { _ = listener.Close() })
	pipes.Go(func() {
		for {
			outer, err := listener.Accept()
			if err != nil {
				return
			}
			inner, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.smsc.Port)))
			if err != nil {
				_ = outer.Close()
				continue
			}
			for _, ends := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
				pipes.Go(func() {
					_, _ = io.Copy(ends[0], ends[1])
					_ = ends[0].Close()
				})
			}
		}
	})
	return listener.Addr().(*net.TCPAddr).Port, authority(lender)
}

func TestTheMessageCentreProvesItself(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string]bool{"by an authority of the channel's": true, "by one that nobody knows": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSMPP(t, pgtest.New(t), func(s *line) {
				port, ca := s.byTLS()
				s.channel.SMPP.Plain, s.channel.SMPP.Port = false, port
				if trusted {
					s.channel.SMPP.CABundle = ca
				}
			})
			if trusted {
				s.bound().says("Hello")
				return
			}
			s.until("an attempt", func() (bool, string) { return !s.running.Check().Tried.IsZero(), "" })
			if n := len(s.smsc.Events("bind")); n != 0 || s.running.Ready(t.Context()) == nil {
				t.Errorf("the password was said to a stranger: %d binds", n)
			}
		})
	}
}
