package freshness

import "slices"

// understood are the final statuses whose caching is understood here, all of RFC 9110 but 206 and 304, which would have to
// be combined with others, and 101.
var understood = []int{200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411,
	412, 413, 414, 415, 416, 417, 421, 422, 426, 451, 500, 501, 502, 503, 504, 505}

// Storable says whether a shared cache may store r as the answer to a request of the method, and is worth storing: it can be
// used again, fresh or after validation. Otherwise reason is a word for Cache-Status. authorized is that the request had an
// Authorization field. Rules: RFC 9111 sections 3, 3.3 (parts are not stored), 3.5; a response that sets a cookie is stored
// only if the origin speaks of shared caches, as section 7.3 leaves open.
func (r *Response) Storable(method string, authorized bool, d Demand) (ok bool, reason string) {
	c := &r.Control
	noStore := c.NoStore && !(c.MustUnderstand && slices.Contains(understood, r.Status)) // section 5.2.2.3
	switch {
	case method != "GET":
		return false, "method"
	case r.Status < 200 || r.Status == 206 || r.Status == 304:
		return false, "status"
	case c.MustUnderstand && !slices.Contains(understood, r.Status):
		return false, "must-understand"
	case d.NoStore:
		return false, "request-no-store"
	case noStore:
		return false, "no-store"
	case c.Private:
		return false, "private"
	case authorized && !c.Public && !c.MustRevalidate && c.SMaxAge == Absent:
		return false, "authorization"
	case len(r.Header["Set-Cookie"]) > 0 && !c.shares():
		return false, "set-cookie"
	case variesOnAll(r.Header["Vary"]):
		return false, "vary"
	case !r.explicit() && !slices.Contains(heuristicStatuses, r.Status):
		return false, "status"
	case len(r.Header["Content-Range"]) > 0:
		return false, "content-range"
	}
	if r.Lifetime <= r.Age(r.Received) && !r.Validators() && !r.staleUse() {
		return false, "expired"
	}
	return true, ""
}

// shares says whether the origin speaks of shared caches, so that a cookie is meant for all.
func (c *Control) shares() bool { return c.Public || c.SMaxAge != Absent || c.Targeted }

// staleUse says whether the origin allows the response to be used once it is stale.
func (r *Response) staleUse() bool {
	return !r.mustValidate() && (r.Control.StaleWhileRevalidate > 0 || r.Control.StaleIfError > 0)
}
