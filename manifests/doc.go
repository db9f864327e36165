// Package manifests is what a player is told of an asset: a [Presentation], the listed part of a revision's head and
// pages laid out for look-ups. Its subpackages write it as HLS and DASH, and pack the segments it lists. Everything here
// is a pure function of the index: no input or output, no clock, and nothing of the viewer, the ticket or the host, so
// that every edge answers the same bytes.
//
// A manifest never lists past the head's extent, whatever the pages hold.
package manifests
