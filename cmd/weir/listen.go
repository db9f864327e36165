package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	weir "github.com/weirstream/weir"
)

// address is one of the listeners as the command line asks for it.
type address struct {
	flag, addr string
	role       string // whose it is; "" is always opened
	guarded    bool   // shows what only who has the admin token may see or do
	opened     *net.Listener
}

func (p *process) addresses() []address {
	return []address{
		{"--listen", p.cmd.Listen, "control", true, &p.pages},
		{"--edge-listen", p.cmd.EdgeListen, "edge", false, &p.media},
		{"--admin-listen", p.cmd.AdminListen, "", true, &p.admin},
	}
}

// checkAddresses reads the admin token and refuses addresses that would open the API or the admin pages to a network
// without one.
func (p *process) checkAddresses(has map[string]bool) error {
	var err error
	if p.token, err = secret(p.cmd.AdminToken); err != nil {
		return err
	}
	if p.cmd.AdminToken != "" && len(p.token) < 16 {
		return weir.Errorf(weir.Invalid, "--admin-token: give it at least 16 characters")
	}
	for _, a := range p.addresses() {
		loopback, err := isLoopback(a.addr)
		if err != nil {
			return weir.Errorf(weir.Invalid, "%s %q: %w", a.flag, a.addr, err)
		}
		if a.guarded && !loopback && p.token == "" && (a.role == "" || has[a.role]) {
			return weir.Errorf(weir.Invalid, "%s %s is reachable from other machines: set --admin-token (or WEIR_ADMIN_TOKEN, or @FILE) first", a.flag, a.addr)
		}
	}
	if u := p.cmd.EdgeURL; u != "" {
		if !isWebURL(u) {
			return weir.Errorf(weir.Invalid, "--edge-url %q is not a URL such as https://media.example.org", u)
		}
	} else if has["control"] && !has["edge"] {
		return weir.Errorf(weir.Invalid, "--roles %s: players need an edge, and there is none in this process: say with --edge-url where it is", p.cmd.Roles)
	}
	return nil
}

// isLoopback says whether a listen address is reachable from this machine only.
func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, errors.New("an address is host:port, such as 127.0.0.1:8080")
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}

// listen opens the listeners of the roles that run. The caller calls closeListeners, also after an error.
func (p *process) listen(has map[string]bool) error {
	for _, a := range p.addresses() {
		if a.role != "" && !has[a.role] {
			continue
		}
		l, err := net.Listen("tcp", a.addr)
		if err != nil {
			return listenError(a, err)
		}
		*a.opened = l
	}
	return nil
}

// listenError says what to do about the usual reasons.
func listenError(a address, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return weir.Errorf(weir.Conflict, "%s %s: another program listens there; stop it or choose another address (port 0 is a free one)", a.flag, a.addr)
	case errors.Is(err, syscall.EACCES):
		return weir.Errorf(weir.Forbidden, "%s %s: this user may not listen there; choose a port above 1023", a.flag, a.addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return weir.Errorf(weir.Invalid, "%s %s: this machine has no such address", a.flag, a.addr)
	}
	return fmt.Errorf("%s %s: %w", a.flag, a.addr, err)
}

// closeListeners closes what a server did not.
func (p *process) closeListeners() {
	for _, a := range p.addresses() {
		if *a.opened != nil {
			_ = (*a.opened).Close() // mostly closed already
		}
	}
}

// adminToken is asked for on the admin listener only when other machines can reach it.
func (p *process) adminToken() string {
	if loopback, _ := isLoopback(p.cmd.AdminListen); loopback {
		return ""
	}
	return p.token
}

// pageURL is how people on this machine reach an address of it: loopback is called localhost, which browsers trust.
func pageURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && (tcp.IP.Equal(net.IPv4(127, 0, 0, 1)) || tcp.IP.Equal(net.IPv6loopback) || tcp.IP.IsUnspecified()) {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// edgeBase is the base URL that players are given for media: what --edge-url says, else the media listener, which then is open.
func (p *process) edgeBase() string {
	if p.cmd.EdgeURL != "" {
		return strings.TrimSuffix(p.cmd.EdgeURL, "/")
	}
	base := pageURL(p.media.Addr())
	if tcp, ok := p.media.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		p.log.Warn("players on other machines are told an address of their own: set --edge-url", "edge", base)
	}
	return base
}
