package provider

import (
	"net/netip"
	"net/url"
	"testing"
)

func TestFilesAreFetchedFromTheProviderAlone(t *testing.T) {
	d, err := NewDownloads("https://api.example:8443", "", Host{Name: "cdn.example"}, Host{Name: ".fbcdn.net"}, Host{Name: "shared.example", Prefix: "/ours/"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://api.example:8443/x": true, "https://cdn.example/x": true, "https://CDN.example:443/x": true, "https://a.b.fbcdn.net/x": true,
		"https://shared.example/ours/x": true, "https://shared.example/theirs/x": false, "https://api.example/x": false, "http://cdn.example/x": false,
		"https://cdn.example:8443/x": false, "https://fbcdn.net/x": false, "https://evilfbcdn.net/x": false, "https://fbcdn.net.evil.example/x": false,
		"https://user@cdn.example/x": false, "https://evil.example#cdn.example": false, "https:cdn.example": false, "": false, "//cdn.example/x": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.allowed(u); got != want {
			t.Errorf("%q: %t, want %t", address, got, want)
		}
	}
}

func TestAddressesThatAreNotPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::1": false, "::": false, "fe80::1": false, "fd00::1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "ff02::1": false, "198.18.0.1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
}
