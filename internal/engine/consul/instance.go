package consul

import (
	"cmp"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/weirstream/weir"
)

// What a service's metadata says. Consul takes 64 pairs with names of [A-Za-z0-9_-] and values of 512 bytes, and compares
// ids without regard to case, so an instance is there as JSON in pieces (weir.MaxInstanceBytes takes half of the pairs), and
// its Consul id is random.
const (
	metaPrefix   = "weir-prefix" // of the registry
	metaSince    = "weir-since"  // when Register was called, in ns since 1970: of two with one id the later counts
	metaPiece    = "weir-"       // with a number from 0
	maxMetaValue = 512
)

// member is one registration, as watchers see it.
type member struct {
	id    string // of the instance
	since int64
	raw   string // the instance in JSON
}

// over says whether m counts and not other, which has the same id.
func (m member) over(other member) bool {
	return m.since > other.since || m.since == other.since && m.raw > other.raw
}

// serviceName is Consul's name of a service. Names that differ may become one: members also say their own.
func (r *Registry) serviceName(service string) string {
	return cmp.Or(label(r.prefix+service, 63), "weir")
}

// label makes a DNS label of text, for people to read.
func label(text string, limit int) string {
	b := []byte(strings.ToLower(text))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			b[i] = '-'
		}
	}
	return strings.Trim(string(b[:min(len(b), limit)]), "-")
}

// registration is what the agent is asked to keep. unique tells it from others of the same instance.
func (r *Registry) registration(i weir.Instance, ttl time.Duration, since time.Time, unique string) (*api.AgentServiceRegistration, error) {
	raw, err := json.Marshal(i)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode instance: %w", err)
	}
	meta := map[string]string{metaPrefix: r.prefix, metaSince: strconv.FormatInt(since.UnixNano(), 10)}
	for n, piece := range pieces(string(raw), maxMetaValue) {
		meta[metaPiece+strconv.Itoa(n)] = piece
	}
	s := &api.AgentServiceRegistration{
		Name: r.serviceName(i.Service),
		ID:   label(i.Service+"-"+i.ID, 100) + "-" + unique,
		Meta: meta,
		Check: &api.AgentServiceCheck{
			Name:                           "weir heartbeat",
			TTL:                            ttl.String(),
			Status:                         api.HealthPassing,
			DeregisterCriticalServiceAfter: max(time.Minute, 3*ttl).String(), // Consul's least is a minute
		},
	}
	// For whoever reads Consul without us; watchers take the address from the instance.
	if host, port, err := net.SplitHostPort(i.Address); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			s.Address, s.Port = host, int(n)
		}
	}
	return s, nil
}

// members are the registrations of service in this registry, one an id.
func (r *Registry) members(service string, entries []*api.ServiceEntry) map[string]member {
	all := map[string]member{}
	for _, e := range entries {
		if e.Service == nil || e.Service.Meta[metaPrefix] != r.prefix {
			continue // somebody else's
		}
		m, i := read(e.Service.Meta)
		if i.Service != service {
			continue // another one whose name looks alike to Consul, or none of ours
		}
		if known, ok := all[m.id]; !ok || m.over(known) {
			all[m.id] = m
		}
	}
	return all
}

// read is the member and its instance; both are empty if meta holds none.
func read(meta map[string]string) (member, weir.Instance) {
	var raw strings.Builder
	for n := 0; ; n++ {
		piece, ok := meta[metaPiece+strconv.Itoa(n)]
		if !ok {
			break
		}
		raw.WriteString(piece)
	}
	since, err := strconv.ParseInt(meta[metaSince], 10, 64)
	m := member{since: since, raw: raw.String()}
	i := m.instance()
	if err != nil || i.ID == "" {
		return member{}, weir.Instance{}
	}
	m.id = i.ID
	return m, i
}

// instance is the zero value if the member is none.
func (m member) instance() weir.Instance {
	var i weir.Instance
	if json.Unmarshal([]byte(m.raw), &i) != nil {
		return weir.Instance{}
	}
	return i
}

// pieces cuts text between characters into pieces of at most limit bytes.
func pieces(text string, limit int) []string {
	var all []string
	for len(text) > limit {
		end := limit
		for !utf8.RuneStart(text[end]) {
			end--
		}
		all, text = append(all, text[:end]), text[end:]
	}
	return append(all, text)
}
