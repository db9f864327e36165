package peer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
)

// PathPrefix begins the path of every request of a peer.
const PathPrefix = "/peer/1/"

// SecretBytes is the length of the secret that the edges of a cluster share.
const SecretBytes = 32

// The fields of an answer: how far the purge log was read when the bytes were asked for, and the proof that who answers has
// the secret.
const (
	StampField = "Weir-Stamp"
	ProofField = "Weir-Proof"
)

// A request is good until its expiry, which is not further away than maxLife. It is signed for life, so that clocks may
// differ by the rest.
const (
	life    = 15 * time.Second
	maxLife = 30 * time.Second
)

// Bounds of what may be asked for.
const (
	maxStill = 16 << 20
	maxOff   = 1 << 50
	macChars = 43 // of 32 bytes in base64url without padding
	maxPath  = len(PathPrefix) + 11 + 17 + 13 + 9 + 3 + macChars + 1 + 512
)

// The flags of a request, as one character.
const (
	flagStill = 1 << iota
	flagLive
	flagsEnd
)

// Request is what one edge asks another for.
type Request struct {
	Part    origin.Part
	Live    bool      // of a presentation that grows
	Expires time.Time // whole seconds
	MAC     string    // of Sign, or as it came
}

// Sign makes r a GET that edge to takes until r.Expires: MAC is HMAC-SHA256 of the method, the path without it, and to.
func (r *Request) Sign(secret []byte, to string) { r.MAC = string(r.mac(secret, "GET", to)) }

// Path is the path of a signed request:
//
//	/peer/1/<expires>/<off>/<length>/<sum>/<flags>/<mac>/<key>
func (r *Request) Path() string {
	return string(append(append(append(r.fields(), r.MAC...), '/'), r.Part.Key...))
}

// fields is the path up to the MAC.
func (r *Request) fields() []byte {
	flags := 0
	if r.Part.Still {
		flags |= flagStill
	}
	if r.Live {
		flags |= flagLive
	}
	b := append(make([]byte, 0, maxPath), PathPrefix...)
	for _, n := range [...]int64{r.Expires.Unix(), r.Part.Off, r.Part.Length, int64(r.Part.Sum), int64(flags)} {
		b = append(strconv.AppendInt(b, n, 10), '/')
	}
	return b
}

func (r *Request) mac(secret []byte, method, to string) []byte {
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte("weir peer request 1\x00" + method + "\x00")) // never fails, as the next ones
	_, _ = h.Write(r.fields())
	_, _ = h.Write([]byte(r.Part.Key + "\x00" + to)) // an id may hold anything: it is last
	return base64.RawURLEncoding.AppendEncode(make([]byte, 0, macChars), h.Sum(nil))
}

// Parse reads what Path made. It says nothing about whether it may be answered: see Check. Errors: Forbidden.
func Parse(path []byte) (Request, error) {
	bad := weir.Errorf(weir.Forbidden, "this is no request of a peer")
	rest, ok := bytes.CutPrefix(path, []byte(PathPrefix))
	if !ok || len(path) > maxPath {
		return Request{}, bad
	}
	var numbers [5]int64
	for i := range numbers {
		var field []byte
		if field, rest, ok = bytes.Cut(rest, []byte{'/'}); !ok {
			return Request{}, bad
		}
		if numbers[i], ok = number(field); !ok {
			return Request{}, bad
		}
	}
	mac, key, ok := bytes.Cut(rest, []byte{'/'})
	if !ok || len(mac) != macChars {
		return Request{}, bad
	}
	if numbers[1] > maxOff || numbers[3] > 1<<32-1 || numbers[4] >= flagsEnd {
		return Request{}, bad
	}
	r := Request{Expires: time.Unix(numbers[0], 0), MAC: string(mac), Live: numbers[4]&flagLive != 0,
		Part: origin.Part{Key: string(key), Off: numbers[1], Length: numbers[2], Sum: uint32(numbers[3]), Still: numbers[4]&flagStill != 0}}
	if !askable(r.Part) {
		return Request{}, bad
	}
	return r, nil
}

// askable says whether a part is one that an edge has a business with.
func askable(p origin.Part) bool {
	limit := int64(weir.MaxSegmentBytes)
	if p.Still {
		limit = maxStill
	}
	if p.Length < 1 || p.Length > limit || p.Off < 0 || p.Off > maxOff || p.Still && p.Off > 0 {
		return false
	}
	return weir.ValidKey(p.Key) && strings.HasPrefix(p.Key, "media/") && strings.Count(p.Key, "/") >= 3
}

// number reads a decimal without sign and leading zeros.
func number(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 16 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Check says whether edge self may answer r now. Errors: Forbidden, which does not say why.
func (r *Request) Check(secret []byte, method, self string, now time.Time) error {
	good := hmac.Equal([]byte(r.MAC), r.mac(secret, method, self))
	if !good || len(secret) != SecretBytes || !r.Expires.After(now) || r.Expires.After(now.Add(maxLife)) {
		return weir.Errorf(weir.Forbidden, "this is no request of a peer, or not for this edge, or its time is over")
	}
	return nil
}

// Proof is what only one who has the secret can answer a request with. channel is what names the TLS session to both of its
// ends and to nobody between them (RFC 9266 section 4), empty without TLS: so a certificate need not be trusted.
func (r *Request) Proof(secret []byte, stamp uint64, channel []byte) string {
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte("weir peer answer 1\x00" + r.MAC + "\x00" + strconv.FormatUint(stamp, 10) + "\x00"))
	_, _ = h.Write(channel)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
