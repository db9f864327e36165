package edge

import "bytes"

// matches says whether one of the lines of an If-Match or If-None-Match field (RFC 9110 section 13.1) names etag, which
// is strong and quoted. Weak compares W/"x" as "x".
func matches(lines [][]byte, etag []byte, weak bool) bool {
	for _, line := range lines {
		if lineMatches(line, etag, weak) {
			return true
		}
	}
	return false
}

func lineMatches(field, etag []byte, weak bool) bool {
	if string(bytes.TrimSpace(field)) == "*" {
		return true
	}
	for {
		rest, isWeak := bytes.CutPrefix(bytes.TrimLeft(field, " \t,"), []byte("W/"))
		if len(rest) == 0 || rest[0] != '"' {
			return false
		}
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 {
			return false
		}
		if bytes.Equal(rest[:end+2], etag) && (weak || !isWeak) {
			return true
		}
		field = rest[end+2:]
	}
}

// acceptsGzip says whether an Accept-Encoding field (RFC 9110 section 12.5.3) prefers gzip to the bytes as they are: by
// its own weight, or that of "*", and not below the weight of identity. What forbids both gets the bytes as they are, which
// the section allows instead of 406.
func acceptsGzip(field []byte) bool {
	if len(field) == 0 {
		return false
	}
	gzip, identity, star := -1, -1, -1 // thousandths; -1 is not named
	for len(field) > 0 {
		var item []byte
		item, field, _ = bytes.Cut(field, []byte{','})
		name, params, _ := bytes.Cut(item, []byte{';'})
		name = bytes.TrimSpace(name)
		switch q := weight(params); {
		case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
			gzip = q
		case bytes.EqualFold(name, []byte("identity")):
			identity = q
		case string(name) == "*":
			star = q
		}
	}
	if gzip < 0 {
		gzip = star
	}
	if identity < 0 && star == 0 {
		identity = 0
	}
	return gzip > 0 && gzip >= identity
}

// weight reads ";q=0.5" without its semicolon in thousandths: 1000 if there is none, 0 if it is malformed.
func weight(params []byte) int {
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		return 1000
	}
	name, value, ok := bytes.Cut(params, []byte{'='})
	if value = bytes.TrimSpace(value); !ok || !bytes.EqualFold(bytes.TrimSpace(name), []byte{'q'}) || len(value) == 0 || len(value) > 5 {
		return 0
	}
	if value[0] != '0' && value[0] != '1' || len(value) > 1 && value[1] != '.' {
		return 0
	}
	q, unit := int(value[0]-'0')*1000, 100
	for _, c := range value[min(2, len(value)):] {
		if c < '0' || c > '9' {
			return 0
		}
		q, unit = q+int(c-'0')*unit, unit/10
	}
	if q > 1000 {
		return 0
	}
	return q
}
