package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/token"
)

var native = weir.TicketKey{ID: "k1", Organisation: "acme", Secret: []byte("test only secret of 32 bytes, n.")}

func sign(t weir.Ticket) (string, error) { t.KeyID = native.ID; return t.Sign(native) }

func find(t *testing.T, file, name string) (vector, token.Grant) {
	t.Helper()
	f := load(t, file)[file]
	for _, v := range f.Vectors {
		if v.Name == name {
			g, err := verifiers(t, f).Verify(v.request(), v.now())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return v, g
		}
	}
	t.Fatalf("no vector %q in %s", name, file)
	return vector{}, token.Grant{}
}

// A token in the URL becomes a redirect without it; the ticket opens no more and lives no longer.
func TestExchangeRedirects(t *testing.T) {
	v, g := find(t, "urisigning-pyjwt.json", "regex a")
	g.Query = "x=1"
	a, err := token.Exchange(g, v.now(), sign)
	if err != nil || a.Status != 302 || !strings.HasSuffix(a.Location, g.Path+"?x=1") || strings.Contains(a.Location, "URISigning") {
		t.Fatalf("Exchange = %+v, %v", a, err)
	}
	text := strings.Split(a.Location, "/")[2]
	key := func(string) (weir.TicketKey, bool) { return native, true }
	ticket, err := weir.VerifyTicket(text, key, v.now())
	if err != nil || ticket.Prefix != "asset1/3/" || ticket.Organisation != "acme" || ticket.Allows("asset1/4/x") {
		t.Fatalf("the ticket is %+v, %v", ticket, err)
	}
	if _, err := weir.VerifyTicket(text, key, g.Expires.Add(time.Second)); err == nil {
		t.Error("the ticket outlives its token")
	}
}

func TestExchangeSetsCookies(t *testing.T) {
	v, g := find(t, "cat-hs256.json", "in a cookie")
	a, err := token.Exchange(g, v.now(), sign)
	if err != nil || a.Status != 0 || len(a.SetCookie) != 1 {
		t.Fatalf("Exchange = %+v, %v", a, err)
	}
	if c := a.SetCookie[0]; !strings.HasPrefix(c, "weir-ticket=") || !strings.HasSuffix(c, "; Path=/asset1/; Max-Age=3600; Secure; HttpOnly; SameSite=None") {
		t.Errorf("the cookie is %q", c)
	}
}

// A token of one file gives no ticket: every native ticket would open more.
func TestExchangeDoesNotWiden(t *testing.T) {
	for file, name := range map[string]string{"cat-hs256.json": "path exact", "urisigning-pyjwt.json": "hash a",
		"cloudfront-botocore.json": "canned KTESTRSA", "edgeauth-plain.json": "url a", "securelink-nginx.json": "good 0 a"} {
		v, g := find(t, file, name)
		a, err := token.Exchange(g, v.now(), func(weir.Ticket) (string, error) { return "", errors.New("nothing is to be signed") })
		if err != nil || a.Status != 0 || a.Location != "" || len(a.SetCookie) != 0 {
			t.Errorf("%s: Exchange = %+v, %v", name, a, err)
		}
	}
}

// A renewed token is good until its new time, and goes where the old one asked for.
func TestRenewals(t *testing.T) {
	f := func(file, name string, place token.Place) {
		t.Helper()
		v, g := find(t, file, name)
		if g.Renewal == nil || g.Renewal.Place != place {
			t.Fatalf("%s: renewal %+v", name, g.Renewal)
		}
		v.Query, v.Cookies = g.Renewal.Name+"="+g.Renewal.Text, nil
		again, err := verifiers(t, load(t, file)[file]).Verify(v.request(), v.now())
		if err != nil || !again.Expires.Equal(g.Renewal.Expires) || again.Prefix != g.Prefix {
			t.Errorf("%s: the renewed token gives %+v, %v", name, again, err)
		}
		a, err := token.Exchange(g, v.now(), sign)
		if out := strings.Join(a.SetCookie, "\n") + a.Location; err != nil || !strings.Contains(out, g.Renewal.Text) {
			t.Errorf("%s: Exchange = %+v, %v", name, a, err)
		}
	}
	f("cat-hs256.json", "renewal due", token.InCookie)
	f("urisigning-pyjwt.json", "renewed by cookie", token.InCookie)
	f("urisigning-pyjwt.json", "renewed in the query", token.InQuery)
}

func TestConfigSaysWhatToMend(t *testing.T) {
	const secret = `"secret":"dGVzdCBvbmx5IHNlY3JldCBvZiAzMiBieXRlcywgYS4="`
	const key = `{"kid":"a","alg":"MD5","organisation":"acme",` + secret + `}`
	f := func(config, want string) {
		t.Helper()
		_, err := token.ParseConfig([]byte(config), nil)
		if err == nil || !strings.Contains(err.Error(), want) || weir.KindOf(err) != weir.Invalid {
			t.Errorf("ParseConfig(%s) = %v, want %q", config, err, want)
		}
	}
	f(`{"token":[]}`, "unknown field")
	f(`{} {}`, "something follows")
	f(`{"tokens":[{"format":"x"}]}`, `the format "x" is not`)
	f(`{"tokens":[{"format":"cat"}]}`, "1 to 64 keys")
	f(`{"tokens":[{"format":"cat","keys":[`+key+`]}]}`, "alg must be one of [HS256 ES256 PS256 EdDSA]")
	f(`{"tokens":[{"format":"cat","keys":[{"kid":"a","alg":"HS256","organisation":"acme","secret":"YQ=="}]}]}`, "at least 32 bytes")
	f(`{"tokens":[{"format":"cat","keys":[{"kid":"a","alg":"ES256","organisation":"acme","public":"x"}]}]}`, "not a PEM or JWK for ES256")
	f(`{"tokens":[{"format":"cat","keys":[{"kid":"a","alg":"ES256","organisation":"acme",`+secret+`}]}]}`, "needs a public key and no secret")
	f(`{"tokens":[{"format":"secure-link","keys":[`+key+`,`+key+`]}]}`, `"a" is used twice`)
	f(`{"tokens":[{"format":"secure-link","keys":[`+key+`],"expression":"$uri$request_id"}]}`, `"request_id" is not known`)
	f(`{"tokens":[{"format":"secure-link","keys":[`+key+`],"expression":"$uri $secure_link_expires"}]}`, "must hold $secret")
	for _, bad := range []string{"$uri$secure_link_expires $secret", "$uri12$secure_link_expires $secret", "$secret $uri${remote_addr}${secure_link_expires}"} {
		f(`{"tokens":[{"format":"secure-link","keys":[`+key+`],"expression":"`+bad+`"}]}`, "no digit before $secure_link_expires")
	}
	f(`{"tokens":[{"format":"cat","parameter":"a b"}]}`, "not a name")
}

// The other style of secure_link: /MD5/EXPIRES/path, with a prefix that opens a directory.
func TestSecureLinkInPath(t *testing.T) {
	config := `{"tokens":[{"format":"secure-link","in_path":true,"segments":2,"expression":"$secure_link_expires$uri_prefix$secret",
		"keys":[{"kid":"a","alg":"MD5","organisation":"acme","secret":"dGVzdC1vbmx5"}]}]}`
	all, err := token.ParseConfig([]byte(config), nil)
	if err != nil {
		t.Fatal(err)
	}
	const linkSum = "EUb3p7D09-H0_63bcOrW1A"
	// printf '1800000000/asset1/3/test-only' | openssl md5 -binary | basenc --base64url | tr -d =
	v := vector{Path: "/" + linkSum + "/1800000000/asset1/3/cmaf/v1/7.m4s", Client: "192.0.2.1"}
	g, err := all.Verify(v.request(), time.Unix(1799999999, 0))
	if err != nil || g.Prefix != "asset1/3/" || g.Path != "/asset1/3/cmaf/v1/7.m4s" {
		t.Errorf("Verify = %+v, %v", g, err)
	}
	if _, err := all.Verify(v.request(), time.Unix(1800000000, 0)); weir.KindOf(err) != weir.Forbidden {
		t.Errorf("Verify of an expired link = %v", err)
	}
	v.Path = strings.Replace(v.Path, "/3/", "/4/", 1)
	if _, err := all.Verify(v.request(), time.Unix(1799999999, 0)); weir.KindOf(err) != weir.Unauthenticated {
		t.Errorf("Verify of another prefix = %v", err)
	}
}

// A client that moves a part of the path into its Host field must not turn a link to one file into one to another.
func TestHostHoldsNoPath(t *testing.T) {
	for file, name := range map[string]string{"cloudfront-botocore.json": "canned KTESTRSA", "urisigning-pyjwt.json": "regex a", "cat-hs256.json": "plain"} {
		v, _ := find(t, file, name)
		v.Host, v.Path = "edge.example/asset1/3", strings.TrimPrefix(v.Path, "/asset1/3")
		if g, err := verifiers(t, load(t, file)[file]).Verify(v.request(), v.now()); weir.KindOf(err) != weir.Unauthenticated {
			t.Errorf("%s: Verify = %+v, %v", name, g, err)
		}
	}
}

// Where a CAT names another address for those whose time is over, the refusal carries it.
func TestElsewhere(t *testing.T) {
	f := load(t, "cat-hs256.json")["cat-hs256.json"]
	for _, v := range f.Vectors {
		if v.Name != "expired, elsewhere" {
			continue
		}
		_, err := verifiers(t, f).Verify(v.request(), v.now())
		var other *token.Elsewhere
		if !errors.As(err, &other) || other.Status != 302 || other.Location != "https://auth.example/login" {
			t.Errorf("Verify = %v", err)
		}
		return
	}
	t.Error("no such vector")
}
