// Package cmcd reads what players say about their requests (Common Media Client Data, CTA-5004 version 1 and CTA-5004-B
// version 2, request mode) and writes what an edge says about its answers (Common Media Server Data, CTA-5006). It does no
// I/O and decides nothing.
//
// Players are not trusted: input is bounded, a value that is not what its key asks for is as good as none, and names of
// other objects are resolved to paths below a given prefix or to nothing.
//
// Invariant: reading never allocates once a Data has been used, and never fails; at worst it reads nothing.
package cmcd

import "strconv"

// Bounds of what is read of one request. More is not looked at.
const (
	maxPayload = 8 << 10
	maxValues  = 48
	maxNext    = 8
	maxPath    = 1024
	maxList    = 8 // items of one inner list
)

// Data is what one request says. The zero value is ready; a Data is used by one goroutine, and every Read method forgets
// what was read before. Slices returned are valid until the next.
type Data struct {
	Unknown int // custom keys and others that are not reserved
	Refused int // reserved keys with values that are not theirs
	Newer   int // the version, if it is newer than what is understood: then there is nothing else

	values [maxValues]value
	n      int
	next   [maxNext]Next
	nexts  int
	text   []byte // texts of values, unescaped
	input  []byte // a query's payload, unescaped
}

// value is one value of one key.
type value struct {
	key    Key
	object uint8 // number of the object type it is for; 0 is all
	number int64 // of a text: where it begins in text, and its length
	length int
}

// Next is an object that the player is going to ask for.
type Next struct {
	Path   []byte // relative to the request; empty is the same object
	Ranged bool
	First  int64 // of the range; -1 asks for the last Last bytes
	Last   int64 // inclusive; -1 is the end
}

func (d *Data) reset() {
	d.Unknown, d.Refused, d.Newer, d.n, d.nexts, d.text, d.input = 0, 0, 0, 0, 0, d.text[:0], d.input[:0]
}

// Any says whether anything was read.
func (d *Data) Any() bool { return d.n > 0 || d.nexts > 0 }

// Number is the value of a key of numbers or, as 1, of truth. Where there is one for each object type, it is that of the
// object asked for, else the first.
func (d *Data) Number(k Key) (int64, bool) {
	object := uint8(0)
	for _, v := range d.values[:d.n] {
		if v.key == ObjectType {
			object = uint8(v.number)
		}
	}
	found, ok := value{}, false
	for _, v := range d.values[:d.n] {
		if v.key == k && (!ok || v.object == object && found.object != object) {
			found, ok = v, true
		}
	}
	if !ok || specs[k%keyCount].kind == text || specs[k%keyCount].kind == token {
		return 0, false
	}
	return found.number, true
}

// Is says whether a key of truth is true.
func (d *Data) Is(k Key) bool {
	n, ok := d.Number(k)
	return ok && n == 1 && specs[k].kind == boolean
}

// Token is the value of a key of tokens; "" is none.
func (d *Data) Token(k Key) string {
	if v := d.find(k); v != nil && specs[k].kind == token {
		return specs[k].tokenName(v.number)
	}
	return ""
}

// Text is the value of a key of text, printable ASCII; empty is none.
func (d *Data) Text(k Key) []byte {
	if v := d.find(k); v != nil && specs[k].kind == text {
		return d.text[v.number : int(v.number)+v.length]
	}
	return nil
}

// Next are the objects that follow, at most eight, as the player wrote them: see Resolve.
func (d *Data) Next() []Next { return d.next[:d.nexts] }

func (d *Data) find(k Key) *value {
	for i := range d.values[:d.n] {
		if d.values[i].key == k {
			return &d.values[i]
		}
	}
	return nil
}

// forget removes the values of k: of a key that comes twice the last one counts (RFC 9651 section 4.2.2).
func (d *Data) forget(k Key) {
	if k == nextObject {
		d.nexts = 0
	}
	if d.find(k) == nil {
		return
	}
	kept := 0
	for _, v := range d.values[:d.n] {
		if v.key != k {
			d.values[kept] = v
			kept++
		}
	}
	d.n = kept
}

func (d *Data) add(v value) bool {
	if d.n == len(d.values) {
		return false
	}
	d.values[d.n] = v
	d.n++
	return true
}

// AppendJSON writes the keys and their values as one JSON object, without nor, whose paths may hold what a log must not.
func (d *Data) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	first := true
	for k := none + 1; k < nextObject; k++ {
		v := d.find(k)
		if v == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), specs[k].name...), '"', ':')
		switch specs[k].kind {
		case integer:
			n, _ := d.Number(k)
			b = strconv.AppendInt(b, n, 10)
		case decimal:
			b = appendThousandths(b, v.number)
		case boolean:
			b = strconv.AppendBool(b, v.number == 1)
		case text:
			b = appendJSONText(b, d.Text(k))
		default:
			b = append(append(append(b, '"'), d.Token(k)...), '"')
		}
	}
	return append(b, '}')
}

// appendQuoted writes printable ASCII in the quotes that JSON and structured fields share.
func appendQuoted[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendJSONText writes text that was read, escaping what encoding/json does, so that it is as long wherever it is copied.
func appendJSONText(b, s []byte) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '<' || c == '>' || c == '&':
			b = append(b, '\\', 'u', '0', '0', '2'+c>>4&1, "0123456789abcdef"[c&15])
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendThousandths writes n/1000 as short as it is.
func appendThousandths(b []byte, n int64) []byte {
	b = strconv.AppendInt(b, n/1000, 10)
	rest := n % 1000
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for div := int64(100); rest > 0; div /= 10 {
		b = append(b, byte('0'+rest/div))
		rest %= div
	}
	return b
}
