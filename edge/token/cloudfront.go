package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // what AWS signs with unless told otherwise
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// cloudFront verifies CloudFront's signed URLs and signed cookies, with canned and custom policies (Amazon CloudFront
// Developer Guide, "Serve private content with signed URLs and signed cookies").
type cloudFront struct{ keys []*key }

var _ Verifier = (*cloudFront)(nil)

// presented is what a request shows: values are undecoded.
type presented struct {
	found                                   carried
	expires, policy, signature, keyID, hash string
}

// Verify is Verifier.Verify.
func (c *cloudFront) Verify(r Request, now time.Time) (Grant, error) {
	p, err := present(r)
	if err != nil {
		return Grant{}, err
	}
	signature, ok := decodeAWS(p.signature)
	k := choose(c.keys, p.keyID)
	if !ok || (p.policy == "") == (p.expires == "") {
		return Grant{}, malformed("CloudFront")
	}
	address := r.Scheme + "://" + r.Host + p.found.path
	if p.found.query != "" {
		address += "?" + p.found.query
	}
	policy := []byte(`{"Statement":[{"Resource":"` + address + `","Condition":{"DateLessThan":{"AWS:EpochTime":` + p.expires + `}}}]}`)
	if p.policy != "" {
		if policy, ok = decodeAWS(p.policy); !ok {
			return Grant{}, malformed("CloudFront")
		}
	}
	if k == nil || p.keyID == "" || !signedAWS(k, p.hash, policy, signature) {
		return Grant{}, badSignature()
	}
	g := p.found.grant("cloudfront", k)
	session(&g, "", string(policy))
	if err := plainPath(g.Path); err != nil {
		return Grant{}, err
	}
	if p.policy == "" {
		until, ok := unix(p.expires)
		if !ok {
			return Grant{}, malformed("CloudFront")
		}
		err := lifetime(&g, time.Time{}, until, now)
		return g.unless(err)
	}
	err = c.custom(&g, policy, address, r, now)
	return g.unless(err)
}

// statement is a custom policy.
type statement struct {
	Statement []struct {
		Resource  string
		Condition struct {
			DateLessThan, DateGreaterThan *struct {
				Epoch int64 `json:"AWS:EpochTime"`
			}
			IPAddress *struct {
				Source string `json:"AWS:SourceIp"`
			} `json:"IpAddress"`
		}
	}
}

func (c *cloudFront) custom(g *Grant, policy []byte, address string, r Request, now time.Time) error {
	var s statement
	d := json.NewDecoder(bytes.NewReader(policy))
	d.DisallowUnknownFields()
	if !uniqueJSON(policy) || d.Decode(&s) != nil || len(s.Statement) != 1 {
		return malformed("CloudFront")
	}
	one := s.Statement[0]
	if one.Condition.DateLessThan == nil || one.Condition.DateLessThan.Epoch <= 0 {
		return malformed("CloudFront")
	}
	var from time.Time
	if after := one.Condition.DateGreaterThan; after != nil {
		from = time.Unix(after.Epoch, 0)
	}
	if err := lifetime(g, from, time.Unix(one.Condition.DateLessThan.Epoch, 0), now); err != nil {
		return err
	}
	if ip := one.Condition.IPAddress; ip != nil && ip.Source != "0.0.0.0/0" { // that one means everybody, IPv6 too
		if !within(ip.Source, r.Client) {
			return refused("it is for another address")
		}
		bind(g, r.Client)
	}
	if !glob(one.Resource, address) {
		return refused("it is for another address of the site")
	}
	base := r.Scheme + "://" + r.Host
	g.Prefix = widest(g.Path, func(dir string) bool { return globOpens(one.Resource, base+dir) })
	return nil
}

// present collects the parameters, or else the cookies: never some of each.
func present(r Request) (presented, error) {
	p := presented{found: carried{path: r.Path, query: r.RawQuery}}
	if len(r.Path)+len(r.RawQuery) > maxText || !plainHost(r.Host) {
		return p, malformed("CloudFront")
	}
	fields := []struct {
		name string
		to   *string
	}{{"Expires", &p.expires}, {"Policy", &p.policy}, {"Signature", &p.signature}, {"Key-Pair-Id", &p.keyID}, {"Hash-Algorithm", &p.hash}}
	for _, f := range fields {
		var values []string
		if values, p.found.query = cutQuery(p.found.query, f.name); len(values) > 1 {
			return p, malformed("CloudFront")
		} else if len(values) == 1 {
			*f.to = values[0]
		}
	}
	if p.signature != "" || p.keyID != "" {
		return p, nil
	}
	p = presented{found: carried{path: r.Path, query: r.RawQuery, place: InCookie}}
	if r.Cookie == nil {
		return p, ErrNone
	}
	p.expires, p.policy, p.signature = r.Cookie("CloudFront-Expires"), r.Cookie("CloudFront-Policy"), r.Cookie("CloudFront-Signature")
	p.keyID, p.hash = r.Cookie("CloudFront-Key-Pair-Id"), r.Cookie("CloudFront-Hash-Algorithm")
	switch {
	case p.signature == "" && p.keyID == "":
		return p, ErrNone
	case len(p.policy)+len(p.signature)+len(p.expires) > maxText:
		return p, malformed("CloudFront")
	}
	return p, nil
}

// decodeAWS reads base64 with - _ ~ for + = /.
func decodeAWS(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "+=/\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.NewReplacer("-", "+", "_", "=", "~", "/").Replace(s))
	return b, err == nil && len(b) > 0
}

// signedAWS checks the signature; the key's type says of which kind it must be.
func signedAWS(k *key, name string, policy, signature []byte) bool {
	var kind crypto.Hash
	var digest []byte
	switch name {
	case "", "SHA1":
		h := crypto.SHA1.New()
		h.Write(policy)
		kind, digest = crypto.SHA1, h.Sum(nil)
	case "SHA256":
		sum := sha256.Sum256(policy)
		kind, digest = crypto.SHA256, sum[:]
	default:
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, kind, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	}
	return false
}

// uniqueJSON says that data is one JSON value without an object that has a name twice, in any case of letters: readers
// differ in which of the two they take. Depth and size are bounded by the token's.
func uniqueJSON(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var names []map[string]bool // of the open objects; nil: an array
	wantName := false
	for first := true; ; first = false {
		t, err := d.Token()
		if err != nil {
			return !first && err.Error() == "EOF" && len(names) == 0
		}
		if !first && len(names) == 0 {
			return false
		}
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{':
				names = append(names, map[string]bool{})
			case '[':
				names = append(names, nil)
			default:
				names = names[:len(names)-1]
			}
			if len(names) > 8 {
				return false
			}
			wantName = len(names) > 0 && names[len(names)-1] != nil
			continue
		case string:
			if wantName {
				name := strings.ToLower(v)
				if names[len(names)-1][name] {
					return false
				}
				names[len(names)-1][name] = true
				wantName = false
				continue
			}
		}
		wantName = len(names) > 0 && names[len(names)-1] != nil
	}
}
