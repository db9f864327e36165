package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	weir "github.com/weirstream/weir"
)

// The labels of claims (RFC 8392 section 4; CTA-5007-B and IANA's CWT claims).
const (
	claimIss, claimSub, claimAud, claimExp, claimNbf, claimIat, claimCti int64 = 1, 2, 3, 4, 5, 6, 7

	claimReplay, claimV, claimNIP, claimU, claimM, claimALPN, claimH int64 = 308, 310, 311, 312, 313, 314, 315

	claimGeo, claimIfData, claimIf, claimR int64 = 316, 320, 322, 323
)

// cat verifies CTA-5007 Common Access Tokens: CWTs in COSE_Mac0 (HS256) or COSE_Sign1 (ES256, PS256, EdDSA), base64url.
// The tags 61, 17 and 18 may be left out; then the key says which of the two it is.
type cat struct {
	from   carrier
	keys   []*key
	o      Options
	replay Replay
}

var _ Verifier = (*cat)(nil)

// envelope is a COSE_Mac0 or COSE_Sign1 (RFC 9052 sections 4.2 and 6.2).
type envelope struct {
	tagged           bool
	mac              bool // if tagged
	protected        []byte
	payload, sum     []byte
	kid              string
	alg              int64
	unprotected, all map[any]any
}

// claims by label.
type claims map[any]any

// strict decodes what a signer writes and nothing clever: no double names, no open lengths, bounded depth and counts.
func strict() cbor.DecMode {
	m, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 10, MaxArrayElements: 64, MaxMapPairs: 64,
		IndefLength: cbor.IndefLengthForbidden, IntDec: cbor.IntDecConvertSignedOrFail, UTF8: cbor.UTF8RejectInvalid}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}

// Verify is Verifier.Verify.
func (c *cat) Verify(r Request, now time.Time) (Grant, error) {
	found, err := c.from.find(r, "CAT")
	if err != nil {
		return Grant{}, err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(found.text)
	if err != nil || strings.ContainsAny(found.text, "\r\n") {
		return Grant{}, malformed("CAT")
	}
	dec := strict()
	e, ok := openEnvelope(dec, raw)
	if !ok {
		return Grant{}, malformed("CAT")
	}
	k := choose(c.keys, e.kid)
	if k == nil || !e.signedBy(k) {
		return Grant{}, badSignature()
	}
	var all map[any]any
	if dec.Unmarshal(e.payload, &all) != nil || all == nil {
		return Grant{}, malformed("CAT")
	}
	g := found.grant("cat", k)
	err = c.check(&g, all, string(e.payload), r, now)
	if err == nil {
		g.Renewal, err = c.renewal(claims(all), e, k, found.place, now)
	}
	return g.unless(err)
}

func openEnvelope(dec cbor.DecMode, raw []byte) (e envelope, ok bool) {
	var v any
	if dec.Unmarshal(raw, &v) != nil {
		return e, false
	}
	if t, is := v.(cbor.Tag); is && t.Number == 61 {
		v = t.Content
	}
	if t, is := v.(cbor.Tag); is {
		if t.Number != 17 && t.Number != 18 {
			return e, false
		}
		e.tagged, e.mac, v = true, t.Number == 17, t.Content
	}
	parts, _ := v.([]any)
	if len(parts) != 4 {
		return e, false
	}
	var have [4]bool
	e.protected, have[0] = parts[0].([]byte)
	e.unprotected, have[1] = parts[1].(map[any]any)
	e.payload, have[2] = parts[2].([]byte)
	e.sum, have[3] = parts[3].([]byte)
	if have != [4]bool{true, true, true, true} || dec.Unmarshal(e.protected, &e.all) != nil {
		return e, false
	}
	for name := range e.all {
		// alg, content type and kid; crit (2) names what must be understood, and nothing else is.
		if name != int64(1) && name != int64(3) && name != int64(4) {
			return e, false
		}
	}
	if _, twice := e.unprotected[int64(1)]; twice || e.unprotected[int64(2)] != nil {
		return e, false
	}
	if e.alg, ok = e.all[int64(1)].(int64); !ok {
		return e, false
	}
	inner, okInner := keyID(e.all[int64(4)])
	outer, okOuter := keyID(e.unprotected[int64(4)])
	if inner != "" && outer != "" && inner != outer || !okInner || !okOuter {
		return e, false
	}
	e.kid = inner + outer
	if inner != "" {
		e.kid = inner
	}
	return e, true
}

func keyID(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case []byte:
		return string(v), len(v) > 0
	case string: // against RFC 9052, but written by signers
		return v, v != ""
	}
	return "", false
}

// signedBy checks the signature. The key says which algorithm there can be; the token's must be the same.
func (e envelope) signedBy(k *key) bool {
	alg := map[string]int64{"HS256": 5, "ES256": -7, "PS256": -37, "EdDSA": -8}[k.alg]
	if e.alg != alg || e.tagged && e.mac != (k.alg == "HS256") {
		return false
	}
	if k.alg == "HS256" {
		sum, err := sum256(k.secret, e.protected, e.payload)
		return err == nil && hmac.Equal(e.sum, sum)
	}
	v, err := cose.NewVerifier(cose.Algorithm(alg), k.public)
	if err != nil {
		return false
	}
	signed, err := cbor.Marshal([]any{"Signature1", e.protected, []byte{}, e.payload})
	return err == nil && v.Verify(signed, e.sum) == nil
}

// sum256 is the tag of a COSE_Mac0 with HMAC 256/256 (RFC 9052 section 6.3).
func sum256(secret, protected, payload []byte) ([]byte, error) {
	text, err := cbor.Marshal([]any{"MAC0", protected, []byte{}, payload})
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, secret)
	m.Write(text)
	return m.Sum(nil), nil
}

// check goes through the claims. What may be used once is asked last, so that a refused request uses nothing up.
func (c *cat) check(g *Grant, all claims, payload string, r Request, now time.Time) error {
	for name := range all {
		n, ok := name.(int64)
		if !ok || !slices.Contains([]int64{claimIss, claimSub, claimAud, claimExp, claimNbf, claimIat, claimCti, claimReplay, claimV,
			claimNIP, claimU, claimM, claimALPN, claimH, claimGeo, claimIfData, claimIf, claimR}, n) {
			return refused("it has a claim that cannot be checked here")
		}
	}
	expires, ok := instant(all[claimExp])
	if !ok {
		return refused("it does not say when it expires, or not as a number")
	}
	var from time.Time
	if v, given := all[claimNbf]; given {
		if from, ok = instant(v); !ok {
			return malformed("CAT")
		}
	}
	if err := lifetime(g, from, expires, now); err != nil {
		return elsewhere(all, claimExp, now.Before(expires), err)
	}
	if err := c.parties(g, all); err != nil {
		return err
	}
	if err := plainPath(g.Path); err != nil {
		return err
	}
	if err := conditions(g, all, r); err != nil {
		return err
	}
	var id string
	if v, given := all[claimCti]; given {
		b, ok := v.([]byte)
		if !ok || len(b) == 0 {
			return malformed("CAT")
		}
		id = hex.EncodeToString(b)
	}
	session(g, id, payload)
	return c.once(g, all, id, expires)
}

func (c *cat) parties(g *Grant, all claims) error {
	if v, given := all[claimV]; given && v != int64(1) {
		return refused("its version is not 1")
	}
	if v, given := all[claimSub]; given {
		s, ok := v.(string)
		if !ok {
			return malformed("CAT")
		}
		g.Subject = s
	}
	iss, _ := all[claimIss].(string)
	if _, given := all[claimIss]; given && iss == "" || len(c.o.Issuers) > 0 && !slices.Contains(c.o.Issuers, iss) {
		return refused("its issuer is not one of ours")
	}
	if v, given := all[claimAud]; given && !slices.ContainsFunc(texts(v), func(a string) bool { return slices.Contains(c.o.Audiences, a) }) {
		return refused("it is for another audience")
	}
	return nil
}

// once is catreplay: 0 may be used again, 1 may not, 2 asks to detect reuse, which is refused here as well.
func (c *cat) once(g *Grant, all claims, id string, expires time.Time) error {
	v, given := all[claimReplay]
	if !given || v == int64(0) {
		return nil
	}
	if v != int64(1) && v != int64(2) || id == "" || c.replay == nil {
		return refused("its use cannot be counted here")
	}
	if c.replay.Seen(strings.Join([]string{g.Organisation, "cat", id}, "/"), expires) {
		return refused("it was used before")
	}
	return nil
}

// elsewhere adds the address that catif names for a failed claim: [status, {"Location": text}, ...]. Locations with a new
// token in them are not made; then the plain refusal stands.
func elsewhere(all claims, claim int64, other bool, err error) error {
	conditions, _ := all[claimIf].(map[any]any)
	answer, _ := conditions[claim].([]any)
	if other || len(answer) < 2 {
		return err
	}
	status, _ := answer[0].(int64)
	fields, _ := answer[1].(map[any]any)
	if len(fields) != 1 || !slices.Contains([]int64{302, 303, 307, 308}, status) {
		return err
	}
	for name, value := range fields {
		n, _ := name.(string)
		location, _ := value.(string)
		if strings.EqualFold(n, "location") && strings.HasPrefix(location, "https://") && !strings.ContainsFunc(location, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return &Elsewhere{Status: int(status), Location: location, Err: err}
		}
	}
	return err
}

// renewal makes the token that catr asks for, if it is time. Only tokens with a shared secret can be renewed here: an
// edge holds no private keys.
func (c *cat) renewal(all claims, e envelope, k *key, came Place, now time.Time) (*Renewal, error) {
	v, given := all[claimR]
	if !given {
		return nil, nil
	}
	how, _ := v.(map[any]any)
	kind, okKind := how[int64(0)].(int64)
	add, okAdd := how[int64(1)].(int64)
	if !okKind || !okAdd || kind < 0 || kind > 3 || add <= 0 || add > int64(maxLife/time.Second) {
		return nil, malformed("CAT")
	}
	expires, _ := instant(all[claimExp])
	before := time.Minute
	if d, ok := how[int64(2)].(int64); ok && d >= 0 && d < int64(maxLife/time.Second) {
		before = time.Duration(d) * time.Second
	}
	if k.alg != "HS256" || now.Before(expires.Add(-before)) {
		return nil, nil
	}
	n := &Renewal{Expires: time.Unix(now.Unix()+add, 0)}
	n.Place, n.Name, n.Attributes = place(kind, how, came, c.from)
	if n.Name == "" {
		return nil, nil
	}
	renewed := map[any]any{}
	for name, value := range all {
		renewed[name] = value
	}
	renewed[claimExp] = n.Expires.Unix()
	if _, given := all[claimIat]; given {
		renewed[claimIat] = now.Unix()
	}
	payload, err := cbor.Marshal(renewed)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode a renewed token: %w", err)
	}
	sum, err := sum256(k.secret, e.protected, payload)
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "sign a renewed token: %w", err)
	}
	text, err := cbor.Marshal(cbor.Tag{Number: 61, Content: cbor.Tag{Number: 17, Content: []any{e.protected, e.unprotected, payload, sum}}})
	if err != nil {
		return nil, weir.Errorf(weir.Internal, "encode a renewed token: %w", err)
	}
	n.Text = base64.RawURLEncoding.EncodeToString(text)
	return n, nil
}

// place is where a renewed token goes: automatic is where the old one came from.
func place(kind int64, how map[any]any, came Place, names carrier) (Place, string, string) {
	named := func(label int64, fallback string) string {
		if s, ok := how[label].(string); ok && fieldName(s) {
			return s
		}
		return fallback
	}
	switch {
	case kind == 1 || kind == 0 && came == InCookie:
		return InCookie, named(3, names.cookie), "; Path=/; Secure; HttpOnly; SameSite=None"
	case kind == 2 || kind == 0 && came == InHeader:
		return InHeader, named(4, names.header), ""
	}
	return InQuery, names.parameter, ""
}

// instant reads a NumericDate: an integer or a float.
func instant(v any) (time.Time, bool) {
	switch n := v.(type) {
	case int64:
		return time.Unix(n, 0), n > 0 && n < 1<<36
	case float64:
		return time.Unix(int64(math.Floor(n)), 0), n > 0 && n < 1<<36
	}
	return time.Time{}, false
}

// texts reads a text or an array of texts (or of byte strings); nil if it is something else.
func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, _ := v.([]any)
	all := make([]string, 0, len(list))
	for _, one := range list {
		switch s := one.(type) {
		case string:
			all = append(all, s)
		case []byte:
			all = append(all, string(s))
		default:
			return nil
		}
	}
	return all
}
