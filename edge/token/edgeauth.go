package token

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/url"
	"slices"
	"strings"
	"time"
)

// edgeAuth verifies Akamai EdgeAuth 2.0 tokens: fields "name=value" joined by "~", the last an HMAC over the text before
// it, then "~url=PATH" for tokens without an acl, then "~salt=SALT" (akamai/EdgeAuth-Token-Python).
type edgeAuth struct {
	from        carrier
	keys        []*key
	salt        string
	escapeEarly bool
}

var _ Verifier = (*edgeAuth)(nil)

// Verify is Verifier.Verify. A token does not name its key: each is tried.
func (e *edgeAuth) Verify(r Request, now time.Time) (Grant, error) {
	found, err := e.from.find(r, "EdgeAuth")
	if err != nil {
		return Grant{}, err
	}
	// Clients may escape a token that they put into a query; a signer that escapes early has signed the escapes.
	texts := []string{found.text}
	if plain, err := url.PathUnescape(found.text); err == nil && plain != found.text {
		texts = append(texts, plain)
	}
	for _, text := range texts {
		for _, k := range e.keys {
			if fields, ok := e.signed(text, found.path, k); ok {
				g := found.grant("edgeauth", k)
				err := e.check(&g, fields, text, r.Client.Unmap().String(), now)
				return g.unless(err)
			}
		}
	}
	return Grant{}, badSignature()
}

// signed returns the fields if the HMAC is right.
func (e *edgeAuth) signed(text, path string, k *key) (map[string]string, bool) {
	i := strings.LastIndex(text, "~hmac=")
	if i < 0 {
		return nil, false
	}
	sum, err := hex.DecodeString(text[i+len("~hmac="):])
	if err != nil {
		return nil, false
	}
	fields := map[string]string{}
	for pair := range strings.SplitSeq(text[:i], "~") {
		name, value, ok := strings.Cut(pair, "=")
		if _, twice := fields[name]; !ok || twice || !slices.Contains([]string{"ip", "st", "exp", "acl", "id", "data"}, name) {
			return nil, false
		}
		if e.escapeEarly {
			if value, err = url.QueryUnescape(value); err != nil {
				return nil, false
			}
		}
		fields[name] = value
	}
	m := hmac.New(map[string]func() hash.Hash{"SHA256": sha256.New, "SHA1": sha1.New, "MD5": md5.New}[k.alg], k.secret)
	m.Write([]byte(text[:i]))
	if _, ok := fields["acl"]; !ok {
		if e.escapeEarly {
			path = strings.ReplaceAll(path, "/", "%2f") // a plain path has nothing else to escape
		}
		m.Write([]byte("~url=" + path))
	}
	if e.salt != "" {
		m.Write([]byte("~salt=" + e.salt))
	}
	return fields, hmac.Equal(sum, m.Sum(nil))
}

func (e *edgeAuth) check(g *Grant, fields map[string]string, text, client string, now time.Time) error {
	exp, ok := unix(fields["exp"])
	if !ok {
		return malformed("EdgeAuth")
	}
	st, started := unix(fields["st"])
	if _, given := fields["st"]; given && !started {
		return malformed("EdgeAuth")
	}
	if err := lifetime(g, st, exp, now); err != nil {
		return err
	}
	if err := plainPath(g.Path); err != nil {
		return err
	}
	if ip, bound := fields["ip"]; bound {
		if ip != client {
			return refused("it is for another address")
		}
		if err := bindText(g, ip); err != nil {
			return err
		}
	}
	session(g, fields["id"], text[:strings.LastIndex(text, "~hmac=")])
	g.Subject = fields["data"]
	acl, ok := fields["acl"]
	if !ok {
		return nil
	}
	patterns := strings.Split(acl, "!")
	if !slices.ContainsFunc(patterns, func(p string) bool { return glob(p, g.Path) }) {
		return refused("it is for another path")
	}
	g.Prefix = widest(g.Path, func(dir string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return globOpens(p, dir) })
	})
	return nil
}
