package token

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// maxText bounds target, cookie and header together: what is longer is refused unread. maxLife is the longest life of
// a Grant, whatever the token says: a cookie or a URL that is good for years is exchanged anew every day.
const (
	maxText = 8 << 10
	maxLife = 24 * time.Hour
)

// Request is what a verifier sees of a request. Path is escaped, as sent, with its leading slash.
type Request struct {
	Method, Scheme, Host string
	Path, RawQuery       string
	Header               func(name string) []string // nil: none
	Cookie               func(name string) string   // nil: none
	Client               netip.Addr                 // of the viewer, behind trusted proxies
	Country              string                     // ISO 3166-1 alpha-2, or with a region "SE-AB"; "" if not known
	ALPN                 string                     // "h2", "http/1.1" ...; "" if not known
}

// Grant is what a token allows. It holds no part of the token.
type Grant struct {
	Format, KeyID, Organisation string
	Subject                     string       // as the token says; may be ""
	Session                     string       // an id made of the token's own id, or else of the token: for revocation
	Prefix                      string       // "<asset>/...": every path below is allowed; "" = only the requested file
	Expires                     time.Time    // never later than the token's
	Client                      netip.Prefix // the viewer's address where the token is bound to addresses; else not valid
	Path, Query                 string       // of the request without the token
	FromCookie                  bool
	ByMethod                    bool     // it is for some methods only, GET among them where there is a Prefix
	Renewal                     *Renewal // a new token to hand out; nil: none is due
}

// Renewal is a new foreign token and where it goes.
type Renewal struct {
	Place      Place
	Name       string // of the cookie, header field or query parameter
	Attributes string // of the cookie, with their leading "; "
	Text       string // the token: a secret
	Expires    time.Time
}

// Place is where a token travels.
type Place uint8

// The places of tokens.
const (
	InQuery Place = iota
	InCookie
	InHeader
	InPath
)

// Replay remembers the ids of tokens that may be used once.
type Replay interface {
	// Seen remembers id until then and says whether it was there before, in one step.
	Seen(id string, until time.Time) bool
}

// Verifier verifies the tokens of one format. It may be used by many goroutines.
type Verifier interface {
	// Verify returns what the request's token allows. Errors: ErrNone; Unauthenticated (malformed, unknown key, bad
	// signature); Forbidden (expired, another path, address, country, method; replayed).
	Verify(r Request, now time.Time) (Grant, error)
}

// ErrNone says that the request holds no token of the format.
var ErrNone = weir.Errorf(weir.Unauthenticated, "a token is needed")

// Verifiers are the configured formats in order.
type Verifiers []Verifier

// Verify asks each format; the first that finds a token decides. Errors are those of Verifier.Verify.
func (v Verifiers) Verify(r Request, now time.Time) (Grant, error) {
	for _, one := range v {
		g, err := one.Verify(r, now)
		if !errors.Is(err, ErrNone) {
			return g, err
		}
	}
	return Grant{}, ErrNone
}

var _ Verifier = Verifiers(nil)

// Elsewhere is a refusal for which the token's issuer named another address (CTA-5007 catif).
type Elsewhere struct {
	Status   int // 302, 303, 307 or 308
	Location string
	Err      error
}

// Error is the refusal's text.
func (e *Elsewhere) Error() string { return e.Err.Error() }

// Unwrap is the refusal, which has the kind.
func (e *Elsewhere) Unwrap() error { return e.Err }

// unless is what Verify returns: no part of a grant with an error.
func (g Grant) unless(err error) (Grant, error) {
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

func malformed(format string) error {
	return weir.Errorf(weir.Unauthenticated, "this is not a %s token that can be read", format)
}

func badSignature() error {
	return weir.Errorf(weir.Unauthenticated, "the token's key is not known or its signature is not valid")
}

func refused(why string) error {
	return weir.Errorf(weir.Forbidden, "the token does not allow this: %s", why)
}

// lifetime checks the times; notBefore may be zero. No clock difference is tolerated: foreign edges do not either.
func lifetime(g *Grant, notBefore, expires, now time.Time) error {
	switch {
	case !now.Before(expires):
		return weir.Errorf(weir.Forbidden, "the token has expired")
	case now.Before(notBefore):
		return weir.Errorf(weir.Forbidden, "the token is not valid yet")
	}
	g.Expires = expires
	if most := now.Add(maxLife); expires.After(most) {
		g.Expires = most
	}
	return nil
}

// unix reads a time as tokens write it: decimal seconds since 1970, without a sign or leading zeros.
func unix(s string) (time.Time, bool) {
	if len(s) == 0 || len(s) > 11 || s[0] == '0' {
		return time.Time{}, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return time.Unix(n, 0), true
}

// session is an id for what a token calls itself, or for its signed part: the whole text would give one token many ids,
// since ECDSA signatures and COSE's outer header can be changed by anybody.
func session(g *Grant, own, signed string) {
	if weir.ValidID(own) && len(own) >= 8 {
		g.Session = own
		return
	}
	if own == "" {
		own = signed
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{g.Format, g.Organisation, own}, "\x00")))
	g.Session = hex.EncodeToString(sum[:16])
}

// bind notes that the token is bound to addresses, one of which is the client's.
func bind(g *Grant, client netip.Addr) {
	client = client.Unmap().WithZone("")
	g.Client = netip.PrefixFrom(client, client.BitLen())
}

// within says whether client is the address or in the prefix that s is.
func within(s string, client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Contains(client)
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a.Unmap() == client
}
