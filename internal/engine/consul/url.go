package consul

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir"
)

// settings are what the URL of a registry says.
type settings struct {
	address    string // host:port
	token      string
	datacenter string
	prefix     string // "" or with a slash at its end
	tls        bool
	grace      time.Duration
}

const (
	defaultPort   = "8500"
	defaultPrefix = "weir/"
	defaultGrace  = 15 * time.Second
	maxPrefix     = 128 // bytes
)

// parse never repeats a value of the query, which may be a token.
func parse(text string) (settings, error) {
	s := settings{prefix: defaultPrefix, grace: defaultGrace}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "consul" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return s, weir.Errorf(weir.Invalid, "the URL of a Consul agent is consul://HOST:PORT, with nothing behind but a query")
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	s.address = net.JoinHostPort(u.Hostname(), port)
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s, weir.Errorf(weir.Invalid, "the query of the URL of a Consul agent cannot be read")
	}
	for name, values := range query {
		if len(values) != 1 {
			return s, weir.Errorf(weir.Invalid, "consul: %s is given %d times", name, len(values))
		}
		if err := s.set(name, values[0]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *settings) set(name, value string) (err error) {
	switch name {
	case "token":
		s.token = value
	case "datacenter":
		s.datacenter = value
	case "prefix":
		s.prefix, err = parsePrefix(value)
	case "tls":
		if s.tls, err = strconv.ParseBool(value); err != nil {
			return weir.Errorf(weir.Invalid, "consul: tls is true or false")
		}
	case "grace":
		if s.grace, err = time.ParseDuration(value); err != nil || s.grace < 0 {
			return weir.Errorf(weir.Invalid, "consul: grace is a duration such as 15s")
		}
	default:
		return weir.Errorf(weir.Invalid, "consul: %q says nothing; possible are token, datacenter, prefix, tls and grace", name)
	}
	return err
}

// parsePrefix keeps to what stands for itself in keys.
func parsePrefix(text string) (string, error) {
	prefix := strings.TrimSuffix(text, "/")
	if prefix == "" {
		return "", nil
	}
	prefix += "/"
	if len(prefix) > maxPrefix || escape(prefix[:len(prefix)-1]) != prefix[:len(prefix)-1] {
		return "", weir.Errorf(weir.Invalid, "consul: prefix is folders of letters, digits and - . _ ~, such as weir/, of at most %d bytes", maxPrefix)
	}
	return prefix, nil
}
