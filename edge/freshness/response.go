package freshness

import (
	"net/http"
	"slices"
	"time"
)

// Response is a response with what its freshness is computed from. Its header is not changed by this package, and a Response
// is a value: freshening one makes another.
type Response struct {
	Status  int
	Header  http.Header // what may be stored and sent again: see StoredFields
	Control Control

	Requested, Received time.Time // when the request that got it was sent, and when its header came
	Date                time.Time // of its Date field, or Received
	Lifetime            time.Duration
	Heuristic           bool          // Lifetime is a guess
	InitialAge          time.Duration // when it was received
}

// Heuristics bound guessed lifetimes: a tenth of the time since Last-Modified, at most MaxHeuristic (RFC 9111 section
// 4.2.2). After a day the old text asked for a warning; a guess does not outlive it here.
const MaxHeuristic = 24 * time.Hour

// NewResponse understands a response. It keeps header, to which it adds a Date if there is no valid one (RFC 9110 section
// 6.6.1).
func NewResponse(status int, header http.Header, requested, received time.Time) Response {
	r := Response{Status: status, Header: header, Control: ResponseControl(header), Requested: requested, Received: received}
	var ok bool
	if r.Date, ok = date(header, "Date"); !ok {
		r.Date = received
		header["Date"] = []string{received.UTC().Format(http.TimeFormat)}
	}
	r.Lifetime, r.Heuristic = r.lifetime()
	apparent := max(0, received.Sub(r.Date))
	r.InitialAge = max(apparent, ageField(header)+max(0, received.Sub(requested))) // section 4.2.3
	return r
}

// lifetime is section 4.2.1.
func (r *Response) lifetime() (d time.Duration, heuristic bool) {
	c := &r.Control
	switch expires := r.Header["Expires"]; {
	case c.SMaxAge != Absent:
		return c.SMaxAge, false
	case c.MaxAge != Absent:
		return c.MaxAge, false
	case c.Targeted:
		return 0, false
	case len(expires) > 0:
		t, ok := ParseDate(expires[0])
		for _, other := range expires[1:] {
			ok = ok && other == expires[0]
		}
		if !ok { // "0" and all else that is no date is in the past (section 5.3)
			return 0, false
		}
		return min(max(0, t.Sub(r.Date)), maxDelta), false // no age is higher
	}
	if !c.Public && !slices.Contains(heuristicStatuses, r.Status) {
		return 0, false
	}
	modified, ok := date(r.Header, "Last-Modified")
	if !ok || !modified.Before(r.Date) {
		return 0, false
	}
	return min(r.Date.Sub(modified)/10, MaxHeuristic).Truncate(time.Second), true
}

// heuristicStatuses are the statuses that are heuristically cacheable (RFC 9110 section 15.1) but 206, which is not stored.
var heuristicStatuses = []int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}

// Age is how old the response is, at now (RFC 9111 section 4.2.3).
func (r *Response) Age(now time.Time) time.Duration {
	return min(r.InitialAge+max(0, now.Sub(r.Received)), maxDelta)
}

// TTL is how much longer the response is fresh; negative is how long it has been stale.
func (r *Response) TTL(now time.Time) time.Duration { return r.Lifetime - r.Age(now) }

// explicit says whether the origin gave a lifetime, or said that anybody may keep the response.
func (r *Response) explicit() bool {
	c := &r.Control
	return c.Public || c.MaxAge != Absent || c.SMaxAge != Absent || !c.Targeted && len(r.Header["Expires"]) > 0
}

// Validators says whether the response has something it can be validated by.
func (r *Response) Validators() bool {
	_, dated := date(r.Header, "Last-Modified")
	return dated || r.ETag() != ""
}

// ETag is the entity-tag as it was sent, "" if there is none that is well-formed.
func (r *Response) ETag() string {
	lines := r.Header["Etag"]
	if len(lines) != 1 {
		return ""
	}
	tag, rest := cutTag(lines[0])
	if rest != "" {
		return ""
	}
	return tag
}
