package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

const (
	cookieName = "weir_session"
	cookieLife = 7 * 24 * time.Hour
)

// sessions checks the admin token and gives browsers a cookie for it, so that no page ever holds the token. A cookie is its
// expiry and a MAC over it under a key made of the token: it needs no storage and ends with the token.
type sessions struct {
	token [32]byte // sha256, so that comparing takes the same time whatever was sent
	key   [32]byte
	open  bool // there is no token
	now   func() time.Time
}

func newSessions(token string, now func() time.Time) sessions {
	return sessions{token: sha256.Sum256([]byte(token)), key: sha256.Sum256([]byte("weir session\x00" + token)), open: token == "", now: now}
}

func (s *sessions) matches(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// cookie is a new session. One that began over TLS is never sent without it.
func (s *sessions) cookie(secure bool) http.Cookie {
	expires := s.now().Add(cookieLife)
	text := strconv.FormatInt(expires.Unix(), 10)
	return http.Cookie{Name: cookieName, Value: text + "." + s.mac(text), Path: "/", MaxAge: int(cookieLife.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}

func (s *sessions) mac(text string) string {
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

func (s *sessions) valid(value string) bool {
	text, sum, _ := strings.Cut(value, ".")
	expires, err := strconv.ParseInt(text, 10, 64)
	return err == nil && hmac.Equal([]byte(sum), []byte(s.mac(text))) && s.now().Before(time.Unix(expires, 0))
}

// signedIn says whether the request brings the token or a session.
func (s *sessions) signedIn(r *http.Request) bool {
	if s.open {
		return true
	}
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return s.matches(strings.TrimSpace(token))
	}
	c, err := r.Cookie(cookieName)
	return err == nil && s.valid(c.Value)
}

type signedInKey struct{}

// public is what the API answers to everybody.
func public(r *http.Request) bool {
	switch r.URL.Path {
	case "/v1/config":
		return r.Method == http.MethodGet
	case "/v1/session":
		return r.Method == http.MethodPost
	}
	return strings.HasPrefix(r.URL.Path, "/openapi") && r.Method == http.MethodGet
}

// admit lets API requests through that may be made. Unauthenticated otherwise.
func (g *Gateway) admit(r *http.Request) error {
	in := g.sessions.signedIn(r)
	if !in && !public(r) {
		return weir.Errorf(weir.Unauthenticated, "This server asks for its admin token.")
	}
	*r = *r.WithContext(context.WithValue(r.Context(), signedInKey{}, in))
	return nil
}

// ServerConfig is what a page needs to know before anybody signed in.
type ServerConfig struct {
	AuthRequired bool   `json:"auth_required" doc:"There is an admin token"`
	SignedIn     bool   `json:"signed_in" doc:"This request brought it, or a session"`
	Edge         string `json:"edge" format:"uri" doc:"Base URL that media comes from"`
	Version      string `json:"version"`
}

type configOutput struct{ Body ServerConfig }

type signInInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"1024"`
	}
}

type signInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// register adds the gateway's own routes, and says on the API's page how to be let in.
func (g *Gateway) register(api *web.API) {
	if !g.sessions.open {
		page := api.OpenAPI()
		page.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
			"token":   {Type: "http", Scheme: "bearer", Description: "The admin token"},
			"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "What sign-in gives for it"},
		}
		page.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	everybody := []map[string][]string{{}}
	web.Handle(api, huma.Operation{OperationID: "get-config", Method: http.MethodGet, Path: "/v1/config", Security: everybody,
		Summary: "What a page needs to know first", Tags: []string{"server"}}, g.config)
	web.Handle(api, huma.Operation{OperationID: "sign-in", Method: http.MethodPost, Path: "/v1/session", Security: everybody,
		Summary: "Exchange the admin token for a cookie", Tags: []string{"server"}, Errors: []int{401}}, g.signIn)
}

func (g *Gateway) config(ctx context.Context, _ *struct{}) (*configOutput, error) {
	in, _ := ctx.Value(signedInKey{}).(bool)
	return &configOutput{Body: ServerConfig{AuthRequired: !g.sessions.open, SignedIn: in, Edge: g.c.Edge, Version: g.c.Version}}, nil
}

func (g *Gateway) signIn(ctx context.Context, in *signInInput) (*signInOutput, error) {
	if g.sessions.open {
		return nil, weir.Errorf(weir.Conflict, "This server has no admin token: everybody on its machine is signed in.")
	}
	if !g.sessions.matches(in.Body.Token) {
		return nil, weir.Errorf(weir.Unauthenticated, "This is not the admin token.")
	}
	return &signInOutput{SetCookie: g.sessions.cookie(web.Secure(ctx))}, nil
}
