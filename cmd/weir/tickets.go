package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/client"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/internal/web"
)

// ticketLife is how long a ticket of the admin listener lives unless the request says otherwise.
const ticketLife = 6 * time.Hour

// ticketsAPI is POST /tickets of the admin listener: tickets for paths that no asset of Weir's has, such as those of an
// origin behind --origin. Players' tickets come from the playback service.
type ticketsAPI struct {
	keys   *keyring.Keys
	now    func() time.Time
	errors func(http.ResponseWriter, *http.Request, error)
}

func (a ticketsAPI) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /tickets", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), rulingWithin)
		defer cancel()
		in := client.NewTicket{Organisation: weir.DefaultOrganisation}
		err := web.Decode(w, r, maxRulingBody, &in)
		if err == nil {
			var out client.SignedTicket
			if out, err = a.sign(ctx, in); err == nil {
				writeJSON(w, out)
				return
			}
		}
		a.errors(w, r, err)
	})
}

// sign makes the ticket. Errors: Invalid, and those of the keys.
func (a ticketsAPI) sign(ctx context.Context, in client.NewTicket) (client.SignedTicket, error) {
	life := time.Duration(in.Seconds) * time.Second
	if in.Seconds == 0 {
		life = ticketLife
	}
	if in.Seconds < 0 || in.Seconds > int64(weir.MaxTicketLife/time.Second) {
		return client.SignedTicket{}, weir.Errorf(weir.Invalid, "A ticket lives for 1 second to %d days.", weir.MaxTicketLife/(24*time.Hour))
	}
	if !slices.Contains(a.keys.Organisations, in.Organisation) {
		return client.SignedTicket{}, weir.Errorf(weir.Invalid, "This edge follows the keys of %s only, not of %q.", strings.Join(a.keys.Organisations, ", "), in.Organisation)
	}
	key, err := a.keys.Current(ctx, in.Organisation)
	if err != nil {
		return client.SignedTicket{}, err
	}
	now := a.now().Truncate(time.Second)
	t := weir.Ticket{Prefix: in.Prefix, Session: in.Session, Subject: in.Subject, Issued: now, Expires: now.Add(life)}
	if t.Session == "" {
		t.Session = weir.NewID(now)
	}
	text, err := t.Sign(key)
	if err != nil {
		return client.SignedTicket{}, weir.Errorf(weir.Invalid, "The ticket cannot be made: its prefix is a path without leading slash, such as films/7/, session and subject are ids.")
	}
	return client.SignedTicket{Ticket: text, Session: t.Session, Expires: t.Expires}, nil
}
