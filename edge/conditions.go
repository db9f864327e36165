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

// acceptsGzip says whether an Accept-Encoding field (RFC 9110 section 12.5.3) allows gzip.
func acceptsGzip(field []byte) bool {
	for item := range bytes.SplitSeq(field, []byte{','}) {
		name, params, _ := bytes.Cut(item, []byte{';'})
		if !bytes.EqualFold(bytes.TrimSpace(name), []byte("gzip")) {
			continue
		}
		params = bytes.ToLower(bytes.ReplaceAll(params, []byte{' '}, nil))
		q, ok := bytes.CutPrefix(params, []byte("q="))
		return !ok || len(bytes.Trim(q, "0.")) > 0
	}
	return false
}
