package edge

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/token"
)

// Tokens are the foreign tokens that an edge takes in place of tickets.
type Tokens struct {
	Verifier token.Verifier                                    // required
	SignWith func(organisation string) (weir.TicketKey, error) // required: the key that signs its tickets now. No I/O
	Country  func(header func(name string) []string) string    // of the client, as a trusted proxy says; nil: not known
}

// admission is what a foreign token comes to: a ticket, the target without the token, and fields for the answer; or, without a
// ticket, nothing more to do, since the request was answered by a redirect.
type admission struct {
	ticket *weir.Ticket
	target string
	fields [][2]string
}

// foreign looks for a foreign token of a request for target, which is a path with its query, at host. anyMethod says that a
// ticket is for every method here; without, it is for GET and HEAD. The error is token.ErrNone if there is none.
func (h *handler) foreign(ctx *fasthttp.RequestCtx, host, target string, anyMethod bool, now time.Time) (admission, error) {
	grant, err := h.tokens.Verifier.Verify(h.tokenRequest(ctx, host, target), now)
	if elsewhere := new(token.Elsewhere); errors.As(err, &elsewhere) {
		redirect(ctx, elsewhere.Status, elsewhere.Location)
		return admission{}, nil
	}
	if err != nil {
		return admission{}, err
	}
	if grant.ByMethod && anyMethod || !ctx.IsGet() && !ctx.IsHead() {
		grant.Prefix = "" // a ticket would be for more methods; and a redirect turns others into GET
	}
	var signed weir.Ticket
	answer, err := token.Exchange(grant, now, func(t weir.Ticket) (string, error) {
		signed = bind(t, &grant, now)
		key, err := h.tokens.SignWith(t.Organisation)
		if err != nil {
			return "", err
		}
		return signed.Sign(key)
	})
	if err != nil {
		return admission{}, err
	}
	if answer.Ticket.Prefix == "" { // it is for this request only
		signed = bind(weir.Ticket{Organisation: grant.Organisation, Session: grant.Session, Expires: grant.Expires,
			Prefix: strings.TrimPrefix(grant.Path, "/")}, &grant, now)
	}
	if h.rulings.Revoked(&signed) {
		return admission{}, weir.Errorf(weir.Forbidden, "the ticket was revoked")
	}
	a := admission{fields: answer.Header}
	for _, cookie := range answer.SetCookie {
		a.fields = append(a.fields, [2]string{"Set-Cookie", cookie})
	}
	if answer.Status != 0 {
		redirect(ctx, answer.Status, answer.Location)
		for _, field := range a.fields {
			ctx.Response.Header.Add(field[0], field[1])
		}
		return admission{}, nil
	}
	a.ticket = &signed
	if a.target = grant.Path; grant.Query != "" {
		a.target += "?" + grant.Query
	}
	return a, nil
}

// tokenRequest is what verifiers see of a request. Scheme and country are what trusted proxies say.
func (h *handler) tokenRequest(ctx *fasthttp.RequestCtx, host, target string) token.Request {
	path, query, _ := strings.Cut(target, "?")
	r := token.Request{Method: string(ctx.Method()), Scheme: "http", Host: host, Path: path, RawQuery: query,
		Header: func(name string) (lines []string) {
			for _, line := range ctx.Request.Header.PeekAll(name) {
				lines = append(lines, string(line))
			}
			return lines
		},
		Cookie: func(name string) string { return string(ctx.Request.Header.Cookie(name)) },
		Client: h.client(ctx), ALPN: "http/1.1"}
	if ctx.IsTLS() {
		r.Scheme = "https"
	}
	if peer, _ := netip.AddrFromSlice(ctx.RemoteIP()); h.config.Proxies.Trust(peer) {
		if proto := ctx.Request.Header.Peek("X-Forwarded-Proto"); len(proto) > 0 {
			r.Scheme = strings.ToLower(string(proto))
		}
		if h.tokens.Country != nil {
			r.Country = h.tokens.Country(r.Header)
		}
	}
	return r
}

// opens says whether the ticket in text opens path: one in a cookie that does not is as good as none where there is a token.
func (h *handler) opens(ctx *fasthttp.RequestCtx, text, path []byte, now time.Time) bool {
	ticket, err := h.tickets.verify(text, now)
	return err == nil && h.admit(ctx, ticket, path) == nil
}

// bind completes a ticket made of a grant: it is issued now, at most as long as tickets live, and stays bound to the network of
// a token that was bound to addresses.
func bind(t weir.Ticket, grant *token.Grant, now time.Time) weir.Ticket {
	t.Issued = now.Truncate(time.Second)
	if last := t.Issued.Add(weir.MaxTicketLife); t.Expires.After(last) {
		t.Expires = last
	}
	if weir.ValidID(grant.Subject) {
		t.Subject = grant.Subject
	}
	if grant.Client.IsValid() {
		t.Flags |= weir.FlagBound
		t.Network = weir.NetworkOf(grant.Client.Addr())
	}
	return t
}

// redirect answers with another address, which may hold a secret.
func redirect(ctx *fasthttp.RequestCtx, status int, location string) {
	if status < 300 || status > 399 {
		status = http.StatusFound
	}
	ctx.SetStatusCode(status)
	ctx.Response.Header.Set("Location", location) // as it is: relative to this host
	ctx.Response.Header.Set("Cache-Control", "no-store")
}
