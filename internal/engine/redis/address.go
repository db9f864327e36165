package redis

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirstream/weir"
)

const (
	defaultPort   = "6379"
	defaultPrefix = "weir:"
	possible      = "redis://[user:password@]host:port[/db], rediss:// for TLS, redis-cluster://[user:password@]host:port,host:port,... or rediss-cluster://, each with ?prefix=..."
)

// address is what a URL says.
type address struct {
	cluster, tls   bool
	nodes          []string // host:port; exactly one unless cluster
	user, password string
	db             int
	prefix         string // before every key and channel
}

// parseURL reads a URL; what is wrong with it is Invalid. No error quotes the URL, which may hold a password.
func parseURL(raw string) (address, error) {
	a := address{prefix: defaultPrefix}
	scheme, rest, _ := strings.Cut(raw, "://")
	switch scheme {
	case "redis":
	case "rediss":
		a.tls = true
	case "redis-cluster":
		a.cluster = true
	case "rediss-cluster":
		a.cluster, a.tls = true, true
	default:
		return address{}, weir.Errorf(weir.Invalid, "this is no address of Redis; possible: %s", possible)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts := rest[strings.LastIndexByte(rest[:end], '@')+1 : end]
	credentials := rest[:end-len(hosts)]
	u, err := url.Parse("redis://" + credentials + "nodes" + rest[end:]) // net/url takes one host only
	if err != nil || u.Fragment != "" {
		return address{}, weir.Errorf(weir.Invalid, "an address of Redis cannot be read as a URL; possible: %s", possible)
	}
	a.user = u.User.Username()
	a.password, _ = u.User.Password()
	if err := a.readNodes(hosts); err != nil {
		if strings.Contains(rest[end:], "@") { // what looks like a host is the beginning of a password
			return address{}, weir.Errorf(weir.Invalid, "before the @ of an address of Redis stands user:password, percent-encoded")
		}
		return address{}, err
	}
	if err := a.readDB(strings.TrimPrefix(u.Path, "/")); err != nil {
		return address{}, err
	}
	return a, a.readQuery(u.RawQuery)
}

func (a *address) readNodes(hosts string) error {
	for node := range strings.SplitSeq(hosts, ",") {
		host, port, err := net.SplitHostPort(node)
		if err != nil && !strings.Contains(node, ":") {
			host, port, err = node, defaultPort, nil
		}
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
			return weir.Errorf(weir.Invalid, "a host of an address of Redis is no host:port; in a password / ? # and @ are percent-encoded")
		}
		a.nodes = append(a.nodes, net.JoinHostPort(host, port))
	}
	if !a.cluster && len(a.nodes) != 1 {
		return weir.Errorf(weir.Invalid, "an address of Redis names several servers, which only redis-cluster:// takes")
	}
	return nil
}

func (a *address) readDB(path string) error {
	if path == "" {
		return nil
	}
	n, err := strconv.Atoi(path)
	if err != nil || n < 0 || a.cluster && n != 0 {
		return weir.Errorf(weir.Invalid, "what stands behind the host in an address of Redis is no database: a number, and 0 in a cluster")
	}
	a.db = n
	return nil
}

func (a *address) readQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return weir.Errorf(weir.Invalid, "the parameters of an address of Redis cannot be read")
	}
	for name, values := range query {
		if name != "prefix" || len(values) != 1 {
			return weir.Errorf(weir.Invalid, "%q is no parameter of Redis, or given twice; possible: prefix", name)
		}
		a.prefix = values[0]
	}
	if strings.ContainsAny(a.prefix, "{}") { // would put every key on one node
		return weir.Errorf(weir.Invalid, "the prefix %q of an address of Redis holds a brace", a.prefix)
	}
	return nil
}
