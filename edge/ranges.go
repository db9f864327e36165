package edge

import "bytes"

// maxRanges bounds how many ranges one request may ask for.
const maxRanges = 16

// span is n bytes at off of a representation.
type span struct{ off, n int64 }

// rangeResult is what a Range field comes to.
type rangeResult uint8

const (
	rangeIgnored rangeResult = iota // absent, malformed, of another unit or unreasonable: the whole representation
	rangeOK                         // the spans, in the order asked
	rangeNone                       // well-formed, but no byte of it exists: 416
)

// parseRange reads a Range field (RFC 9110 section 14.2) for a representation of size bytes, appending to dst. More than
// maxRanges ranges, and ranges that together ask for more bytes than there are, are ignored, as section 14.2 allows.
func parseRange(dst []span, field []byte, size int64) ([]span, rangeResult) {
	const unit = "bytes="
	if len(field) <= len(unit) || !bytes.EqualFold(field[:len(unit)], []byte(unit)) {
		return nil, rangeIgnored
	}
	spans, total, count := dst, int64(0), 0
	for rest, more := field[len(unit):], true; more; {
		var spec []byte
		spec, rest, more = bytes.Cut(rest, []byte{','})
		spec = bytes.Trim(spec, " \t")
		if len(spec) == 0 {
			continue // an empty list element (RFC 9110 section 5.6.1)
		}
		if count++; count > maxRanges {
			return nil, rangeIgnored
		}
		s, ok := parseSpan(spec, size)
		if !ok {
			return nil, rangeIgnored
		}
		if s.n > 0 {
			spans, total = append(spans, s), total+s.n
		}
	}
	switch {
	case count == 0, total > size:
		return nil, rangeIgnored
	case len(spans) == 0:
		return nil, rangeNone
	}
	return spans, rangeOK
}

// parseSpan reads "first-", "first-last" or "-suffix"; n is 0 if no byte of it exists.
func parseSpan(spec []byte, size int64) (span, bool) {
	first, last, ok := bytes.Cut(spec, []byte{'-'})
	if !ok {
		return span{}, false
	}
	if len(first) == 0 {
		n, ok := digits(last)
		n = min(n, size)
		return span{size - n, n}, ok
	}
	a, ok := digits(first)
	if !ok {
		return span{}, false
	}
	b := size - 1
	if len(last) > 0 {
		if b, ok = digits(last); !ok || b < a {
			return span{}, false
		}
	}
	if a >= size {
		return span{}, true
	}
	return span{a, min(b, size-1) - a + 1}, true
}

// digits reads a decimal number; larger ones than any file become 1<<62.
func digits(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > 1<<58 {
			n = 1 << 58
		}
		n = n*10 + int64(c-'0')
	}
	return min(n, 1<<62), true
}
