package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	weir "github.com/weirstream/weir"
)

// uriSigning verifies RFC 9246 tokens: a JWS in the URISigningPackage attribute, with the URI container cdniuc.
type uriSigning struct {
	from       carrier
	keys       []*key
	o          Options
	encryption []byte // of cdniip and sub; nil: tokens that have encrypted claims are refused
}

var _ Verifier = (*uriSigning)(nil)

func newURISigning(from carrier, keys []*key, o Options) (*uriSigning, error) {
	u := &uriSigning{from: from, keys: keys, o: o}
	if o.Encryption == "" {
		return u, nil
	}
	var err error
	u.encryption, err = base64.StdEncoding.DecodeString(o.Encryption)
	if err != nil || len(u.encryption) != 16 && len(u.encryption) != 32 {
		return nil, weir.Errorf(weir.Invalid, "the encryption_key must be base64 of 16 or 32 bytes")
	}
	return u, nil
}

// jwtClaims are the claims of RFC 9246 section 2.1. Others are ignored unless cdnicrit names them.
type jwtClaims struct {
	Issuer     string          `json:"iss"`
	Subject    string          `json:"sub"`
	Audience   json.RawMessage `json:"aud"`
	Expires    *float64        `json:"exp"`
	NotBefore  *float64        `json:"nbf"`
	IssuedAt   *float64        `json:"iat"`
	ID         string          `json:"jti"`
	Version    *int            `json:"cdniv"`
	Critical   *string         `json:"cdnicrit"`
	IP         *string         `json:"cdniip"`
	URI        string          `json:"cdniuc"`
	Extension  *int64          `json:"cdniets"`
	Transport  int             `json:"cdnistt"`
	CookiePath int             `json:"cdnistd"`
}

func knownClaims() []string {
	return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cdniv", "cdnicrit", "cdniip", "cdniuc", "cdniets", "cdnistt", "cdnistd"}
}

// Verify is Verifier.Verify.
func (u *uriSigning) Verify(r Request, now time.Time) (Grant, error) {
	found, err := u.from.find(r, "URI Signing")
	if err != nil {
		return Grant{}, err
	}
	k, payload, err := u.open(found.text)
	if err != nil {
		return Grant{}, err
	}
	var c jwtClaims
	if !uniqueJSON(payload) || !exactNames(payload) || json.Unmarshal(payload, &c) != nil {
		return Grant{}, malformed("URI Signing")
	}
	g := found.grant("uri-signing", k)
	if err := u.check(&g, c, r, now); err != nil {
		return Grant{}, err
	}
	session(&g, c.ID, string(payload))
	g.Renewal, err = u.renewal(payload, c, &g, k, now)
	return g.unless(err)
}

// open checks the signature. The header's alg must be the key's: a public key never becomes an HMAC secret, and "none"
// is no algorithm of any key.
func (u *uriSigning) open(text string) (*key, []byte, error) {
	head, rest, _ := strings.Cut(text, ".")
	payload, sum, _ := strings.Cut(rest, ".")
	for _, part := range []string{head, payload, sum} { // lenient decoders let one token have several texts
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || part == "" || strings.ContainsAny(part, "\r\n") {
			return nil, nil, malformed("URI Signing")
		}
	}
	header, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !uniqueJSON(header) {
		return nil, nil, malformed("URI Signing")
	}
	j, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.HS256, jose.ES256})
	if err != nil || len(j.Signatures) != 1 {
		return nil, nil, malformed("URI Signing")
	}
	protected := j.Signatures[0].Protected
	k := choose(u.keys, protected.KeyID)
	if k == nil || protected.Algorithm != k.alg {
		return nil, nil, badSignature()
	}
	var with any = k.public
	if k.alg == "HS256" {
		with = k.secret
	}
	verified, err := j.Verify(with)
	if err != nil {
		return nil, nil, badSignature()
	}
	return k, verified, nil
}

// exactNames refuses names that differ from a known one in their case only: encoding/json would take them for it.
func exactNames(payload []byte) bool {
	var all map[string]json.RawMessage
	if json.Unmarshal(payload, &all) != nil {
		return false
	}
	for name := range all {
		if slices.ContainsFunc(knownClaims(), func(k string) bool { return k != name && strings.EqualFold(k, name) }) {
			return false
		}
	}
	return true
}

func (u *uriSigning) check(g *Grant, c jwtClaims, r Request, now time.Time) error {
	if c.Version != nil && *c.Version != 1 {
		return refused("its version is not 1")
	}
	if c.Critical != nil {
		for name := range strings.SplitSeq(*c.Critical, ",") {
			if !slices.Contains(knownClaims(), name) {
				return refused("it has a claim that cannot be checked here")
			}
		}
	}
	if c.Expires == nil || *c.Expires <= 0 || *c.Expires >= 1<<36 {
		return refused("it does not say when it expires")
	}
	var from time.Time
	if c.NotBefore != nil {
		if *c.NotBefore < 0 || *c.NotBefore >= 1<<36 {
			return malformed("URI Signing")
		}
		from = time.Unix(int64(*c.NotBefore), 0)
	}
	if err := lifetime(g, from, time.Unix(int64(*c.Expires), 0), now); err != nil {
		return err
	}
	if len(u.o.Issuers) > 0 && !slices.Contains(u.o.Issuers, c.Issuer) {
		return refused("its issuer is not one of ours")
	}
	if len(c.Audience) > 0 && !u.audience(c.Audience) {
		return refused("it is for another audience")
	}
	if err := u.subject(g, c.Subject); err != nil {
		return err
	}
	if c.IP != nil {
		plain, ok := u.decrypt(*c.IP)
		if !ok || !within(plain, r.Client) {
			return refused("it is for another address, or its address cannot be read")
		}
		bind(g, r.Client)
	}
	if err := plainPath(g.Path); err != nil {
		return err
	}
	return container(g, c.URI, r)
}

func (u *uriSigning) audience(raw json.RawMessage) bool {
	var many []string
	var one string
	if json.Unmarshal(raw, &one) == nil {
		many = []string{one}
	} else if json.Unmarshal(raw, &many) != nil {
		return false
	}
	return slices.ContainsFunc(many, func(a string) bool { return slices.Contains(u.o.Audiences, a) })
}

// subject may be encrypted (section 2.1.2); what cannot be read is left out.
func (u *uriSigning) subject(g *Grant, sub string) error {
	g.Subject = sub
	if strings.Count(sub, ".") == 4 {
		g.Subject, _ = u.decrypt(sub)
	}
	return nil
}

// decrypt opens a JWE in compact form with a shared key and AES-GCM (section 2.1.10).
func (u *uriSigning) decrypt(text string) (string, bool) {
	enc := map[int]jose.ContentEncryption{16: jose.A128GCM, 32: jose.A256GCM}[len(u.encryption)]
	if enc == "" {
		return "", false
	}
	j, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{enc})
	if err != nil || j.Header.ExtraHeaders["zip"] != nil {
		return "", false
	}
	plain, err := j.Decrypt(u.encryption)
	if err != nil || len(plain) > 128 {
		return "", false
	}
	s := strings.Trim(string(plain), `"`)
	if _, err := netip.ParseAddr(s); err != nil && strings.Contains(s, "\x00") {
		return "", false
	}
	return s, true
}

// container checks the URI container cdniuc (section 2.1.15) against the URI without the token.
func container(g *Grant, uc string, r Request) error {
	base := r.Scheme + "://" + r.Host
	uri := base + g.Path
	if g.Query != "" {
		uri += "?" + g.Query
	}
	if want, ok := strings.CutPrefix(uc, "hash:"); ok {
		sum := sha256.Sum256([]byte(uri))
		if want != "sha-256;"+base64.RawURLEncoding.EncodeToString(sum[:]) && want != hex.EncodeToString(sum[:]) {
			return refused("it is for another URI")
		}
		return nil
	}
	text, ok := strings.CutPrefix(uc, "regex:")
	if !ok || len(text) > maxRegex {
		return refused("it has no URI container that can be checked here")
	}
	// The whole URI must match: an expression without anchors must not let in what has a matching piece somewhere.
	re, err := regexp.CompilePOSIX("^(" + text + ")$")
	if err != nil || strings.ContainsAny(uri, "\r\n") || !balanced(text) {
		return refused("its regular expression cannot be read")
	}
	if !re.MatchString(uri) {
		return refused("it is for another URI")
	}
	if endsOpen(text) {
		g.Prefix = widest(g.Path, func(dir string) bool { return re.MatchString(base + dir) })
	}
	return nil
}

// balanced refuses an expression that would close the parenthesis put around it.
func balanced(text string) bool {
	_, err := syntax.Parse(text, syntax.POSIX)
	return err == nil
}

// endsOpen says whether an expression ends in ".*" and has no assertion: then if it matches a text it matches every
// longer one.
func endsOpen(text string) bool {
	re, err := syntax.Parse(text, syntax.POSIX)
	if err != nil || asserts(re) {
		return false
	}
	last := re
	if re.Op == syntax.OpConcat {
		last = re.Sub[len(re.Sub)-1]
	}
	return last.Op == syntax.OpStar && (last.Sub[0].Op == syntax.OpAnyCharNotNL || last.Sub[0].Op == syntax.OpAnyChar)
}

// asserts looks for $ and other ends; a begin (^) does not mind what follows.
func asserts(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, asserts)
}

// renewal is Signed Token Renewal (section 3): each use hands out a token that expires cdniets seconds from now. Only
// tokens with a shared secret can be renewed here.
func (u *uriSigning) renewal(payload []byte, c jwtClaims, g *Grant, k *key, now time.Time) (*Renewal, error) {
	if c.Transport == 0 {
		return nil, nil
	}
	if c.Transport < 0 || c.Transport > 2 || c.Extension == nil || *c.Extension <= 0 || *c.Extension > int64(maxLife/time.Second) || c.CookiePath < 0 {
		return nil, malformed("URI Signing")
	}
	n := &Renewal{Place: InCookie, Name: u.from.cookie, Expires: time.Unix(now.Unix()+*c.Extension, 0)}
	n.Attributes = "; Path=" + g.Path[:cookieDepth(g.Path, c.CookiePath)] + "; Secure; HttpOnly; SameSite=None"
	if c.Transport == 2 {
		n.Place, n.Name, n.Attributes = InQuery, u.from.parameter, ""
	}
	if k.alg != "HS256" || n.Name == "" {
		return nil, nil
	}
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return nil, weir.Errorf(weir.Internal, "decode a token: %w", err)
	}
	all["exp"] = n.Expires.Unix()
	text, err := json.Marshal(all)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode a renewed token: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.secret}, (&jose.SignerOptions{}).WithHeader("kid", k.id))
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "sign a renewed token: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "sign a renewed token: %w", err)
	}
	n.Text, err = signed.CompactSerialize()
	return n, err
}

// cookieDepth is the length of the first depth segments of path with the slash after them; 0: the root's slash.
func cookieDepth(path string, depth int) int {
	for i := 1; i < len(path) && depth > 0; i++ {
		if path[i] == '/' {
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	if depth > 0 {
		return strings.LastIndexByte(path, '/') + 1
	}
	return 1
}
