package nginx

import (
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/weirstream/weir"
)

// Config is what a configuration is made of. Only the certificate, its key and a server or two are needed.
type Config struct {
	Listen      []string       // of TLS: "443" (IPv4), "[::]:443", "10.0.0.1:8443"; none is "443"
	Redirect    []string       // of plain HTTP, which is sent on to TLS: "80"; none is no such listener
	Names       []string       // host names of pages and API: "example.org", "*.example.org"; none is every name
	MediaNames  []string       // hosts that are media alone; none: media is what lies below /t/ of every host
	Certificate string         // PEM file, absolute
	Key         string         // PEM file, absolute
	Edges       []string       // host:port each; none: media is answered with 503
	Gateways    []string       // host:port each; none: pages and API are answered with 503
	Balancers   []netip.Prefix // load balancers in front of nginx, whose X-Forwarded-For is believed
	HSTS        time.Duration  // what browsers are told of it; 0 is nothing. It cannot be taken back before it is over
	Folder      string         // absolute, for nginx's pid file, logs and temporary files; "" is /run and /var/log/nginx
	User        string         // the workers' user; "" is nginx's own
	Limits      Limits
}

// Limits are what one client address may ask for. The zero value of each is the default named beside it.
type Limits struct {
	Off         bool // no limits at all
	Login       Rate // of POST /v1/session; 10 a minute, 10 at once
	Playback    Rate // of POST /v1/playback; 300 a minute, 60 at once
	API         Rate // of everything that gateways answer; 3000 a minute, 200 at once
	Media       Rate // of everything that edges answer; 30000 a minute, 1000 at once
	Connections int  // requests under way; 256
}

// Rate lets Burst requests through at once and gives PerMinute back in a minute.
type Rate struct{ PerMinute, Burst int }

func (r Rate) or(otherwise Rate) Rate {
	if r.PerMinute <= 0 {
		r.PerMinute = otherwise.PerMinute
	}
	if r.Burst <= 0 {
		r.Burst = otherwise.Burst
	}
	return r
}

func (l Limits) withDefaults() Limits {
	l.Login = l.Login.or(Rate{10, 10})
	l.Playback = l.Playback.or(Rate{300, 60})
	l.API = l.API.or(Rate{3000, 200})
	l.Media = l.Media.or(Rate{30000, 1000})
	if l.Connections <= 0 {
		l.Connections = 256
	}
	return l
}

// check refuses what is not the one word it should be. The error is Invalid and names the value.
func (c Config) check() error {
	for _, list := range []struct {
		what  string
		words []string
		good  func(string) bool
		like  string
	}{
		{"listen address", slices.Concat(c.Listen, c.Redirect), validListen, "443, 10.0.0.1:443 or [::]:443"},
		{"host name", slices.Concat(c.Names, c.MediaNames), validServerName, "example.org or *.example.org"},
		{"server", slices.Concat(c.Edges, c.Gateways), ValidServer, "10.0.0.1:8081 or edge-1.internal:8081"},
		{"file", []string{c.Certificate, c.Key}, validPath, "/etc/weir/tls.pem: absolute, without quotes and $"},
	} {
		for _, word := range list.words {
			if !list.good(word) {
				return weir.Errorf(weir.Invalid, "%q is no %s such as %s", word, list.what, list.like)
			}
		}
	}
	if c.Folder != "" && !validPath(c.Folder) {
		return weir.Errorf(weir.Invalid, "%q is no folder such as /var/lib/weir-nginx: absolute, without quotes and $", c.Folder)
	}
	if c.User != "" && !userName.MatchString(c.User) {
		return weir.Errorf(weir.Invalid, "%q is no name of a user", c.User)
	}
	for _, p := range c.Balancers {
		if !p.IsValid() {
			return weir.Errorf(weir.Invalid, "a network of load balancers is not valid")
		}
	}
	if c.HSTS < 0 {
		return weir.Errorf(weir.Invalid, "HSTS for %s: it is 0 or more", c.HSTS)
	}
	return nil
}

var (
	dnsLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)
	userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

// ValidServer says whether s can be a server of an upstream: host:port, the host an address or a DNS name. Registries hold
// what any member wrote, so this is all that keeps it from being more than an address.
func ValidServer(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !validPort(port) || net.JoinHostPort(host, port) != s {
		return false
	}
	if strings.EqualFold(host, "unix") { // nginx takes it for the path of a socket
		return false
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Zone() == "" && !address.IsUnspecified() && !address.IsMulticast()
	}
	return validName(host)
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

func validName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !dnsLabel.MatchString(label) {
			return false
		}
	}
	return true
}

func validServerName(s string) bool {
	if address, err := netip.ParseAddr(s); err == nil {
		return address.Zone() == ""
	}
	return validName(strings.TrimPrefix(s, "*."))
}

func validListen(s string) bool {
	if validPort(s) {
		return true
	}
	address, err := netip.ParseAddrPort(s)
	return err == nil && address.Port() > 0 && address.Addr().Zone() == "" && address.String() == s
}

// validPath: what can stand between double quotes and mean itself.
func validPath(s string) bool {
	return path.IsAbs(s) && path.Clean(s) == s && len(s) < 4096 && !strings.ContainsFunc(s, func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsPrint(r) || strings.ContainsRune(`"'\$;{}#`, r)
	})
}
