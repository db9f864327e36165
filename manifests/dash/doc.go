// Package dash writes a presentation as a DASH MPD (ISO/IEC 23009-1), profile isoff-live, over the same CMAF segments as
// HLS: SegmentTemplate with $Number$ and a SegmentTimeline. Every URI is relative. S@t counts presentation time after a
// track's edit list, which is what a media source presents, so presentationTimeOffset is 0 in the first Period.
//
// A track whose init segment changes starts a new Period for all tracks: Initialization is named per Period.
package dash
