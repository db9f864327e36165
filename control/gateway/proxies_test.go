package gateway_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirstream/weir/control/gateway"

	weir "github.com/weirstream/weir"
)

// askFrom is ask of a client, or a proxy, with an address.
func (r *rig) askFrom(peer, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	req.Host, req.RemoteAddr = "localhost:8080", peer
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.g.ServeHTTP(w, req)
	return w
}

func behindProxies(t *testing.T) *rig {
	proxies, err := weir.ParseProxies("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(c *gateway.Config) { c.Token, c.Proxies = token, proxies })
}

func TestTheCookieOfTLSIsSecure(t *testing.T) {
	r := behindProxies(t)
	f := func(peer, proto string, secure bool) {
		t.Helper()
		w := r.askFrom(peer, "POST", "/v1/session", `{"token":"`+token+`"}`, "X-Forwarded-Proto", proto)
		cookies := w.Result().Cookies()
		if w.Code != 204 || len(cookies) != 1 || cookies[0].Secure != secure {
			t.Errorf("sign-in from %s with X-Forwarded-Proto: %s = %d %v, want Secure %v", peer, proto, w.Code, w.Header(), secure)
		}
	}
	f("10.0.0.7:4711", "https", true)
	f("127.0.0.1:4711", "https", true)
	f("[::1]:4711", "https", true)
	f("10.0.0.7:4711", "http", false)
	f("10.0.0.7:4711", "", false)
	f("203.0.113.9:4711", "https", false) // nobody's proxy
	f("@", "https", false)                // a socket without addresses
}

func TestWhatCameOverTLSIsAskedForOverTLS(t *testing.T) {
	r := behindProxies(t)
	f := func(peer, proto, origin string, status int) {
		t.Helper()
		w := r.askFrom(peer, "POST", "/v1/do", "", "X-Forwarded-Proto", proto, "Origin", origin, "Authorization", "Bearer "+token)
		if w.Code != status {
			t.Errorf("POST from %s, X-Forwarded-Proto: %s, Origin: %s = %d %s, want %d", peer, proto, origin, w.Code, w.Body, status)
		}
	}
	f("10.0.0.7:1", "https", "https://localhost:8080", 200)
	f("10.0.0.7:1", "https", "http://localhost:8080", 403)
	f("10.0.0.7:1", "https", "https://localhost", 403)
	f("10.0.0.7:1", "http", "http://localhost:8080", 200)
	f("203.0.113.9:1", "https", "http://localhost:8080", 200) // not believed, so nothing is known
}

func TestTheLogNamesTheClient(t *testing.T) {
	r := behindProxies(t)
	f := func(peer, forwarded, want string) {
		t.Helper()
		r.log.Reset()
		r.askFrom(peer, "GET", "/", "", "X-Forwarded-For", forwarded)
		if !strings.Contains(r.log.String(), " client="+want+" ") {
			t.Errorf("from %s, X-Forwarded-For: %s: want client=%s in\n%s", peer, forwarded, want, r.log.String())
		}
	}
	f("10.0.0.7:1", "198.51.100.1", "198.51.100.1")
	f("203.0.113.9:1", "198.51.100.1", "203.0.113.9")
}
