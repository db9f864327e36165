package weir

import (
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies in front of a server: what a connection from there says of the client, in
// X-Forwarded-For and X-Forwarded-Proto, is believed, and nobody else's word. Loopback always is one. It is not changed.
type Proxies []netip.Prefix

// ParseProxies reads a comma-separated list of networks and addresses: "10.0.0.0/8, 2001:db8::7". Invalid otherwise.
func ParseProxies(list string) (Proxies, error) {
	var out Proxies
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		network, err := netip.ParsePrefix(word)
		if address, alone := netip.ParseAddr(word); alone == nil && address.Zone() == "" {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return nil, Errorf(Invalid, "%q is no network such as 10.0.0.0/8 and no address", word)
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

// Trust says whether peer, the other end of a connection, is one of the proxies.
func (p Proxies) Trust(peer netip.Addr) bool {
	peer = peer.Unmap().WithZone("")
	if peer.IsLoopback() {
		return true
	}
	for _, network := range p {
		if network.Contains(peer) {
			return true
		}
	}
	return false
}

// Client is who asks: peer itself, or if that is a proxy, whom X-Forwarded-For names. Each proxy appends whom it saw, so the
// field is read from its end: the first that is no proxy is the client. fields are the field's lines in order.
func (p Proxies) Client(peer netip.Addr, fields ...string) netip.Addr {
	client := peer.Unmap()
	words := strings.Split(strings.Join(fields, ","), ",")
	for i := len(words) - 1; i >= 0 && p.Trust(client); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(words[i]))
		if err != nil {
			break
		}
		client = next.Unmap()
	}
	return client
}
