package freshness

import (
	"strconv"
	"time"
)

// Fwd says why a request went to the origin (RFC 9211 section 2.2). The zero value is that it did not.
type Fwd string

// The reasons.
const (
	FwdBypass   Fwd = "bypass"    // the cache was told not to handle the request
	FwdMethod   Fwd = "method"    // the method's semantics require it
	FwdURIMiss  Fwd = "uri-miss"  // nothing is stored for the URI
	FwdVaryMiss Fwd = "vary-miss" // what is stored does not match the fields that Vary names
	FwdRequest  Fwd = "request"   // something fresh is stored, but the request does not allow it
	FwdStale    Fwd = "stale"     // what is stored is stale
	FwdPartial  Fwd = "partial"   // what is stored is not all that is needed
)

// CacheStatus is one cache's member of the Cache-Status field (RFC 9211).
type CacheStatus struct {
	Cache     string // an sf-token that names the cache
	Hit       bool   // the request did not go further; then Fwd is ""
	Fwd       Fwd
	FwdStatus int // of the next server's answer; 0 if there is none
	TTL       time.Duration
	HasTTL    bool
	Stored    bool
	Collapsed bool
	Detail    string // an sf-token; "" is none
}

// Append appends the member. Parameters are in the order of the specification.
func (s CacheStatus) Append(b []byte) []byte {
	b = append(b, s.Cache...)
	if s.Hit {
		b = append(b, "; hit"...)
	} else if s.Fwd != "" {
		b = append(append(b, "; fwd="...), s.Fwd...)
	}
	if s.FwdStatus != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(s.FwdStatus), 10)
	}
	if s.HasTTL {
		b = strconv.AppendInt(append(b, "; ttl="...), int64(s.TTL/time.Second), 10)
	}
	if s.Stored {
		b = append(b, "; stored"...)
	}
	if s.Collapsed {
		b = append(b, "; collapsed"...)
	}
	if s.Detail != "" {
		b = append(append(b, "; detail="...), s.Detail...)
	}
	return b
}
