package token

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// The parts of a URI that catu has conditions for, and the ways to match.
const (
	partScheme, partHost, partPort, partPath, partQuery, partParent, partFile, partStem, partExtension int64 = 0, 1, 2, 3, 4, 5, 6, 7, 8

	matchExact, matchPrefix, matchSuffix, matchContains, matchRegex, matchSHA256, matchSHA512 int64 = 0, 1, 2, 3, 4, -1, -2
)

// maxRegex bounds a regular expression; RE2 runs in time linear in the text.
const maxRegex = 512

// conditions checks what the request must be like and fills in Prefix and Client.
func conditions(g *Grant, all claims, r Request) error {
	if v, given := all[claimM]; given && !slices.Contains(texts(v), r.Method) {
		return refused("it is for another method")
	}
	if v, given := all[claimALPN]; given && (r.ALPN == "" || !slices.Contains(texts(v), r.ALPN)) {
		return refused("it is for another protocol")
	}
	if v, given := all[claimGeo]; given && !slices.ContainsFunc(texts(v), func(c string) bool { return inCountry(r.Country, c) }) {
		return refused("it is for another country")
	}
	if v, given := all[claimNIP]; given {
		if !inNetwork(v, r.Client.Unmap()) {
			return refused("it is for another address")
		}
		bind(g, r.Client)
	}
	if v, given := all[claimH]; given && !fieldsMatch(v, r) {
		return refused("it is for other header fields")
	}
	uri := map[any]any{}
	if v, given := all[claimU]; given {
		var ok bool
		if uri, ok = v.(map[any]any); !ok || len(uri) == 0 {
			return malformed("CAT")
		}
	}
	for part, how := range uri {
		value, ok := partOf(part, g, r)
		if !ok || !matches(how, value, part == partQuery) {
			return refused("it is for another URI")
		}
	}
	v, given := all[claimM]
	if g.ByMethod = given; given && !slices.Contains(texts(v), "GET") {
		return nil // a ticket is at least for GET
	}
	g.Prefix = widest(g.Path, func(dir string) bool { return uriOpens(uri, dir) })
	return nil
}

// inCountry: "SE" takes in "SE-AB", not the other way round.
func inCountry(client, allowed string) bool {
	client, allowed = strings.ToUpper(client), strings.ToUpper(allowed)
	return allowed != "" && (client == allowed || strings.HasPrefix(client, allowed+"-"))
}

// inNetwork: addresses and prefixes as in RFC 9164 (tags 52 and 54). Numbers are autonomous systems, which are not known
// here and so never match.
func inNetwork(v any, client netip.Addr) bool {
	list, _ := v.([]any)
	for _, one := range list {
		tag, ok := one.(cbor.Tag)
		if !ok || tag.Number != 52 && tag.Number != 54 {
			continue
		}
		size := map[uint64]int{52: 4, 54: 16}[tag.Number]
		raw, bits := []byte(nil), int64(size*8)
		switch c := tag.Content.(type) {
		case []byte:
			if raw = c; len(raw) != size {
				continue
			}
		case []any:
			if len(c) != 2 {
				continue
			}
			n, okBits := c[0].(int64)
			b, okRaw := c[1].([]byte)
			if !okBits || !okRaw || n < 0 || n > bits || len(b) > size {
				continue
			}
			bits, raw = n, append(slices.Clone(b), make([]byte, size-len(b))...)
		default:
			continue
		}
		a, _ := netip.AddrFromSlice(raw)
		if netip.PrefixFrom(a, int(bits)).Contains(client) {
			return true
		}
	}
	return false
}

func fieldsMatch(v any, r Request) bool {
	fields, _ := v.(map[any]any)
	for name, how := range fields {
		n, ok := name.(string)
		if !ok || r.Header == nil {
			return false
		}
		values := r.Header(n)
		if len(values) == 0 || !matches(how, strings.Join(values, ", "), false) {
			return false
		}
	}
	return len(fields) > 0
}

// partOf is a part of the request's URI without the token.
func partOf(part any, g *Grant, r Request) (string, bool) {
	slash := strings.LastIndexByte(g.Path, '/')
	file := g.Path[slash+1:]
	host := strings.ToLower(withoutPort(r.Host))
	switch part {
	case partScheme:
		return r.Scheme, true
	case partHost:
		return host, true
	case partPort:
		if port := strings.TrimPrefix(r.Host[len(host):], ":"); port != "" {
			return port, true
		}
		return map[string]string{"https": "443", "http": "80"}[r.Scheme], true
	case partPath:
		return g.Path, true
	case partQuery:
		return g.Query, true
	case partParent:
		return g.Path[:slash], true
	case partFile:
		return file, true
	case partStem, partExtension:
		dot := strings.IndexByte(file, '.')
		if dot != strings.LastIndexByte(file, '.') {
			return "", false // implementations differ in which dot parts the two
		}
		if dot < 0 {
			dot = len(file)
		}
		if part == partStem {
			return file[:dot], true
		}
		return file[dot:], true
	}
	return "", false
}

// matches says whether value passes every condition of how, of which there is one at least.
func matches(how any, value string, query bool) bool {
	conditions, _ := how.(map[any]any)
	for kind, want := range conditions {
		if !match(kind, want, value, query) {
			return false
		}
	}
	return len(conditions) > 0
}

func match(kind, want any, value string, query bool) bool {
	if kind == matchRegex {
		list := texts(want)
		if len(list) != 1 || len(list[0]) > maxRegex { // more than one: with flags, which RE2 may read otherwise
			return false
		}
		re, err := regexp.Compile(list[0])
		return err == nil && re.MatchString(value)
	}
	s, isText := want.(string)
	b, isBytes := want.([]byte)
	if !isText && !isBytes {
		return false
	}
	switch kind {
	case matchSHA256:
		sum := sha256.Sum256([]byte(value))
		return isBytes && string(b) == string(sum[:]) || isText && s == hex.EncodeToString(sum[:])
	case matchSHA512:
		sum, long := sha512.Sum512_256([]byte(value)), sha512.Sum512([]byte(value))
		return isBytes && string(b) == string(sum[:]) || isText && (s == hex.EncodeToString(sum[:]) || s == hex.EncodeToString(long[:]))
	}
	if !isText {
		return false
	}
	switch kind {
	case matchExact:
		return s == value || query && ordered(s) == ordered(value)
	case matchPrefix:
		return strings.HasPrefix(value, s)
	case matchSuffix:
		return strings.HasSuffix(value, s)
	case matchContains:
		return strings.Contains(value, s)
	}
	return false
}

func ordered(query string) string {
	pairs := strings.Split(strings.TrimPrefix(query, "?"), "&")
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// uriOpens says whether catu allows every path that begins with dir, which ends in a slash.
func uriOpens(uri map[any]any, dir string) bool {
	for part, how := range uri {
		begin := dir
		switch part {
		case partScheme, partHost, partPort:
			continue // the same for every path
		case partPath:
		case partParent:
			begin = strings.TrimSuffix(dir, "/")
		default:
			return false
		}
		conditions, _ := how.(map[any]any)
		for kind, want := range conditions {
			s, _ := want.(string)
			if !(kind == matchPrefix && strings.HasPrefix(begin, s)) && !(kind == matchContains && strings.Contains(begin, s)) {
				return false
			}
		}
	}
	return true
}
