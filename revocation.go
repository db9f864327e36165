package weir

import "time"

// Revocation ends tickets before they expire: those of a session, those of a subject, or all of the organisation that were
// issued before Epoch. Exactly one of the three is given.
type Revocation struct {
	Organisation string    `json:"organisation"`
	Session      string    `json:"session,omitempty"`
	Subject      string    `json:"subject,omitempty"`
	Epoch        time.Time `json:"epoch,omitzero"` // whole seconds, as tickets have them; see NewEpoch
	Until        time.Time `json:"until"`          // from then on it can be forgotten: no ticket it ends lives longer
}

// MaxRevocation bounds how long after it was made a revocation is kept.
const MaxRevocation = 400 * 24 * time.Hour

// NewEpoch is the Epoch that ends what was issued until now: the next whole second, since tickets know no fractions.
// A ticket issued in the rest of this second is ended as well.
func NewEpoch(now time.Time) time.Time { return now.UTC().Truncate(time.Second).Add(time.Second) }

// RevokeUntil is the Until of a revocation of tickets issued until t: no native ticket lives longer.
func RevokeUntil(t time.Time) time.Time {
	return t.UTC().Truncate(time.Second).Add(MaxTicketLife + 2*TicketSkew + time.Second)
}

// Check says Invalid, with the reason, for a revocation that cannot be carried out.
func (r *Revocation) Check() error {
	given := 0
	for _, b := range []bool{r.Session != "", r.Subject != "", !r.Epoch.IsZero()} {
		if b {
			given++
		}
	}
	switch {
	case !ValidID(r.Organisation):
		return Errorf(Invalid, "a revocation names an organisation by its id; %.80q is none", r.Organisation)
	case given != 1:
		return Errorf(Invalid, "a revocation is of a session, of a subject, or of all tickets before an epoch")
	case r.Session != "" && !ValidID(r.Session), r.Subject != "" && !ValidID(r.Subject):
		return Errorf(Invalid, "a revocation names a session or a subject by its id; %.80q is none", r.Session+r.Subject)
	case !r.Epoch.IsZero() && (!unixFits(r.Epoch) || r.Epoch.Nanosecond() != 0):
		return Errorf(Invalid, "an epoch is a whole second between 1970 and 2106")
	case !unixFits(r.Until) || r.Until.Before(r.Epoch):
		return Errorf(Invalid, "a revocation says until when it is to be remembered")
	}
	return nil
}

// Revokes says whether the revocation ends the ticket, whose organisation it is compared with as well. A ticket that does not
// say when it was issued (version 1) is ended by every epoch.
func (r *Revocation) Revokes(t *Ticket) bool {
	if r.Organisation != t.Organisation {
		return false
	}
	return r.Session != "" && r.Session == t.Session || r.Subject != "" && r.Subject == t.Subject ||
		!r.Epoch.IsZero() && t.Issued.Before(r.Epoch)
}
