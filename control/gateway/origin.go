package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// hostsOf is every Host value that means this server: the names of the machine itself with the port it listens on, its
// address if it listens on one, and the configured names. All are lower case.
func hostsOf(listen string, names []string) (map[string]bool, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, weir.Errorf(weir.Invalid, "listen address %q is not host:port: %w", listen, err)
	}
	hosts := map[string]bool{}
	for _, h := range []string{"localhost", "127.0.0.1", "::1", host} {
		if address, err := netip.ParseAddr(h); err == nil && address.IsUnspecified() || h == "" {
			continue
		}
		hosts[strings.ToLower(net.JoinHostPort(h, port))] = true
		if port == "80" { // browsers leave it out
			hosts[strings.ToLower(strings.TrimSuffix(net.JoinHostPort(h, ""), ":"))] = true
		}
	}
	for _, name := range names {
		hosts[strings.ToLower(name)] = true
	}
	return hosts, nil
}

// origin is where a request comes from and whether it came over TLS: what the connection says, or the proxy at its other end.
func (g *Gateway) origin(r *http.Request) (client netip.Addr, secure bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, r.TLS != nil
	}
	secure = r.TLS != nil || g.c.Proxies.Trust(peer.Addr()) && r.Header.Get("X-Forwarded-Proto") == "https"
	return g.c.Proxies.Client(peer.Addr(), r.Header.Values("X-Forwarded-For")...), secure
}

// check refuses what other sites' pages send: a Host that a DNS answer made up, an Origin that is another, and, for the API
// and everything that changes something, a browser's own word that another site asked.
func (g *Gateway) check(r *http.Request) error {
	if !g.hosts[strings.ToLower(r.Host)] {
		return weir.Errorf(weir.Forbidden, "This server does not answer under the name %q.", r.Host)
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 && (len(origins) > 1 || !sameOrigin(origins[0], r.Host, web.Secure(r.Context()))) {
		return weir.Errorf(weir.Forbidden, "Pages of other sites may not use this server.")
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	if safe && !isAPI(r.URL.Path) {
		return nil // a link to a page
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	return weir.Errorf(weir.Forbidden, "Pages of other sites may not use this server.")
}

// sameOrigin compares what a proxy in front leaves unchanged: the host and port. Of the scheme it is known only that what came
// over TLS is not asked for by a page that did not. "null" is nobody's.
func sameOrigin(origin, host string, secure bool) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" && !secure || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, host)
}

// isAPI says whether a path is the API's; all others are pages.
func isAPI(path string) bool {
	return path == "/v1" || strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/openapi")
}
