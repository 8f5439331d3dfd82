// Package reach says which addresses a pod may connect to, as the network policies of it have them: a name that leads elsewhere is
// refused after it was looked up.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrForbidden says that an address is in no network that may be connected to.
var ErrForbidden = errors.New("the address is not in the networks of the sub-processor")

// Networks are those of a sub-processor. The zero Networks are none.
type Networks struct{ allowed, except []netip.Prefix }

// Parse reads networks as CIDRs, and those within them that are forbidden.
func Parse(cidrs, except []string) (Networks, error) {
	var n Networks
	var err error
	if n.allowed, err = prefixes(cidrs); err != nil {
		return Networks{}, err
	}
	n.except, err = prefixes(except)
	return n, err
}

func prefixes(cidrs []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("%q is no network", cidr)
		}
		all = append(all, p)
	}
	return all, nil
}

// Control refuses to connect to another address, for net.Dialer.
func (n Networks) Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !n.contain(at.Addr().Unmap()) {
		return ErrForbidden
	}
	return nil
}

// contain says whether an address is in a network that the register lists, as the network policies have it. A network that is
// wider than what is private, such as 0.0.0.0/0, does not mean what is private in it: that must be listed by itself.
func (n Networks) contain(a netip.Addr) bool {
	for _, p := range n.except {
		if p.Contains(a) {
			return false
		}
	}
	inner := innerOf(a)
	for _, p := range n.allowed {
		if p.Contains(a) && (!inner.IsValid() || p.Bits() >= inner.Bits() && inner.Contains(p.Addr())) {
			return true
		}
	}
	return false
}

// inward are networks that are not of the Internet at large (the registries of IANA for special purposes).
var inward = func() []netip.Prefix {
	var all []netip.Prefix
	for _, cidr := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		all = append(all, netip.MustParsePrefix(cidr))
	}
	return all
}()

// innerOf is the inward network that an address is in; the zero Prefix for one of the Internet.
func innerOf(a netip.Addr) netip.Prefix {
	for _, p := range inward {
		if p.Contains(a) {
			return p
		}
	}
	return netip.Prefix{}
}
