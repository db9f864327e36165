package weir

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// Ticket is a viewer's right to bytes: it allows what Prefix covers (see Allows) until Expires. Foreign formats (CAT, URI
// Signing, CDN dialects) are turned into one. Bytes on the wire: see Sign.
type Ticket struct {
	KeyID        string       // names the signing key, which belongs to one organisation
	Organisation string       // whose objects; taken from the key on verification
	Session      string       // the playback session, for revocation and metrics; an id (ValidID)
	Subject      string       // pseudonym of whose playback it is, for revocation; an id, or "" if nobody's
	Prefix       string       // canonical path without leading slash; see Allows
	Network      netip.Prefix // where the viewer must be (see NetworkOf); valid exactly if Flags has FlagBound
	Issued       time.Time    // zero in a ticket of version 1, which any epoch of its organisation revokes
	Expires      time.Time
	Flags        TicketFlags
}

// TicketFlags is what else holds for a ticket. The low five bits are critical: whoever does not know one refuses the ticket.
// The high three are advice, which whoever does not know it may overlook.
type TicketFlags uint8

// The flags that something enforces.
const (
	FlagBound      TicketFlags = 1 << 0 // only for viewers in Ticket.Network
	FlagNoPrefetch TicketFlags = 1 << 7 // the edge fetches nothing ahead for this viewer, such as on metered uplinks

	criticalFlags TicketFlags = 1<<5 - 1
)

// TicketKey signs the tickets of one organisation.
type TicketKey struct {
	ID           string
	Organisation string
	Secret       []byte // at least 32 random bytes
}

// TicketSkew is how much clock difference an expiry tolerates. MaxTicketLife bounds Expires - Issued, so that one knows when
// a withdrawn key or a revocation can be forgotten.
const (
	TicketSkew    = 30 * time.Second
	MaxTicketLife = 7 * 24 * time.Hour
)

const (
	ticketV1      = 1
	ticketV2      = 2
	ticketMAC     = 16
	maxTicketText = 512
	maxPrefix     = 255

	// AnyPath as a Prefix covers every path of the organisation.
	AnyPath = "/"
)

// Sign is the ticket in its text form, unpadded base64url of
//
//	version(1)=2 flags(1) issued(4) expiry(4), both unix seconds, big endian
//	if FlagBound: 4 and the 3 bytes of an IPv4 /24, or 6 and the 7 bytes of an IPv6 /56
//	length-prefixed(1) key id, session, subject, prefix
//
// then the first 16 bytes of HMAC-SHA256 over all of that. Without Issued it is version 1, which older edges read too:
//
//	version(1)=1 flags(1) expiry(4) then length-prefixed(1) key id, session, prefix, of ids and ending in "/"
//
// The text is a valid URL path segment of at most 512 characters. The error is Invalid: a field that does not fit.
func (t Ticket) Sign(key TicketKey) (string, error) {
	t.KeyID = key.ID
	if len(key.Secret) < 32 || !t.fits() {
		return "", Errorf(Invalid, "ticket fields do not fit")
	}
	b := make([]byte, 2, 192)
	b[0], b[1] = ticketV1, byte(t.Flags)
	fields := []string{t.KeyID, t.Session, t.Prefix}
	if !t.Issued.IsZero() {
		b[0] = ticketV2
		b = binary.BigEndian.AppendUint32(b, uint32(t.Issued.Unix()))
		fields = []string{t.KeyID, t.Session, t.Subject, t.Prefix}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(t.Expires.Unix()))
	b = appendNetwork(b, t.Network)
	for _, s := range fields {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	b = append(b, mac(key.Secret, b)...)
	text := base64.RawURLEncoding.EncodeToString(b)
	if len(text) > maxTicketText {
		return "", Errorf(Invalid, "ticket fields do not fit")
	}
	return text, nil
}

// fits says whether the fields are such as a version has: what is signed is what verifies.
func (t Ticket) fits() bool {
	if !ValidID(t.KeyID) || !ValidID(t.Session) || !unixFits(t.Expires) || t.Flags&criticalFlags&^FlagBound != 0 ||
		t.Network.IsValid() != (t.Flags&FlagBound != 0) || t.Network.IsValid() && t.Network != NetworkOf(t.Network.Addr()) {
		return false
	}
	if t.Issued.IsZero() {
		return t.Subject == "" && !t.Network.IsValid() && validIDPrefix(t.Prefix)
	}
	return (t.Subject == "" || ValidID(t.Subject)) && validPrefix(t.Prefix) && unixFits(t.Issued) &&
		t.Issued.Unix() <= t.Expires.Unix() && t.Expires.Unix()-t.Issued.Unix() <= int64(MaxTicketLife/time.Second)
}

func unixFits(t time.Time) bool { return t.Unix() >= 0 && t.Unix() <= 1<<32-1 }

// NetworkOf is the network that a ticket for the viewer at addr is bound to: the /24 of an IPv4 address, the /56 of an IPv6
// one. A viewer's address changes within these when the provider renews it, and seldom beyond. Invalid if addr is.
func NetworkOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 56
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func appendNetwork(b []byte, p netip.Prefix) []byte {
	switch addr := p.Addr(); {
	case !p.IsValid():
	case addr.Is4():
		a := addr.As4()
		b = append(append(b, 4), a[:3]...)
	default:
		a := addr.As16()
		b = append(append(b, 6), a[:7]...)
	}
	return b
}

// VerifyTicket checks the text form: its shape, then its signature by the key it names, then what it says. Errors:
// Unauthenticated (malformed, unknown key, wrong signature, a critical flag this program does not know) and Forbidden (not
// issued yet, expired). Where the viewer is, what it asks for and what was revoked is for the caller to check: AllowsFrom,
// Allows.
func VerifyTicket(text string, key func(id string) (TicketKey, bool), now time.Time) (Ticket, error) {
	t, signed, sum, ok := splitTicket(text)
	if !ok {
		return Ticket{}, Errorf(Unauthenticated, "this is not a ticket")
	}
	k, ok := key(t.KeyID)
	if !ok || len(k.Secret) < 32 || !hmac.Equal(sum, mac(k.Secret, signed)) {
		return Ticket{}, Errorf(Unauthenticated, "the ticket's signature is not valid")
	}
	if !t.fits() {
		return Ticket{}, Errorf(Unauthenticated, "the ticket says what is not understood here")
	}
	t.Organisation = k.Organisation
	if t.Issued.After(now.Add(TicketSkew)) {
		return Ticket{}, Errorf(Forbidden, "the ticket is not valid yet")
	}
	if t.Expired(now) {
		return Ticket{}, Errorf(Forbidden, "the ticket has expired")
	}
	return t, nil
}

// Expired says whether the ticket's time is over, with TicketSkew.
func (t *Ticket) Expired(now time.Time) bool { return now.After(t.Expires.Add(TicketSkew)) }

// AllowsFrom says whether a viewer at addr may use the ticket. A bound ticket allows no unknown (zero) address.
func (t *Ticket) AllowsFrom(addr netip.Addr) bool {
	return t.Flags&FlagBound == 0 || t.Network.IsValid() && t.Network.Contains(addr.Unmap().WithZone(""))
}

// Allows says whether the ticket covers a path without its leading slash. A Prefix that ends in "/" covers what is below it,
// another exactly that path, AnyPath every path. The path is compared as it is, undecoded, and must be one that no origin can
// take for another: see SafePath.
func (t *Ticket) Allows(path string) bool { return Covers(t.Prefix, path) }

// Covers is Ticket.Allows for a path in bytes or text. It allocates nothing.
func Covers[P string | []byte](prefix string, path P) bool {
	if prefix == "" || !SafePath(path) {
		return false
	}
	if prefix == AnyPath {
		return true
	}
	if len(path) < len(prefix) || string(path[:len(prefix)]) != prefix {
		return false
	}
	return prefix[len(prefix)-1] == '/' || len(path) == len(prefix)
}

// SafePath says whether a raw, undecoded URL path without its leading slash means one thing to every server: printable ASCII,
// no empty segment but a last one, no segment that is or may be taken for "." or ".." (also "..;x", "%2e.", RFC 3986 section
// 5.2.4), no encoded slash, backslash, dot, percent sign or control character, no backslash, "?" or "#". A prefix compared
// with such a path cannot be left again by decoding or normalising it.
func SafePath[P string | []byte](path P) bool {
	start := 0
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '?' || c == '#':
			return false
		case c == '/':
			if i == start {
				return false
			}
			start = i + 1
		case c == '.' && i == start && dots(path[i:]):
			return false
		case c == '%':
			if i+2 >= len(path) || !safeEscape(path[i+1], path[i+2]) {
				return false
			}
		}
	}
	return true
}

// dots says whether a segment that starts here is "." or "..", or something an origin may cut to that: parameters are cut
// after ";", which may be encoded.
func dots[P string | []byte](path P) bool {
	i := 1
	if i < len(path) && path[i] == '.' {
		i++
	}
	return i == len(path) || path[i] == '/' || path[i] == ';' || path[i] == '%'
}

// safeEscape says whether %hl is a character that means nothing in a path.
func safeEscape(h, l byte) bool {
	hi, lo := unhex(h), unhex(l)
	if hi > 15 || lo > 15 {
		return false
	}
	switch c := hi<<4 | lo; c {
	case '/', '\\', '.', '%', 0x7f:
		return false
	default:
		return c >= ' '
	}
}

// unhex is the value of a hexadecimal digit, or 255.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

func splitTicket(text string) (t Ticket, signed, sum []byte, ok bool) {
	// The decoder passes over ends of lines: testdata/fuzz/FuzzVerifyTicket/f105880d29822d53. One ticket has one text.
	if len(text) > maxTicketText || strings.ContainsAny(text, "\r\n") {
		return t, nil, nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 6+3+ticketMAC {
		return t, nil, nil, false
	}
	signed, sum = b[:len(b)-ticketMAC], b[len(b)-ticketMAC:]
	t.Flags = TicketFlags(b[1])
	rest := signed[2:]
	fields := []*string{&t.KeyID, &t.Session, &t.Prefix}
	switch b[0] {
	case ticketV1:
		t.Expires, rest = cutTime(rest)
	case ticketV2:
		if len(rest) < 8 {
			return t, nil, nil, false
		}
		t.Issued, rest = cutTime(rest)
		t.Expires, rest = cutTime(rest)
		if t.Flags&FlagBound != 0 {
			if t.Network, rest, ok = cutNetwork(rest); !ok {
				return t, nil, nil, false
			}
		}
		fields = []*string{&t.KeyID, &t.Session, &t.Subject, &t.Prefix}
	default:
		return t, nil, nil, false
	}
	for _, field := range fields {
		if len(rest) == 0 {
			return t, nil, nil, false
		}
		end := 1 + int(rest[0]) // in bytes 1+255 is 0: testdata/fuzz/FuzzTicket/c37f209d010d26ff
		if len(rest) < end {
			return t, nil, nil, false
		}
		*field, rest = string(rest[1:end]), rest[end:]
	}
	return t, signed, sum, len(rest) == 0 && ValidID(t.KeyID)
}

func cutTime(b []byte) (time.Time, []byte) {
	return time.Unix(int64(binary.BigEndian.Uint32(b)), 0), b[4:]
}

func cutNetwork(b []byte) (netip.Prefix, []byte, bool) {
	switch {
	case len(b) >= 4 && b[0] == 4:
		return NetworkOf(netip.AddrFrom4([4]byte{b[1], b[2], b[3]})), b[4:], true
	case len(b) >= 8 && b[0] == 6:
		var a [16]byte
		copy(a[:], b[1:8])
		return NetworkOf(netip.AddrFrom16(a)), b[8:], true
	}
	return netip.Prefix{}, nil, false
}

// validIDPrefix: "a/", "a/b/" ...: at most 255 bytes, each segment an id.
func validIDPrefix(p string) bool {
	if len(p) > maxPrefix || !strings.HasSuffix(p, "/") {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(p, "/"), "/") {
		if !ValidID(part) {
			return false
		}
	}
	return true
}

// validPrefix: AnyPath, or a safe path of at most 255 bytes of [A-Za-z0-9._~-] and single slashes. Nothing in it can be
// encoded in two ways, so what it covers is what it says.
func validPrefix(p string) bool {
	if p == AnyPath {
		return true
	}
	if p == "" || len(p) > maxPrefix || !SafePath(p) {
		return false
	}
	for i := range len(p) {
		if c := p[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._~-/", rune(c)) {
			return false
		}
	}
	return true
}

func mac(secret, b []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(b)
	return h.Sum(nil)[:ticketMAC]
}

// RedactTicket shortens a ticket to what logs may hold: enough to tell two apart, not enough to use.
func RedactTicket(text string) string {
	if len(text) <= 12 {
		return "…"
	}
	return text[:8] + "…"
}
