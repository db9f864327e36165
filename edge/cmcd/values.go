package cmcd

import "bytes"

// maxInteger is the largest integer of a structured field: 15 digits (RFC 9651 section 3.3.1).
const maxInteger = 999_999_999_999_999

// numbers reads an integer, or an inner list of them with object types as parameters: br=(3000;v 128;a).
func (d *Data) numbers(k Key, b []byte) bool {
	if len(b) == 0 || b[0] != '(' {
		n, rest, ok := parseInteger(b)
		return ok && len(rest) == 0 && d.add(value{key: k, number: n})
	}
	if b[len(b)-1] != ')' {
		return false
	}
	items := 0
	for b = b[1 : len(b)-1]; len(b) > 0; items++ {
		n, rest, ok := parseInteger(b)
		if !ok || items == maxList {
			return false
		}
		object := uint8(0)
		if len(rest) > 0 && rest[0] == ';' {
			name := rest[1:]
			end := bytes.IndexAny(name, "; ")
			if end < 0 {
				end = len(name)
			}
			if object = uint8(specs[ObjectType].tokenOf(name[:end])); object == 0 {
				return false
			}
			rest = name[end:]
		}
		if len(rest) > 0 && rest[0] != ' ' || !d.add(value{key: k, object: object, number: n}) {
			return false
		}
		b = bytes.TrimLeft(rest, " ")
	}
	return items > 0
}

// parseInteger reads digits at the front of b.
func parseInteger(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if n = n*10 + int64(b[i]-'0'); n > maxInteger {
			return 0, nil, false
		}
	}
	return n, b[i:], i > 0
}

// parseDecimal reads a number with at most three digits behind its point, in thousandths.
func parseDecimal(b []byte) (int64, bool) {
	n, rest, ok := parseInteger(b)
	if !ok || n > maxInteger/1000 {
		return 0, false
	}
	n *= 1000
	if len(rest) == 0 {
		return n, true
	}
	if rest[0] != '.' || len(rest) < 2 || len(rest) > 4 {
		return 0, false
	}
	unit := int64(100)
	for _, c := range rest[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n += int64(c-'0') * unit
		unit /= 10
	}
	return n, true
}

// parseBoolean reads ?1, ?0 and, of version 1's JSON and of players that do not know better, true and false. Nothing at
// all is true.
func parseBoolean(b []byte) (int64, bool) {
	switch string(b) {
	case "", "?1", "true":
		return 1, true
	case "?0", "false":
		return 0, true
	}
	return 0, false
}

// oneText reads a string, or the first one of a list.
func (d *Data) oneText(k Key, b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("("))
	start := len(d.text)
	rest, ok := d.unquote(b, specs[k].limit)
	list := len(rest) > 0 && (rest[0] == ')' || rest[0] == ' ') && k == ErrorCode
	if !ok || len(rest) > 0 && !list {
		return false
	}
	return d.add(value{key: k, number: int64(start), length: len(d.text) - start})
}

// unquote appends the string at the front of b to d.text (RFC 9651 section 3.3.3).
func (d *Data) unquote(b []byte, limit int) (rest []byte, ok bool) {
	if len(b) > 0 && b[0] == 0 && len(b)-1 <= limit { // of JSON
		d.text = append(d.text, b[1:]...)
		return nil, true
	}
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	for i, n := 1, 0; i < len(b); i, n = i+1, n+1 {
		c := b[i]
		switch {
		case c == '"':
			return b[i+1:], true
		case c == '\\':
			if i++; i == len(b) || b[i] != '"' && b[i] != '\\' {
				return nil, false
			}
			c = b[i]
		case c < ' ' || c > '~':
			return nil, false
		}
		if n == limit {
			return nil, false
		}
		d.text = append(d.text, c)
	}
	return nil, false
}

// objects reads nor: a string, escaped once more, in version 1; a list of them, each with its range, in version 2.
func (d *Data) objects(b []byte) bool {
	if len(b) == 0 || b[0] != '(' {
		start := len(d.text)
		rest, ok := d.unquote(b, 3*maxPath)
		if !ok || len(rest) > 0 {
			return false
		}
		escaped := len(d.text)
		if d.text, ok = appendUnescaped(d.text, d.text[start:escaped], false); !ok || len(d.text)-escaped > maxPath || len(d.text) == escaped {
			return false
		}
		d.next[0], d.nexts = Next{Path: d.text[escaped:]}, 1
		return true
	}
	if b[len(b)-1] != ')' {
		return false
	}
	for b = b[1 : len(b)-1]; len(b) > 0; {
		start := len(d.text)
		rest, ok := d.unquote(b, maxPath)
		if !ok || len(d.text) == start || d.nexts == maxNext {
			return false
		}
		one := Next{Path: d.text[start:]}
		if r, found := bytes.CutPrefix(rest, []byte(";r=")); found {
			start = len(d.text)
			if rest, ok = d.unquote(r, 48); !ok {
				return false
			}
			if one.First, one.Last, ok = parseRange(d.text[start:]); !ok {
				return false
			}
			one.Ranged = true
		}
		if len(rest) > 0 && rest[0] != ' ' {
			return false
		}
		d.next[d.nexts] = one
		d.nexts++
		b = bytes.TrimLeft(rest, " ")
	}
	return d.nexts > 0
}

// parseRange reads "first-", "first-last" or "-suffix".
func parseRange(b []byte) (first, last int64, ok bool) {
	if suffix, found := bytes.CutPrefix(b, []byte("-")); found {
		n, rest, ok := parseInteger(suffix)
		return -1, n, ok && len(rest) == 0 && n > 0
	}
	first, rest, ok := parseInteger(b)
	if !ok || len(rest) == 0 || rest[0] != '-' {
		return 0, 0, false
	}
	if len(rest) == 1 {
		return first, -1, true
	}
	last, rest, ok = parseInteger(rest[1:])
	return first, last, ok && len(rest) == 0 && first <= last
}

// appendUnescaped appends src with its percent escapes undone, and in a query plus signs as the spaces they stand for:
// those who write a plus sign escape it.
func appendUnescaped(b, src []byte, query bool) ([]byte, bool) {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '+' && query:
			c = ' '
		case c == '%':
			if i+2 >= len(src) {
				return b, false
			}
			high, low := hex(src[i+1]), hex(src[i+2])
			if high < 0 || low < 0 {
				return b, false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		b = append(b, c)
	}
	return b, true
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
