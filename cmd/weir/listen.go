package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	weir "github.com/weirstream/weir"
)

// killSpec is read from the environment only: it is no flag for people.
func killSpec() string { return os.Getenv("WEIR_KILL_AT") }

// checkListeners reads the admin token and refuses addresses that would open the API or the admin pages to a network
// without one.
func (p *process) checkListeners() error {
	var err error
	if p.token, err = secret(p.cmd.AdminToken); err != nil {
		return err
	}
	if p.cmd.AdminToken != "" && len(p.token) < 16 {
		return weir.Errorf(weir.Invalid, "--admin-token: give it at least 16 characters")
	}
	for flag, addr := range map[string]string{"--listen": p.cmd.Listen, "--admin-listen": p.cmd.AdminListen} {
		loopback, err := isLoopback(addr)
		if err != nil {
			return weir.Errorf(weir.Invalid, "%s %q: %w", flag, addr, err)
		}
		if !loopback && p.token == "" {
			return weir.Errorf(weir.Invalid, "%s %s is reachable from other machines: set --admin-token (or WEIR_ADMIN_TOKEN, or @FILE) first", flag, addr)
		}
	}
	if _, err := isLoopback(p.cmd.EdgeListen); err != nil {
		return weir.Errorf(weir.Invalid, "--edge-listen %q: %w", p.cmd.EdgeListen, err)
	}
	if u := p.cmd.EdgeURL; u != "" {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return weir.Errorf(weir.Invalid, "--edge-url %q is not a URL such as https://media.example.org", u)
		}
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

// listen opens the listeners of the roles that run.
func (p *process) listen(has map[string]bool) error {
	open := func(addr string) (net.Listener, error) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		return l, nil
	}
	var err error
	if has["control"] {
		if p.pages, err = open(p.cmd.Listen); err != nil {
			return err
		}
	}
	if has["edge"] {
		if p.media, err = open(p.cmd.EdgeListen); err != nil {
			return err
		}
	}
	p.admin, err = open(p.cmd.AdminListen)
	return err
}

// adminToken is asked for on the admin listener only when other machines can reach it.
func (p *process) adminToken() string {
	if loopback, _ := isLoopback(p.cmd.AdminListen); loopback {
		return ""
	}
	return p.token
}

// pageURL is how people reach an address of this machine: loopback is called localhost, which browsers trust.
func pageURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// edgeBase is the base URL that players are given for media.
func (p *process) edgeBase() string {
	switch {
	case p.cmd.EdgeURL != "":
		return strings.TrimSuffix(p.cmd.EdgeURL, "/")
	case p.media != nil:
		return pageURL(p.media.Addr())
	}
	return "http://" + p.cmd.EdgeListen
}
