package token

import (
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

// Answer is what the edge does with a Grant.
type Answer struct {
	Ticket    weir.Ticket // the native ticket, without its key; the zero Ticket if the grant is for one request
	Status    int         // 302, or 0: serve the request at Path and Query
	Location  string      // of the redirect; holds a ticket: Cache-Control: no-store
	SetCookie []string
	Header    [][2]string // further response fields
}

// Exchange turns a grant into an answer at a time. A token in the URL or a header field becomes a redirect below /t/; a
// cookie becomes a cookie, and the request is served. A grant without a prefix, or in its last TicketSkew, is served and gives
// no ticket. sign makes
// the native text with a key of the ticket's organisation. Errors are sign's.
//
// A native ticket is believed for TicketSkew after it has expired, so it is made to expire that much before the grant.
func Exchange(g Grant, now time.Time, sign func(weir.Ticket) (string, error)) (Answer, error) {
	var a Answer
	renew(&a, g, now)
	if g.Prefix == "" || g.Expires.Sub(now) <= weir.TicketSkew { // a ticket made now would have expired already
		return a, nil
	}
	a.Ticket = weir.Ticket{Organisation: g.Organisation, Session: g.Session, Prefix: g.Prefix, Expires: g.Expires.Add(-weir.TicketSkew)}
	text, err := sign(a.Ticket)
	if err != nil {
		return Answer{}, weir.Errorf(weir.KindOf(err), "sign the ticket of a token: %w", err)
	}
	if g.FromCookie {
		a.SetCookie = append(a.SetCookie, "weir-ticket="+text+"; Path=/"+g.Prefix+"; Max-Age="+seconds(g.Expires, now)+
			"; Secure; HttpOnly; SameSite=None")
		return a, nil
	}
	a.Status, a.Location = 302, "/t/"+text+g.Path
	query := g.Query
	if g.Renewal != nil && g.Renewal.Place == InQuery {
		query = strings.TrimPrefix(query+"&"+g.Renewal.Name+"="+g.Renewal.Text, "&")
	}
	if query != "" {
		a.Location += "?" + query
	}
	return a, nil
}

// renew hands out a new foreign token.
func renew(a *Answer, g Grant, now time.Time) {
	switch r := g.Renewal; {
	case r == nil:
	case r.Place == InCookie:
		a.SetCookie = append(a.SetCookie, r.Name+"="+r.Text+"; Max-Age="+seconds(r.Expires, now)+r.Attributes)
	case r.Place == InHeader:
		a.Header = append(a.Header, [2]string{r.Name, r.Text})
	}
}

func seconds(until, now time.Time) string {
	return strconv.FormatInt(max(0, int64(until.Sub(now)/time.Second)), 10)
}
