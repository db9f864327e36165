package edge

import (
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// maxTickets bounds each generation of verified tickets; recheckTicket is how long a verification is believed, so that a
// signing key that was withdrawn stops working soon.
const (
	maxTickets    = 32 << 10
	recheckTicket = 30 * time.Second
)

// tickets verifies tickets and remembers those that were good, so that a player's every segment does not cost an HMAC.
// It keeps two generations: when the young one is full it becomes the old one, and what is used moves back.
type tickets struct {
	keys func(kid string) (weir.TicketKey, bool)

	mu         sync.RWMutex // guards the maps
	young, old map[string]*verified
}

// verified is a ticket whose signature was good at a time. It is not changed.
type verified struct {
	ticket weir.Ticket
	at     time.Time
}

// verify returns the ticket in text. It keeps no reference to text. Errors: Unauthenticated, Forbidden (expired).
func (v *tickets) verify(text []byte, now time.Time) (*weir.Ticket, error) {
	if len(text) == 0 {
		return nil, weir.Errorf(weir.Unauthenticated, "a ticket is needed, in the path as /t/TICKET/... or as a bearer token")
	}
	v.mu.RLock()
	known, recent := v.young[string(text)], true
	if known == nil {
		known, recent = v.old[string(text)], false
	}
	v.mu.RUnlock()
	if known != nil && now.Sub(known.at) < recheckTicket {
		if now.After(known.ticket.Expires.Add(weir.TicketSkew)) {
			return nil, weir.Errorf(weir.Forbidden, "the ticket has expired")
		}
		if !recent {
			v.remember(string(text), known)
		}
		return &known.ticket, nil
	}
	t, err := weir.VerifyTicket(string(text), v.keys, now)
	if err != nil {
		return nil, err
	}
	known = &verified{ticket: t, at: now}
	v.remember(string(text), known)
	return &known.ticket, nil
}

func (v *tickets) remember(text string, known *verified) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.young == nil || len(v.young) >= maxTickets {
		v.young, v.old = map[string]*verified{}, v.young
	}
	v.young[text] = known
}
