package kafka

import (
	"crypto/tls"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/weirstream/weir"
)

const (
	clientID          = "weir"
	defaultPort       = "9092"
	defaultPrefix     = "weir."
	defaultPartitions = 12
	mostPartitions    = 1000
)

// config is what a URL says.
type config struct {
	brokers     []string // host:port
	prefix      string
	partitions  int
	replication int // -1 is the brokers' default
	tls         *tls.Config
	sasl        sasl.Mechanism
}

// parse reads a URL by hand: several hosts are no URL to net/url, and its errors would show the password.
func parse(s string) (config, error) {
	rest, ok := strings.CutPrefix(s, "kafka://")
	if !ok {
		return config{}, weir.Errorf(weir.Invalid, "a bus on Kafka is kafka://host:port")
	}
	rest, query, _ := strings.Cut(rest, "?")
	user, hosts := "", strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, hosts = hosts[:at], hosts[at+1:]
	}
	c := config{prefix: defaultPrefix, partitions: defaultPartitions, replication: -1}
	for host := range strings.SplitSeq(hosts, ",") {
		broker, err := address(host)
		if err != nil && strings.Contains(query, "@") { // what looks like a host is the beginning of a password
			return config{}, weir.Errorf(weir.Invalid, "before the @ of a kafka: URL stands user:password, percent-encoded")
		}
		if err != nil {
			return config{}, err
		}
		c.brokers = append(c.brokers, broker)
	}
	mechanism, err := c.parameters(query)
	if err != nil {
		return config{}, err
	}
	if c.sasl, err = credentials(user, mechanism); err != nil {
		return config{}, err
	}
	return c, nil
}

func address(host string) (string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), defaultPort
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || name == "" || strings.ContainsAny(name, "/ ") {
		return "", weir.Errorf(weir.Invalid, "a host of the kafka: URL is not the host:port of a broker; in a password / ? # and @ are percent-encoded")
	}
	return net.JoinHostPort(name, port), nil
}

// parameters reads what stands behind the question mark. It returns the SASL mechanism's name, which needs the user.
func (c *config) parameters(query string) (mechanism string, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", weir.Errorf(weir.Invalid, "the parameters of the kafka: URL cannot be read")
	}
	for name, all := range values {
		v, ok := all[0], len(all) == 1
		switch name {
		case "prefix":
			c.prefix = v
			ok = ok && (v == "" || validName(v) && len(v) <= maxPrefix)
		case "partitions":
			c.partitions, err = strconv.Atoi(v)
			ok = ok && err == nil && c.partitions >= 1 && c.partitions <= mostPartitions
		case "replication":
			c.replication, err = strconv.Atoi(v)
			ok = ok && err == nil && c.replication >= 1 && c.replication <= 9
		case "tls":
			ok = ok && (v == "true" || v == "false")
			if v == "true" {
				c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
			}
		case "sasl":
			mechanism = v
			ok = ok && slices.Contains([]string{"plain", "scram-sha-512"}, v)
		default:
			return "", weir.Errorf(weir.Invalid,
				"%q is no parameter of a kafka: URL; possible: prefix, partitions, replication, tls, sasl", name)
		}
		if !ok {
			return "", weir.Errorf(weir.Invalid, "%s=%s in the kafka: URL is not possible: prefix is a short name, partitions 1 to %d, "+
				"replication 1 to 9, tls true or false, sasl plain or scram-sha-512, each once", name, v, mostPartitions)
		}
	}
	return mechanism, nil
}

// credentials are those of "user:password", percent-encoded where needed.
func credentials(user, mechanism string) (sasl.Mechanism, error) {
	if user == "" {
		if mechanism != "" {
			return nil, weir.Errorf(weir.Invalid, "sasl=%s in the kafka: URL needs user:password@ before the host", mechanism)
		}
		return nil, nil
	}
	name, password, both := strings.Cut(user, ":")
	name, err1 := url.PathUnescape(name)
	password, err2 := url.PathUnescape(password)
	if !both || name == "" || err1 != nil || err2 != nil {
		return nil, weir.Errorf(weir.Invalid, "before the @ of a kafka: URL stands user:password, percent-encoded")
	}
	if mechanism == "plain" {
		return plain.Mechanism{Username: name, Password: password}, nil
	}
	m, err := scram.Mechanism(scram.SHA512, name, password)
	if err != nil {
		return nil, weir.Errorf(weir.Invalid, "the user or password of the kafka: URL cannot be used for SCRAM")
	}
	return m, nil
}

// validName is what Kafka allows of topics and groups, short enough to be part of other names.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= maxName
}
