package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	weir "github.com/weirstream/weir"
)

// Config is the file of foreign tokens. See the package doc for an example.
type Config struct {
	Tokens []Format `json:"tokens"`
}

// Format configures the tokens of one format and the names they travel under.
type Format struct {
	Format    string `json:"format"`    // cat, uri-signing, cloudfront, edgeauth or secure-link
	Parameter string `json:"parameter"` // of the query; of the path for cat and uri-signing
	Cookie    string `json:"cookie"`
	Header    string `json:"header"`
	Keys      []Key  `json:"keys"`
	Options
}

// Options are what some formats need.
type Options struct {
	Issuers     []string `json:"issuers"`        // cat, uri-signing: whose tokens count; empty: any who has a key
	Audiences   []string `json:"audiences"`      // cat, uri-signing: who we are; a token for others is refused
	Salt        string   `json:"salt"`           // edgeauth
	EscapeEarly bool     `json:"escape_early"`   // edgeauth: the signer escaped the fields before it signed
	Expression  string   `json:"expression"`     // secure-link: as in nginx, with $secret
	InPath      bool     `json:"in_path"`        // secure-link: /MD5/EXPIRES/path instead of parameters
	Expires     string   `json:"expires"`        // secure-link: the parameter of the expiry; "expires"
	Segments    int      `json:"segments"`       // secure-link: how many segments $uri_prefix has
	Encryption  string   `json:"encryption_key"` // uri-signing: base64 of 16 or 32 bytes for cdniip (JWE dir, A128GCM or A256GCM)
}

// Key is one key of an organisation. Exactly one of Secret (base64) and Public (PEM of a SubjectPublicKeyInfo, or a JWK) is
// set, as the algorithm needs: HS256, SHA256, SHA1, MD5 a secret; ES256, PS256, EdDSA, RSA and ECDSA a public key.
type Key struct {
	ID           string `json:"kid"`
	Algorithm    string `json:"alg"`
	Organisation string `json:"organisation"`
	Secret       string `json:"secret"`
	Public       string `json:"public"`
}

// key is a Key that was read.
type key struct {
	id, alg, organisation string
	secret                []byte
	public                any
}

// ParseConfig reads and checks a configuration. replay may be nil: then tokens that ask for it are refused. The error is
// Invalid and says what to mend; it never holds a secret.
func ParseConfig(data []byte, replay Replay) (Verifiers, error) {
	c, err := ReadConfig(data)
	if err != nil {
		return nil, err
	}
	return c.Verifiers(replay)
}

// ReadConfig reads a configuration, whose keys are checked by Verifiers. The error is Invalid.
func ReadConfig(data []byte) (c Config, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, weir.Errorf(weir.Invalid, "tokens: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return c, weir.Errorf(weir.Invalid, "tokens: something follows the configuration")
	}
	return c, nil
}

// Organisations are those that have keys, each once, in the order of the configuration.
func (c Config) Organisations() []string {
	var all []string
	for _, f := range c.Tokens {
		for _, k := range f.Keys {
			if !slices.Contains(all, k.Organisation) {
				all = append(all, k.Organisation)
			}
		}
	}
	return all
}

// Verifiers checks the configuration and makes its verifiers. The error is Invalid.
func (c Config) Verifiers(replay Replay) (Verifiers, error) {
	var all Verifiers
	taken := map[string]bool{}
	for i, f := range c.Tokens {
		f.defaults()
		for _, name := range []string{"parameter " + f.Parameter, "cookie " + f.Cookie, "header " + strings.ToLower(f.Header)} {
			if _, value, _ := strings.Cut(name, " "); value == "" {
				continue
			} else if !fieldName(value) {
				return nil, weir.Errorf(weir.Invalid, "tokens[%d]: %q is not a name of [A-Za-z0-9_-]", i, value)
			}
			if taken[name] {
				return nil, weir.Errorf(weir.Invalid, "tokens[%d]: the %s is used twice", i, name)
			}
			taken[name] = true
		}
		v, err := f.verifier(replay)
		if err != nil {
			return nil, weir.Errorf(weir.Invalid, "tokens[%d]: %w", i, err)
		}
		all = append(all, v)
	}
	return all, nil
}

func (f *Format) defaults() {
	if f.Parameter+f.Cookie+f.Header != "" {
		return
	}
	switch f.Format {
	case "cat":
		f.Parameter, f.Cookie, f.Header = "CAT", "CAT", "CTA-Common-Access-Token"
	case "uri-signing":
		f.Parameter, f.Cookie = "URISigningPackage", "URISigningPackage"
	case "edgeauth":
		f.Parameter, f.Cookie = "hdnts", "hdnts"
	case "secure-link":
		if !f.InPath {
			f.Parameter = "md5"
		}
	}
}

// algorithms of each format.
func algorithms(format string) []string {
	switch format {
	case "cat":
		return []string{"HS256", "ES256", "PS256", "EdDSA"}
	case "uri-signing":
		return []string{"HS256", "ES256"}
	case "cloudfront":
		return []string{"RSA", "ECDSA"}
	case "edgeauth":
		return []string{"SHA256", "SHA1", "MD5"}
	case "secure-link":
		return []string{"MD5"}
	}
	return nil
}

func (f Format) verifier(replay Replay) (Verifier, error) {
	allowed := algorithms(f.Format)
	if allowed == nil {
		return nil, weir.Errorf(weir.Invalid, "the format %q is not cat, uri-signing, cloudfront, edgeauth or secure-link", f.Format)
	}
	keys, err := readKeys(f.Keys, allowed)
	if err != nil {
		return nil, err
	}
	from := carrier{f.Parameter, f.Cookie, f.Header}
	switch f.Format {
	case "cat":
		return &cat{from, keys, f.Options, replay}, nil
	case "uri-signing":
		return newURISigning(from, keys, f.Options)
	case "cloudfront":
		if from != (carrier{}) {
			return nil, weir.Errorf(weir.Invalid, "the names of CloudFront's parameters and cookies are fixed")
		}
		return &cloudFront{keys}, nil
	case "edgeauth":
		return &edgeAuth{from, keys, f.Salt, f.EscapeEarly}, nil
	}
	return newSecureLink(from, keys, f.Options)
}

func readKeys(keys []Key, allowed []string) ([]*key, error) {
	var all []*key
	if len(keys) == 0 || len(keys) > 64 {
		return nil, weir.Errorf(weir.Invalid, "there must be 1 to 64 keys")
	}
	for i, k := range keys {
		switch {
		case k.ID == "" || len(k.ID) > 128:
			return nil, weir.Errorf(weir.Invalid, "keys[%d]: the kid must have 1 to 128 bytes", i)
		case slices.ContainsFunc(all, func(o *key) bool { return o.id == k.ID }):
			return nil, weir.Errorf(weir.Invalid, "keys[%d]: the kid %q is used twice", i, k.ID)
		case !slices.Contains(allowed, k.Algorithm):
			return nil, weir.Errorf(weir.Invalid, "keys[%d]: the alg must be one of %v", i, allowed)
		case !weir.ValidID(k.Organisation):
			return nil, weir.Errorf(weir.Invalid, "keys[%d]: the organisation is not an id", i)
		}
		one := &key{id: k.ID, alg: k.Algorithm, organisation: k.Organisation}
		if err := one.read(k); err != nil {
			return nil, weir.Errorf(weir.Invalid, "keys[%d]: %w", i, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// read fills in the secret or public key and checks that it is of the algorithm's type: the key binds the algorithm.
func (k *key) read(from Key) error {
	if least := map[string]int{"HS256": 32, "SHA256": 16, "SHA1": 16, "MD5": 8}[k.alg]; least > 0 {
		secret, err := base64.StdEncoding.DecodeString(from.Secret)
		if err != nil || len(secret) < least || from.Public != "" {
			return weir.Errorf(weir.Invalid, "%s needs a secret, base64 of at least %d bytes, and no public key", k.alg, least)
		}
		k.secret = secret
		return nil
	}
	if from.Secret != "" || from.Public == "" {
		return weir.Errorf(weir.Invalid, "%s needs a public key and no secret", k.alg)
	}
	k.public = publicKey(from.Public)
	ok := false
	switch p := k.public.(type) {
	case *ecdsa.PublicKey:
		ok = (k.alg == "ES256" || k.alg == "ECDSA") && p.Curve == elliptic.P256()
	case *rsa.PublicKey:
		ok = (k.alg == "PS256" || k.alg == "RSA") && p.N.BitLen() >= 2048
	case ed25519.PublicKey:
		ok = k.alg == "EdDSA"
	}
	if !ok {
		return weir.Errorf(weir.Invalid, "the public key is not a PEM or JWK for %s (P-256, Ed25519, RSA of 2048 bits or more)", k.alg)
	}
	return nil
}

func publicKey(text string) any {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var k jose.JSONWebKey
		if json.Unmarshal([]byte(text), &k) != nil || !k.IsPublic() {
			return nil
		}
		return k.Key
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	return k
}

// choose is the key of that id; a token that names none gets the only key there is.
func choose(keys []*key, id string) *key {
	if id == "" && len(keys) == 1 {
		return keys[0]
	}
	for _, k := range keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

func fieldName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" && len(s) <= 64
}
