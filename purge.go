package weir

import (
	"strconv"
	"strings"
)

// PurgeBy says what a purge names its objects by.
type PurgeBy string

// The ways to name objects. Paths are as requested, undecoded, without ticket and leading slash (see PurgePath).
const (
	ByURL          PurgeBy = "url"          // a path; without "?query" all of its queries
	ByPrefix       PurgeBy = "prefix"       // the first characters of a path and query
	ByKey          PurgeBy = "key"          // a surrogate key that the origin gave the object
	ByAsset        PurgeBy = "asset"        // an asset's id: all its revisions
	ByRevision     PurgeBy = "revision"     // "<asset>/<rev>"
	ByOrganisation PurgeBy = "organisation" // everything of the organisation; no values
)

// Bounds of a purge.
const (
	MaxPurgeValues   = 1000
	MaxPurgeURL      = 2048 // bytes of a path or prefix
	MaxSurrogateKey  = 256  // bytes
	maxRulingText    = 60 << 10
	maxPurgeRevision = 1 << 30
)

// Purge is the order to serve what is cached now no more (hard), or not without asking the origin first (Soft). What is
// fetched after an edge learned of it is not affected.
type Purge struct {
	Organisation string   `json:"organisation"`
	By           PurgeBy  `json:"by"`
	Values       []string `json:"values,omitempty"`
	Soft         bool     `json:"soft,omitempty"`
}

// Check says Invalid, with the reason, for a purge that cannot be carried out.
func (p *Purge) Check() error {
	if !ValidID(p.Organisation) {
		return Errorf(Invalid, "a purge names an organisation by its id; %.80q is none", p.Organisation)
	}
	if p.By == ByOrganisation {
		if len(p.Values) > 0 {
			return Errorf(Invalid, "a purge of an organisation takes no values")
		}
		return nil
	}
	if len(p.Values) == 0 || len(p.Values) > MaxPurgeValues {
		return Errorf(Invalid, "a purge by %q takes 1 to %d values, not %d", p.By, MaxPurgeValues, len(p.Values))
	}
	size := 0
	for _, v := range p.Values {
		if err := p.By.check(v); err != nil {
			return err
		}
		size += len(v)
	}
	if size > maxRulingText {
		return Errorf(TooLarge, "the values of a purge have %d bytes together at most", maxRulingText)
	}
	return nil
}

func (b PurgeBy) check(value string) error {
	ok := false
	switch b {
	case ByURL, ByPrefix:
		ok = len(value) <= MaxPurgeURL && visible(value) && value[0] != '/'
	case ByKey:
		ok = len(value) <= MaxSurrogateKey && visible(value)
	case ByAsset:
		ok = ValidID(value)
	case ByRevision:
		asset, rev, cut := strings.Cut(value, "/")
		n, err := strconv.Atoi(rev)
		ok = cut && ValidID(asset) && err == nil && n > 0 && n <= maxPurgeRevision && strconv.Itoa(n) == rev
	default:
		return Errorf(Invalid, "a purge is by url, prefix, key, asset, revision or organisation, not by %.80q", string(b))
	}
	if !ok {
		return Errorf(Invalid, "%.200q cannot be purged by %s", value, b)
	}
	return nil
}

// visible says whether s is printable ASCII without spaces and "#", and not empty.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return s != ""
}

// Parts cuts a purge of any number of values into such as Check allows. Each value is checked; the order is kept.
func (p *Purge) Parts() ([]Purge, error) {
	var out []Purge
	rest := p.Values
	for {
		n, size := 0, 0
		for n < len(rest) && n < MaxPurgeValues && size+len(rest[n]) <= maxRulingText/2 {
			size += len(rest[n])
			n++
		}
		part := *p
		part.Values = rest[:max(n, min(1, len(rest)))] // a value that is too long alone is refused by Check
		if err := part.Check(); err != nil {
			return nil, err
		}
		out = append(out, part)
		if rest = rest[len(part.Values):]; len(rest) == 0 {
			return out, nil
		}
	}
}

// minTicketText is less than the shortest ticket.
const minTicketText = 32

// PurgePath is how a purge names the object at an address that a person copied: scheme, host, ticket (/t/TICKET/, of at least 32
// characters: an origin may have a /t/ of its own; or a query parameter of that name), leading slash and fragment are left out.
// Invalid: no path is left.
func PurgePath(address string) (string, error) {
	s, _, _ := strings.Cut(address, "#")
	if scheme, rest, ok := strings.Cut(s, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		_, s, _ = strings.Cut(rest, "/")
	}
	s = strings.TrimPrefix(s, "/")
	if rest, ok := strings.CutPrefix(s, "t/"); ok {
		if i := strings.IndexByte(rest, '/'); i >= minTicketText {
			s = rest[i+1:]
		}
	}
	path, query, has := strings.Cut(s, "?")
	if has {
		query = withoutTicket(query)
	}
	if query != "" {
		path += "?" + query
	}
	if err := ByURL.check(path); path == "" || err != nil {
		return "", Errorf(Invalid, "%.200q is the address of nothing that can be purged", address)
	}
	return path, nil
}

func withoutTicket(query string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); name != "ticket" {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
