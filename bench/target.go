package bench

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// Target is one URL to ask for, resolved once.
type Target struct {
	URL  *url.URL
	Addr string // what is dialled: IP:port
	TLS  bool
	Kind Kind
	get  []byte // the whole request
}

// Kind is what a URL holds, as far as its name tells.
type Kind uint8

// The kinds of requests that are measured apart.
const (
	Manifest Kind = iota
	Init
	Segment
	kinds
)

// String is the kind's name in results.
func (k Kind) String() string { return [...]string{"manifest", "init", "segment"}[k] }

func kindOf(name string) Kind {
	base := path.Base(name)
	switch ext := path.Ext(base); {
	case ext == ".m3u8" || ext == ".mpd":
		return Manifest
	case ext == ".mp4" || strings.HasPrefix(base, "init"):
		return Init
	}
	return Segment
}

// Hosts decides which hosts may be loaded, and remembers what their names stand for.
type Hosts struct {
	Owned []string // host names or addresses that are not on this machine and may be loaded all the same
	known map[string]string
}

// Target resolves a URL. Errors are of kind Invalid (no web URL) and Forbidden (a host that is neither on this machine nor
// owned). It is not safe for concurrent use.
func (h *Hosts) Target(ctx context.Context, raw string) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return Target{}, weir.Errorf(weir.Invalid, "%q is not a URL such as http://127.0.0.1:8081/...", Redact(raw))
	}
	u.Fragment = ""
	addr, ok := h.known[u.Scheme+u.Host]
	if !ok {
		if addr, err = h.resolve(ctx, u); err != nil {
			return Target{}, err
		}
		if h.known == nil {
			h.known = map[string]string{}
		}
		h.known[u.Scheme+u.Host] = addr
	}
	return newTarget(u, addr), nil
}

// local says whether the target is on this machine.
func (t Target) local() bool {
	host, _, err := net.SplitHostPort(t.Addr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

func newTarget(u *url.URL, addr string) Target {
	return Target{URL: u, Addr: addr, TLS: u.Scheme == "https", Kind: kindOf(u.Path),
		get: []byte("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: weir-bench\r\n\r\n")}
}

func (h *Hosts) resolve(ctx context.Context, u *url.URL) (string, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", weir.Errorf(weir.Invalid, "%q is not a port", port)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(found) == 0 {
		return "", weir.Errorf(weir.Invalid, "look up %s: %w", u.Hostname(), err)
	}
	ip := found[0].Unmap()
	if i := slices.IndexFunc(found, func(a netip.Addr) bool { return a.Unmap().Is4() }); i >= 0 {
		ip = found[i].Unmap()
	}
	if !ip.IsLoopback() && !slices.Contains(h.Owned, u.Hostname()) {
		return "", weir.Errorf(weir.Forbidden, "%s is not this machine: load only what is yours, and say so with --i-own %s", u.Hostname(), u.Hostname())
	}
	return net.JoinHostPort(ip.String(), port), nil
}

// pathToken is a token as a parameter of a path's segment (RFC 9246 section 4).
var pathToken = regexp.MustCompile(`(;[^=/;]+=)[^/;]*`)

// Redact hides what a URL may carry of a right: the ticket in /t/<ticket>/, parameters in the path and the values of the query.
func Redact(raw string) string {
	before, query, has := strings.Cut(raw, "?")
	if head, tail, ok := strings.Cut(before, "/t/"); ok {
		_, rest, _ := strings.Cut(tail, "/")
		before = head + "/t/.../" + rest
	}
	before = pathToken.ReplaceAllString(before, "$1...")
	if !has {
		return before
	}
	var names []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name+"=...")
	}
	return before + "?" + strings.Join(names, "&")
}
