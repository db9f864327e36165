package hls

import (
	"strconv"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// version is what EXT-X-MAP outside I-frame playlists asks for, and what Apple's tools ask of fragmented MP4.
const version = 7

// Media is the media playlist of a rendition, to be served as <form>/hls/<rendition>.m3u8. It is written by hand rather
// than by a library: it is the hot one, and it counts time in whole microseconds. Errors are NotFound: no such rendition,
// or nothing is listed yet.
func Media(p manifests.Presentation, rendition string) ([]byte, error) {
	t, ok := p.Track(rendition)
	if !ok {
		return nil, weir.Errorf(weir.NotFound, "there is no rendition %s", rendition)
	}
	if err := p.Listed(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 512+len(t.Segments)*(len(rendition)+48))
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:"...)
	b = strconv.AppendInt(b, version, 10)
	b = append(b, "\n#EXT-X-TARGETDURATION:"...)
	b = strconv.AppendInt(b, int64(p.Head.TargetDuration), 10)
	b = append(b, "\n#EXT-X-MEDIA-SEQUENCE:"...)
	b = strconv.AppendInt(b, int64(p.Head.FirstSegment), 10)
	if p.Complete() {
		b = append(b, "\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	} else {
		// Players would join an unfinished playlist near its end (RFC 8216bis section 6.3.3).
		b = append(b, "\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0\n"...)
	}
	b = appendSegments(b, p, t)
	if p.Complete() {
		b = append(b, "#EXT-X-ENDLIST\n"...)
	}
	return b, nil
}

func appendSegments(b []byte, p manifests.Presentation, t manifests.Track) []byte {
	periods := p.Head.Periods
	init := -1
	for _, span := range t.Spans {
		for n := span.First; n < span.First+span.Count; n++ {
			for len(periods) > 1 && n >= periods[1].FirstSegment {
				if periods[1].Discontinuity != periods[0].Discontinuity {
					b = append(b, "#EXT-X-DISCONTINUITY\n"...)
				}
				periods = periods[1:]
			}
			if span.Init != init {
				init = span.Init
				b = append(b, `#EXT-X-MAP:URI="../`...)
				b = append(b, t.Rendition...)
				b = append(b, '/')
				b = append(b, t.Inits[init].Name...)
				b = append(b, "\"\n"...)
			}
			s := t.Segments[n-p.Head.FirstSegment]
			b = append(b, "#EXTINF:"...)
			b = appendMicroseconds(b, microseconds(s.Start+s.Duration, t.Timescale)-microseconds(s.Start, t.Timescale))
			b = append(b, ",\n../"...)
			b = append(b, t.Rendition...)
			b = append(b, '/')
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, ".m4s\n"...)
		}
	}
	return b
}

// microseconds is the position t, rounded. Durations are differences of positions, so that they add up without drift.
func microseconds(t, timescale int64) int64 {
	whole, rest := t/timescale, t%timescale
	return whole*1e6 + (rest*1e6+timescale/2)/timescale
}

// appendMicroseconds appends us in seconds with six decimals.
func appendMicroseconds(b []byte, us int64) []byte {
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	frac := us%1e6 + 1e6 // a leading 1 keeps the zeros
	at := len(b)
	b = strconv.AppendInt(b, frac, 10)
	return append(b[:at], b[at+1:]...)
}
