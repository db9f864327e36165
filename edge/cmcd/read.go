package cmcd

import (
	"bytes"
	"encoding/json"
)

// understood is the newest version that is read. Of a newer one nobody knows what its keys mean, and none is read
// (CTA-5004-B section 6).
const understood = 2

// Read reads a request: its four header fields or, if all of them are empty, the argument CMCD of its raw query, never
// both (section 6). It says whether there was anything.
func (d *Data) Read(object, request, session, status, query []byte) bool {
	if len(object)+len(request)+len(session)+len(status) > 0 {
		return d.ReadHeaders(object, request, session, status)
	}
	return d.ReadQuery(query)
}

// ReadHeaders reads the four header fields, any of which may be empty.
func (d *Data) ReadHeaders(object, request, session, status []byte) bool {
	d.reset()
	left := maxPayload
	for _, b := range [...][]byte{object, request, session, status} {
		if left -= len(b); left >= 0 {
			d.read(b)
		}
	}
	return d.settle()
}

// ReadQuery reads the argument CMCD of a raw query, without its question mark.
func (d *Data) ReadQuery(query []byte) bool {
	d.reset()
	for len(query) > 0 {
		var argument []byte
		argument, query, _ = bytes.Cut(query, []byte("&"))
		if payload, ok := bytes.CutPrefix(argument, []byte("CMCD=")); ok {
			if len(payload) > 3*maxPayload {
				return false
			}
			d.input, ok = appendUnescaped(d.input, payload, true)
			if ok && len(d.input) <= maxPayload {
				d.read(d.input)
			}
			break
		}
	}
	return d.settle()
}

// ReadRecord reads a line of a body of application/cmcd (section 3.3), whose payload is not escaped.
func (d *Data) ReadRecord(line []byte) bool {
	d.reset()
	if len(line) <= maxPayload {
		d.read(bytes.TrimSpace(line))
	}
	return d.settle()
}

// ReadJSON reads the object that version 1 allows as a body (CTA-5004 section 2.3). It allocates.
func (d *Data) ReadJSON(body []byte) bool {
	d.reset()
	if len(body) > maxPayload {
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return false
	}
	for name, raw := range members {
		d.member([]byte(name), jsonValue(raw))
	}
	return d.settle()
}

// jsonValue writes a JSON value as the structured field that it stands for; what has none becomes what no key takes.
func jsonValue(raw json.RawMessage) []byte {
	var s string
	switch {
	case string(raw) == "true":
		return nil
	case string(raw) == "false":
		return []byte("?0")
	case json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"':
		for _, k := range [...]Key{ObjectType, StreamingFormat, StreamType, PlayerState} {
			if specs[k].tokenOf([]byte(s)) > 0 {
				return []byte("\x00" + s) // a token or a text, as the key asks
			}
		}
		return appendQuoted(nil, s)
	}
	return raw
}

// settle finishes a reading: ranges meet their objects, and a version that is not understood ends all.
func (d *Data) settle() bool {
	if v, ok := d.Number(Version); ok && v > understood {
		d.reset()
		d.Newer = int(min(v, 1<<30))
		return false
	}
	if r := d.find(nextRange); r != nil {
		one := Next{Ranged: true}
		var ok bool
		one.First, one.Last, ok = parseRange(d.Text(nextRange))
		switch {
		case !ok:
			d.Refused++
		case d.nexts == 0: // another range of the same object
			d.next[0], d.nexts = one, 1
		case d.nexts == 1 && !d.next[0].Ranged:
			one.Path = d.next[0].Path
			d.next[0] = one
		}
		d.forget(nextRange)
	}
	return d.Any()
}

// read reads the members of a dictionary (RFC 9651 section 3.2). One that is broken costs itself only.
func (d *Data) read(b []byte) {
	for len(b) > 0 {
		var one []byte
		one, b = cutMember(b)
		one = trimSpace(one)
		if len(one) == 0 {
			continue
		}
		if !printable(one) { // not a structured field
			d.Refused++
			continue
		}
		name, v, valued := bytes.Cut(one, []byte("="))
		if !valued {
			name, v = one, nil
		}
		d.member(name, v)
	}
}

// trimSpace is bytes.Trim of spaces and tabs, without what that does for others.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// cutMember cuts b at the first comma that is not in a text.
func cutMember(b []byte) (one, rest []byte) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ',' && !quoted:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// member reads one key's value. v is nil for a key alone.
func (d *Data) member(name, v []byte) {
	k := keyOf(name)
	switch k {
	case none:
		d.Unknown++
		return
	case tolerated:
		return
	}
	d.forget(k)
	ok := false
	switch specs[k].kind {
	case integer:
		ok = d.numbers(k, v)
	case decimal:
		n, good := parseDecimal(v)
		ok = good && d.add(value{key: k, number: n})
	case boolean:
		n, good := parseBoolean(v)
		ok = good && d.add(value{key: k, number: n})
	case token:
		n := specs[k].tokenOf(bytes.TrimPrefix(v, []byte{0}))
		ok = n > 0 && d.add(value{key: k, number: n})
	case text:
		ok = d.oneText(k, v)
	case next:
		ok = d.objects(v)
	}
	if !ok {
		d.forget(k)
		d.Refused++
	}
}
