// Package edge is the data plane: it answers players with manifests and segments, from memory or from the object store.
//
// A request's path carries a ticket; the rest of it is the canonical path, which means the same bytes for everybody. The
// path of a segment is: parse the raw target, verify the ticket (no network), find the revision (its head is re-read
// every second or two), find the segment's range in the index, take the bytes from memory or fill them once, send them.
// Nothing here calls the control plane.
//
// Invariants: bytes that fail their checksum are never sent; a ticket is never written whole to a log, a metric or an
// error; every answer about a revision is at most two seconds older than its head, or up to half a minute while the
// object store is away; nothing of a fasthttp.RequestCtx outlives its request.
package edge
