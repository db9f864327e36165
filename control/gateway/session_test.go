package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/control/gateway"
)

const token = "correct horse battery staple"

func withToken(c *gateway.Config) { c.Token = token }

func TestWithoutATokenEverybodyIsIn(t *testing.T) {
	r := newRig(t, nil)
	if w := r.ask("GET", "/v1/config", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"auth_required":false,"signed_in":true,"edge":"http://localhost:8081","version":"1.0"}` {
		t.Errorf("config = %d %s", w.Code, w.Body)
	}
	if w := r.ask("POST", "/v1/session", `{"token":"x"}`); w.Code != 409 {
		t.Errorf("sign-in = %d %s, want 409", w.Code, w.Body)
	}
}

func TestTheAPIAsksForTheToken(t *testing.T) {
	r := newRig(t, withToken)
	f := func(method, path string, status int, header ...string) {
		t.Helper()
		w := r.ask(method, path, "", header...)
		if w.Code != status {
			t.Errorf("%s %s %v = %d %s, want %d", method, path, header, w.Code, w.Body, status)
		}
		if status == 401 {
			if p := problemOf(t, w); !strings.HasSuffix(p.Type, "/unauthenticated") || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("401 is %s %v", w.Body, w.Header())
			}
		}
	}
	f("GET", "/v1/who", 401)
	f("GET", "/v1/nothing", 401)
	f("POST", "/v1/do", 401)
	f("GET", "/v1/session", 401)
	f("POST", "/v1/config", 401)
	f("GET", "/v1/who", 401, "Authorization", "Bearer wrong")
	f("GET", "/v1/who", 401, "Authorization", token)
	f("GET", "/v1/who", 401, "Authorization", "Bearer ")
	f("GET", "/v1/who", 200, "Authorization", "Bearer "+token)
	f("GET", "/v1/who", 200, "Authorization", "bearer "+token)
	f("GET", "/", 200)
	f("GET", "/watch/abc", 200)
	f("GET", "/openapi.json", 200)
	if page := r.ask("GET", "/openapi.json", "").Body.String(); !strings.Contains(page, `"security":[{"token":[]},{"session":[]}]`) {
		t.Errorf("the page does not say that a token is needed: %s", page)
	}
	if w := r.ask("GET", "/v1/config", ""); !strings.Contains(w.Body.String(), `"auth_required":true,"signed_in":false`) {
		t.Errorf("config = %s", w.Body)
	}
}

func TestACookieStandsForTheToken(t *testing.T) {
	r := newRig(t, withToken)
	if w := r.ask("POST", "/v1/session", `{"token":"wrong"}`); w.Code != 401 || len(w.Result().Cookies()) != 0 || strings.Contains(w.Body.String(), "wrong") {
		t.Errorf("sign-in with a wrong token = %d %v %s", w.Code, w.Header(), w.Body)
	}
	w := r.ask("POST", "/v1/session", `{"token":"`+token+`"}`)
	cookies := w.Result().Cookies()
	if w.Code != 204 || len(cookies) != 1 {
		t.Fatalf("sign-in = %d %v %s", w.Code, w.Header(), w.Body)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || strings.Contains(c.Value, token) {
		t.Errorf("cookie = %+v", c)
	}
	f := func(value string, status int) {
		t.Helper()
		if w := r.ask("GET", "/v1/who", "", "Cookie", c.Name+"="+value); w.Code != status {
			t.Errorf("with the cookie %q = %d %s, want %d", value, w.Code, w.Body, status)
		}
	}
	f(c.Value, 200)
	if w := r.ask("GET", "/v1/config", "", "Cookie", c.Name+"="+c.Value); !strings.Contains(w.Body.String(), `"signed_in":true`) {
		t.Errorf("config = %s", w.Body)
	}
	_, mac, _ := strings.Cut(c.Value, ".")
	f("", 401)
	f("99999999999."+mac, 401)
	f(c.Value[:len(c.Value)-1], 401)
	f(mac, 401)
	f(token, 401)
	r.now = r.now.Add(8 * 24 * time.Hour)
	f(c.Value, 401)
	other := newRig(t, func(c *gateway.Config) { c.Token = "another token" })
	if w := other.ask("GET", "/v1/who", "", "Cookie", c.Name+"="+c.Value); w.Code != 401 {
		t.Errorf("under another token the cookie is worth %d", w.Code)
	}
}
