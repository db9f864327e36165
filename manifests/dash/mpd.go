package dash

import (
	"bytes"
	"strings"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/manifests"
)

// profiles: the segments are CMAF, their addressing is that of isoff-live.
const profiles = mpd.PROFILE_LIVE + "," + mpd.PROFILE_CMAF

// MPD is the manifest of a presentation, to be served as <form>/dash/main.mpd. A complete one is static and does not
// depend on now. A growing one is dynamic: now is its publication and the clock players are told, so it should be made
// anew at least every few seconds. The error is NotFound: nothing is listed yet.
func MPD(p manifests.Presentation, now time.Time) ([]byte, error) {
	if err := p.Listed(); err != nil {
		return nil, err
	}
	target := time.Duration(p.Head.TargetDuration) * time.Second
	m := &mpd.MPD{XMLNs: mpd.DASH_NAMESPACE, Profiles: profiles, Type: mpd.Ptr(mpd.STATIC_TYPE),
		MinBufferTime: duration(target), MaxSegmentDuration: duration(longest(p))}
	if p.Complete() {
		m.MediaPresentationDuration = duration(end(p))
	} else {
		grow(m, p, now)
	}
	for _, s := range stretches(p) {
		m.Periods = append(m.Periods, period(p, s))
	}
	var b bytes.Buffer
	b.Grow(4096)
	if _, err := m.Write(&b, " ", true); err != nil {
		return nil, weir.Errorf(weir.Internal, "write MPD: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// grow makes m dynamic. Its availabilityStartTime lies the whole planned duration before the first segment was listed, so
// that every segment is available as soon as it is listed, however fast the encoder is. No timeShiftBufferDepth: all of
// it stays.
func grow(m *mpd.MPD, p manifests.Presentation, now time.Time) {
	target := time.Duration(p.Head.TargetDuration) * time.Second
	planned := time.Duration(roundUp(p.Head.Duration.Num, p.Head.Duration.Den)) * time.Millisecond
	m.Type = mpd.Ptr(mpd.DYNAMIC_TYPE)
	m.MaxSegmentDuration = duration(target + time.Second/2) // of those to come, too: rounded they are at most the target
	m.AvailabilityStartTime = dateTime(p.Head.Anchor.Add(-planned))
	m.PublishTime = dateTime(now)
	m.MinimumUpdatePeriod = duration(max(time.Second, target/2))
	m.SuggestedPresentationDelay = duration(target)
	m.UTCTimings = []*mpd.DescriptorType{mpd.NewDescriptor("urn:mpeg:dash:utc:direct:2014", string(dateTime(now)), "")}
}

func dateTime(t time.Time) mpd.DateTime {
	return mpd.DateTime(t.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
}

func duration(d time.Duration) *mpd.Duration { return mpd.Ptr(mpd.Duration(d)) }

// roundUp is num/den seconds in whole milliseconds, never less: a player drops the last frame of a presentation that
// ends before it does.
func roundUp(num, den int64) int64 {
	if den <= 0 {
		return 0
	}
	whole, rest := num/den, num%den
	return whole*1000 + (rest*1000+den-1)/den
}

// end is when the listed part ends, to the millisecond, rounded up.
func end(p manifests.Presentation) time.Duration {
	var ms int64
	for _, t := range p.Tracks {
		last := t.Segments[len(t.Segments)-1]
		ms = max(ms, roundUp(last.Start+last.Duration, t.Timescale))
	}
	return time.Duration(ms) * time.Millisecond
}

// longest is the duration of the longest listed segment, rounded up.
func longest(p manifests.Presentation) time.Duration {
	var ms int64
	for _, t := range p.Tracks {
		var most int64
		for _, s := range t.Segments {
			most = max(most, s.Duration)
		}
		ms = max(ms, roundUp(most, t.Timescale))
	}
	return time.Duration(ms) * time.Millisecond
}

// label is s as an XML attribute may hold it: without control characters, which XML 1.0 cannot express.
func label(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
