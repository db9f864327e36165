// Package hls writes a presentation as HLS playlists (RFC 8216bis) of fragmented MP4: one multivariant playlist, and one
// media playlist a rendition. Every URI is relative, so that a ticket in the path is inherited. Playlists only grow while
// the presentation does, and their URLs do not change when it completes.
package hls
