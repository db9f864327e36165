package weir

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// Ticket is a viewer's right to bytes: it allows every path that starts with Prefix until Expires. Foreign formats (CAT,
// URI Signing, CDN dialects) are turned into one. Bytes on the wire: see Sign.
type Ticket struct {
	KeyID        string // names the signing key, which belongs to one organisation
	Organisation string // whose objects; taken from the key on verification
	Session      string // the playback session, for revocation and metrics; at most 64 characters of an id
	Prefix       string // "<asset>/", "<asset>/<rev>/" ...: canonical path prefix, ends in "/"
	Expires      time.Time
	Flags        uint8
}

// TicketKey signs the tickets of one organisation.
type TicketKey struct {
	ID           string
	Organisation string
	Secret       []byte // at least 32 random bytes
}

// TicketSkew is how much clock difference an expiry tolerates.
const TicketSkew = 30 * time.Second

const (
	ticketVersion = 1
	ticketMAC     = 16
	maxTicketText = 512
)

// Sign is the ticket in its text form: unpadded base64url of
//
//	version(1)=1 flags(1) expiry(4, unix seconds, big endian) then length-prefixed(1) key id, session, prefix,
//	then the first 16 bytes of HMAC-SHA256 over all of that.
//
// It is a valid URL path segment of at most 512 characters. The error is Invalid: a field that does not fit.
func (t Ticket) Sign(key TicketKey) (string, error) {
	exp := t.Expires.Unix()
	if !ValidID(key.ID) || !ValidID(t.Session) || !validPrefix(t.Prefix) || exp < 0 || exp > 1<<32-1 || len(key.Secret) < 32 {
		return "", Errorf(Invalid, "ticket fields do not fit")
	}
	b := make([]byte, 6, 128)
	b[0], b[1] = ticketVersion, t.Flags
	binary.BigEndian.PutUint32(b[2:], uint32(exp))
	for _, s := range []string{key.ID, t.Session, t.Prefix} {
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

// VerifyTicket checks the text form against the key it names and the time. Errors: Unauthenticated (malformed, unknown
// key, wrong signature) and Forbidden (expired).
func VerifyTicket(text string, key func(id string) (TicketKey, bool), now time.Time) (Ticket, error) {
	t, signed, sum, ok := splitTicket(text)
	if !ok {
		return Ticket{}, Errorf(Unauthenticated, "this is not a ticket")
	}
	k, ok := key(t.KeyID)
	if !ok || !hmac.Equal(sum, mac(k.Secret, signed)) {
		return Ticket{}, Errorf(Unauthenticated, "the ticket's signature is not valid")
	}
	t.Organisation = k.Organisation
	if now.After(t.Expires.Add(TicketSkew)) {
		return Ticket{}, Errorf(Forbidden, "the ticket has expired")
	}
	return t, nil
}

// Allows says whether the ticket covers a canonical path (no leading slash): "<asset>/<rev>/...".
func (t Ticket) Allows(path string) bool { return strings.HasPrefix(path, t.Prefix) }

func splitTicket(text string) (t Ticket, signed, sum []byte, ok bool) {
	if len(text) > maxTicketText {
		return t, nil, nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 6+3+ticketMAC || b[0] != ticketVersion {
		return t, nil, nil, false
	}
	signed, sum = b[:len(b)-ticketMAC], b[len(b)-ticketMAC:]
	t.Flags = b[1]
	t.Expires = time.Unix(int64(binary.BigEndian.Uint32(b[2:])), 0)
	rest := signed[6:]
	for _, field := range []*string{&t.KeyID, &t.Session, &t.Prefix} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return t, nil, nil, false
		}
		*field, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	}
	ok = len(rest) == 0 && ValidID(t.KeyID) && ValidID(t.Session) && validPrefix(t.Prefix)
	return t, signed, sum, ok
}

// validPrefix: "a/", "a/b/" ...: at most 255 bytes, each segment an id.
func validPrefix(p string) bool {
	if len(p) > 255 || !strings.HasSuffix(p, "/") {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(p, "/"), "/") {
		if !ValidID(part) {
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
