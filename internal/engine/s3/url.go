package s3

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir"
)

// place is what a URL says: which bucket, where, and as whom.
type place struct {
	bucket      string
	prefix      string // "" or ends in a slash
	endpoint    string // "" is AWS
	region      string // "" is what the environment says
	pathStyle   bool
	stall       time.Duration
	id, secret  string
	credentials bool // id and secret are given
}

// parameters are all that may stand in a URL's query.
var parameters = []string{"endpoint", "path-style", "region", "timeout"}

// defaultStall is long enough for a store that thinks and a packet that is sent again, short enough for a viewer's patience.
const defaultStall = 15 * time.Second

// parse reads a URL. Errors are Invalid and never show it, because it may hold a secret.
func parse(text string) (place, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Opaque != "" || u.Fragment != "" || u.Port() != "" || u.Host == "" {
		return place{}, weir.Errorf(weir.Invalid, "the objects' URL is not of the form s3://bucket/prefix?endpoint=http://host:port&path-style=true")
	}
	p := place{bucket: u.Host, stall: defaultStall}
	name := "s3://" + u.Host // the rest may hold secrets
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		if !weir.ValidKey(prefix) {
			return place{}, weir.Errorf(weir.Invalid, "%s: %q cannot begin object keys", name, prefix)
		}
		p.prefix = prefix + "/"
	}
	if u.User != nil {
		p.id = u.User.Username()
		p.secret, p.credentials = u.User.Password()
		if p.id == "" || p.secret == "" {
			return place{}, weir.Errorf(weir.Invalid, "%s: credentials in a URL are s3://id:key@bucket, percent-encoded", name)
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return place{}, weir.Errorf(weir.Invalid, "%s: its query is malformed", name)
	}
	for parameter, values := range query {
		if !slices.Contains(parameters, parameter) || len(values) != 1 {
			return place{}, weir.Errorf(weir.Invalid, "%s: unknown or repeated parameter %q; possible, once each: %s", name, parameter, strings.Join(parameters, ", "))
		}
		if err := p.set(parameter, values[0]); err != nil {
			return place{}, err
		}
	}
	return p, nil
}

func (p *place) set(name, value string) error {
	switch name {
	case "endpoint":
		e, err := url.Parse(value)
		if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil || e.RawQuery != "" {
			return weir.Errorf(weir.Invalid, "the endpoint is not of the form http://host:port or https://host")
		}
		p.endpoint = value
	case "path-style":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return weir.Errorf(weir.Invalid, "path-style=%s is neither true nor false", value)
		}
		p.pathStyle = on
	case "region":
		p.region = value
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return weir.Errorf(weir.Invalid, "timeout=%s is not a positive duration such as 15s", value)
		}
		p.stall = d
	}
	return nil
}
