// Package conformance is a table of what RFC 9110, 9111, 5861, 9211 and 9213 ask of a shared cache, and what runs it against
// any cache over HTTP: it plays both the client and the origin. It knows nothing of how the cache is made and imports
// nothing of it.
//
// A case is data: what the origin answers, one answer a request; what the client asks, step by step; and what must hold.
// Age is made by the Date and Age of the origin's answers, not by waiting, so that a run takes seconds.
package conformance
