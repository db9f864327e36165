package freshness

import "time"

// Use is what may be done with a stored response for a request.
type Use uint8

const (
	Fresh    Use = iota // send it
	Stale               // send it although it is stale: the request or the origin allows it
	Refresh             // send it although it is stale, and validate it meanwhile (RFC 5861 section 3)
	Validate            // the origin must be asked first
)

// Reuse decides (RFC 9111 sections 4.2, 4.2.4 and 5.2.1; RFC 5861 section 3). With Validate, demanded says that the response
// is fresh and only the request wants it validated.
func (r *Response) Reuse(d Demand, now time.Time) (use Use, demanded bool) {
	age, ttl := r.Age(now), r.TTL(now)
	if c := &r.Control; c.NoCache || c.Private || c.NoStore && !c.MustUnderstand {
		return Validate, false
	}
	if ttl > 0 {
		if d.NoCache || d.MaxAge != Absent && age > d.MaxAge || d.MinFresh != Absent && ttl < d.MinFresh {
			return Validate, true
		}
		return Fresh, false
	}
	if r.mustValidate() || d.NoCache || d.MinFresh > 0 || d.MaxAge != Absent && age > d.MaxAge {
		return Validate, false
	}
	switch {
	case -ttl < r.Control.StaleWhileRevalidate:
		return Refresh, false
	case d.MaxStale != Absent && -ttl <= d.MaxStale:
		return Stale, false
	}
	return Validate, false
}

// StaleOnError says whether a response that should have been validated may be sent because the origin answered 500, 502,
// 503 or 504 (RFC 5861 section 4), or because it cannot be reached (away), which RFC 9111 section 4.2.4 allows by itself,
// here for as long as limit.
func (r *Response) StaleOnError(d Demand, now time.Time, away bool, limit time.Duration) bool {
	if r.Control.NoCache || r.mustValidate() || d.NoCache {
		return false
	}
	stale := -r.TTL(now)
	return stale < r.Control.StaleIfError || stale < d.StaleIfError || away && stale < limit
}

// mustValidate says whether a shared cache must never send the response stale (RFC 9111 sections 5.2.2.2, 5.2.2.8 and 5.2.2.10).
func (r *Response) mustValidate() bool {
	c := &r.Control
	return c.MustRevalidate || c.ProxyRevalidate || c.SMaxAge != Absent
}

// ErrorStatus says whether a status is an error that RFC 5861 section 4 speaks of.
func ErrorStatus(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}
