package httpserve

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientIP is the peer's address; or, when the peer is in a private network, as a
// gateway is, the one that it says it answered: the last of X-Forwarded-For.
func ClientIP(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap().WithZone("")
	if !ip.IsPrivate() && !ip.IsLoopback() {
		return ip
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return ip
	}
	hops := strings.Split(forwarded[len(forwarded)-1], ",")
	if told, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
		return told.Unmap().WithZone("")
	}
	return ip
}
