package weir_test

import (
	"net/netip"
	"testing"

	weir "github.com/weirstream/weir"
)

func TestParseProxies(t *testing.T) {
	f := func(list string, want ...string) {
		t.Helper()
		got, err := weir.ParseProxies(list)
		if err != nil || len(got) != len(want) {
			t.Fatalf("ParseProxies(%q) = %v, %v, want %v", list, got, err, want)
		}
		for i, p := range got {
			if p.String() != want[i] {
				t.Errorf("ParseProxies(%q) = %v, want %v", list, got, want)
			}
		}
	}
	f("")
	f(" , ")
	f("10.1.2.3/8, 192.168.1.5,2001:db8::7", "10.0.0.0/8", "192.168.1.5/32", "2001:db8::7/128")
	for _, list := range []string{"example.org", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", "10.0.0.1:80", "10.0.0.1;"} {
		if got, err := weir.ParseProxies(list); weir.KindOf(err) != weir.Invalid {
			t.Errorf("ParseProxies(%q) = %v, %v, want Invalid", list, got, err)
		}
	}
}

func TestProxiesClient(t *testing.T) {
	proxies, err := weir.ParseProxies("10.0.0.0/8, 2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	f := func(p weir.Proxies, want, peer string, fields ...string) {
		t.Helper()
		if got := p.Client(netip.MustParseAddr(peer), fields...); got.String() != want {
			t.Errorf("Client(%s, %q) = %s, want %s", peer, fields, got, want)
		}
	}
	f(nil, "203.0.113.9", "203.0.113.9")
	f(nil, "203.0.113.9", "203.0.113.9", "198.51.100.1") // a stranger's word
	f(nil, "10.0.0.1", "10.0.0.1", "198.51.100.1")
	f(nil, "198.51.100.1", "127.0.0.1", "198.51.100.1")
	f(nil, "198.51.100.1", "::1", "198.51.100.1")
	f(nil, "198.51.100.1", "::ffff:127.0.0.1", "::ffff:198.51.100.1")
	f(proxies, "198.51.100.1", "10.0.0.1", "198.51.100.1")
	f(proxies, "198.51.100.1", "2001:db8::1", "1.1.1.1, 198.51.100.1, 10.9.9.9") // only what proxies appended
	f(proxies, "198.51.100.1", "10.0.0.1", "1.1.1.1", "198.51.100.1,10.9.9.9")
	f(proxies, "10.0.0.1", "10.0.0.1", "nonsense")
	f(proxies, "10.0.0.2", "10.0.0.1", "nonsense, 10.0.0.2")
	f(proxies, "10.0.0.1", "10.0.0.1", "")
	f(proxies, "203.0.113.9", "203.0.113.9", "10.0.0.1")
	if weir.Proxies(nil).Trust(netip.Addr{}) {
		t.Error("a peer without an address is trusted")
	}
}
