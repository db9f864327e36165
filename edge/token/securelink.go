package token

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// secureLink verifies nginx's secure_link in its mode of secure_link_md5: MD5 over a text made of variables. MD5 is what
// nginx does; a secret at the text's end is not open to extension.
type secureLink struct {
	from     carrier
	keys     []*key
	parts    []string // literal, variable, literal, variable ... literal
	uses     map[string]bool
	expires  string
	segments int
	inPath   bool
}

var _ Verifier = (*secureLink)(nil)

func newSecureLink(from carrier, keys []*key, o Options) (*secureLink, error) {
	s := &secureLink{from: from, keys: keys, uses: map[string]bool{}, expires: o.Expires, segments: o.Segments, inPath: o.InPath}
	if s.expires == "" {
		s.expires = "expires"
	}
	rest := o.Expression
	for {
		literal, after, ok := strings.Cut(rest, "$")
		s.parts = append(s.parts, literal)
		if !ok {
			break
		}
		var name string
		if braced, ok := strings.CutPrefix(after, "{"); ok {
			if name, rest, ok = strings.Cut(braced, "}"); !ok {
				return nil, weir.Errorf(weir.Invalid, "the expression has an open brace")
			}
		} else {
			rest = strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyz_")
			name = after[:len(after)-len(rest)]
		}
		switch name {
		case "secure_link_expires", "uri", "uri_prefix", "remote_addr", "host", "scheme", "secret":
		default:
			return nil, weir.Errorf(weir.Invalid, "the expression's variable %q is not known", name)
		}
		if name == "secure_link_expires" && s.digitsBefore() {
			return nil, weir.Errorf(weir.Invalid, "put a character that is no digit before $secure_link_expires: digits could pass from one to the other")
		}
		s.uses[name] = true
		s.parts = append(s.parts, name)
	}
	switch {
	case !s.uses["secret"] || !s.uses["secure_link_expires"]:
		return nil, weir.Errorf(weir.Invalid, "the expression must hold $secret and $secure_link_expires")
	case s.uses["uri"] == s.uses["uri_prefix"]:
		return nil, weir.Errorf(weir.Invalid, "the expression must hold one of $uri and $uri_prefix")
	case s.uses["uri_prefix"] != (s.segments > 0) || s.segments > 16:
		return nil, weir.Errorf(weir.Invalid, "segments (1 to 16) go with $uri_prefix")
	case s.inPath != (from == carrier{}) || from.cookie+from.header != "":
		return nil, weir.Errorf(weir.Invalid, "a secure link is in a parameter, or with in_path in the path")
	}
	return s, nil
}

// digitsBefore says whether what the expression has so far may end in a digit that a variable put there: then a link for
// one file and time is one for another file and time, too.
func (s *secureLink) digitsBefore() bool {
	literal := s.parts[len(s.parts)-1]
	if len(s.parts) < 2 || strings.TrimRight(literal, "0123456789") != "" {
		return false
	}
	switch s.parts[len(s.parts)-2] {
	case "uri", "uri_prefix", "remote_addr", "host":
		return true
	}
	return false
}

// Verify is Verifier.Verify. A link does not name its key: each is tried.
func (s *secureLink) Verify(r Request, now time.Time) (Grant, error) {
	found, expires, err := s.find(r)
	if err != nil {
		return Grant{}, err
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSuffix(found.text, "=="))
	until, ok := unix(expires)
	if err != nil || !ok || len(sum) != md5.Size {
		return Grant{}, malformed("secure_link")
	}
	prefix := s.prefix(found.path)
	for _, k := range s.keys {
		want := md5.Sum(s.text(found.path, expires, prefix, k.secret, r))
		if subtle.ConstantTimeCompare(want[:], sum) != 1 {
			continue
		}
		g := found.grant("secure-link", k)
		if err := lifetime(&g, time.Time{}, until, now); err != nil {
			return Grant{}, err
		}
		if err := plainPath(g.Path); err != nil {
			return Grant{}, err
		}
		if s.uses["uri_prefix"] {
			if prefix == "" {
				return Grant{}, refused("the path is shorter than the prefix of the link")
			}
			g.Prefix = widest(g.Path, func(dir string) bool { return strings.HasPrefix(dir, prefix) })
		}
		if s.uses["remote_addr"] {
			bind(&g, r.Client)
		}
		session(&g, "", string(sum))
		return g, nil
	}
	return Grant{}, badSignature()
}

func (s *secureLink) find(r Request) (found carried, expires string, err error) {
	if s.inPath {
		parts := strings.SplitN(r.Path, "/", 4) // "", MD5, EXPIRES, path
		if len(parts) != 4 || len(parts[1]) < 22 || len(parts[1]) > 24 || len(r.Path) > maxText || !plainHost(r.Host) {
			return found, "", ErrNone
		}
		if _, ok := unix(parts[2]); !ok {
			return found, "", ErrNone // the first segment only looks like a sum
		}
		return carried{text: parts[1], place: InPath, path: "/" + parts[3], query: r.RawQuery}, parts[2], nil
	}
	if found, err = s.from.find(r, "secure_link"); err != nil {
		return found, "", err
	}
	values, rest := cutQuery(found.query, s.expires)
	if len(values) != 1 || found.place != InQuery {
		return found, "", malformed("secure_link")
	}
	found.query = rest
	return found, values[0], nil
}

// prefix is the first segments of path with both slashes, or "".
func (s *secureLink) prefix(path string) string {
	n := 0
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if n++; n == s.segments+1 && s.segments > 0 {
			return path[:i+1]
		}
	}
	return ""
}

func (s *secureLink) text(path, expires, prefix string, secret []byte, r Request) []byte {
	var b []byte
	for i, part := range s.parts {
		if i%2 == 0 {
			b = append(b, part...)
			continue
		}
		switch part {
		case "secure_link_expires":
			b = append(b, expires...)
		case "uri":
			b = append(b, path...)
		case "uri_prefix":
			b = append(b, prefix...)
		case "remote_addr":
			b = append(b, r.Client.Unmap().String()...)
		case "host":
			b = append(b, strings.ToLower(withoutPort(r.Host))...)
		case "scheme":
			b = append(b, r.Scheme...)
		case "secret":
			b = append(b, secret...)
		}
	}
	return b
}

// withoutPort cuts ":port" off a host.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// bindText is bind of an address in a token.
func bindText(g *Grant, ip string) error {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return refused("it is for another address")
	}
	bind(g, a)
	return nil
}
