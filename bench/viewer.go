package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"time"
)

// viewer is one virtual player with one connection, and the person before it. Times are real; the media is not decoded.
type viewer struct {
	session
	players Players
	run     *Run
	hosts   *hosts
	asker   asker
	r       *rand.Rand

	at       time.Time // up to which the buffer has been played
	head     float64   // media time up to which segments are loaded
	rung     int
	estimate Throughput
	show     Presentation
	read     time.Time       // when the manifest was
	inits    map[string]bool // that are loaded
	body     []byte
}

// watch plays one title and records what the viewer noticed.
func (v *viewer) watch(ctx context.Context, t Target) {
	defer v.asker.close()
	v.inits = map[string]bool{}
	defer func() {
		if !over(ctx) || v.Started {
			v.run.viewer(v.session) // who the run's end cut off before the start says nothing of the server
		}
	}()
	if !v.open(ctx, t) {
		v.pass()
		return
	}
	budget := v.budget()
	waiting := v.Buffer.Stalled
	for ctx.Err() == nil && v.Played < budget {
		if v.impatient(waiting) {
			v.abandoned = true
			return
		}
		if v.Playing {
			waiting = v.Buffer.Stalled
		}
		more, ok := v.step(ctx, t)
		if !ok {
			return
		}
		if !more {
			v.playOut(ctx, budget)
			return
		}
	}
}

// budget is how many seconds this viewer watches.
func (v *viewer) budget() float64 {
	if v.players.Watch == 0 {
		return MaxTime.Seconds()
	}
	return v.r.ExpFloat64() * v.players.Watch.Seconds()
}

func (v *viewer) impatient(waiting float64) bool {
	limit := v.players.Abandon.Seconds()
	return !v.Started && v.Startup > limit || v.Started && !v.Playing && v.Buffer.Stalled-waiting > limit
}

// pass lets the buffer play up to now.
func (v *viewer) pass() {
	now := time.Now()
	v.Buffer = v.Buffer.Advance(now.Sub(v.at).Seconds())
	v.at = now
}

// playOut plays what is loaded.
func (v *viewer) playOut(ctx context.Context, budget float64) {
	v.Buffer.Ended = true
	v.Buffer = v.Buffer.Loaded(0)
	pause(ctx, time.Duration(min(v.Media, budget-v.Played)*float64(time.Second)))
	v.pass()
}

// open reads the manifest, and of HLS the first media playlists.
func (v *viewer) open(ctx context.Context, t Target) bool {
	base, ok := v.manifest(ctx, t)
	if !ok {
		return false
	}
	show, err := ReadManifest(base, v.body)
	if err != nil {
		v.run.Fail(err)
		return false
	}
	v.show, v.read = show, time.Now()
	if !v.list(ctx, &v.show.Rungs[0]) || len(v.show.Audio) > 0 && !v.list(ctx, &v.show.Audio[0]) {
		return false
	}
	if v.show.Live && !v.show.Growing { // three segments behind the edge: RFC 8216 section 6.3.3
		s := v.show.Rungs[0].Segments
		v.head = s[max(0, len(s)-3)].Start
	}
	return true
}

// manifest loads a manifest, following redirects to where a ticket is part of the path.
func (v *viewer) manifest(ctx context.Context, t Target) (*url.URL, bool) {
	for range 4 {
		intended := time.Now()
		ans, err := v.asker.get(ctx, t, &v.body)
		if err != nil && ans.Location != "" && (ans.Status == 301 || ans.Status == 302 || ans.Status == 303 || ans.Status == 307 || ans.Status == 308) {
			next, err := t.URL.Parse(ans.Location)
			if err != nil {
				v.run.Fail(errMalformed)
				return nil, false
			}
			if t, err = v.hosts.target(ctx, next.String()); err != nil {
				v.run.Fail(err)
				return nil, false
			}
			continue
		}
		v.pass()
		if err != nil {
			if !over(ctx) || !errors.Is(err, errDial) {
				v.run.Fail(err)
			}
			return nil, false
		}
		v.run.Answer(Manifest, ans.bytes, ans.first.Sub(intended), ans.last.Sub(intended))
		return t.URL, true
	}
	v.run.Fail(statusError(302))
	return nil, false
}

// list reads a rendition's media playlist if it has one that was not read yet, or is to be read again.
func (v *viewer) list(ctx context.Context, r *Rendition) bool {
	if r.Playlist != nil {
		t, err := v.hosts.target(ctx, r.Playlist.String())
		if err != nil {
			v.run.Fail(err)
			return false
		}
		base, ok := v.manifest(ctx, t)
		if !ok {
			return false
		}
		if err := v.show.update(r, base, v.body); err != nil {
			v.run.Fail(err)
			return false
		}
		v.read = time.Now()
	}
	if len(r.Segments) == 0 {
		v.run.Fail(errMalformed)
		return false
	}
	return true
}

// step loads the next segment, or waits. more is false at the end of the title, ok when nothing goes any more.
func (v *viewer) step(ctx context.Context, t Target) (more, ok bool) {
	rung := Choose(v.rates(), v.rung, v.estimate.Estimate(), v.Media)
	if rung != v.rung && v.loaded > 0 {
		v.switches++
	}
	v.rung = rung
	r := &v.show.Rungs[rung]
	if len(r.Segments) == 0 && !v.list(ctx, r) {
		return false, false
	}
	next, found := r.after(v.head)
	if !found {
		if !v.show.Live {
			return false, true
		}
		return true, v.again(ctx, t, r)
	}
	if wait := v.Wait(next.Seconds); wait > 0 {
		pause(ctx, time.Duration(wait*float64(time.Second)))
		v.pass()
		if over(ctx) {
			return false, false // else all who wait would ask at once when the run ends
		}
	}
	if !v.load(ctx, next, true) {
		return false, false
	}
	v.head = next.Start + next.Seconds
	v.loaded += next.Seconds
	v.bits += float64(r.Rate) * next.Seconds
	if len(v.show.Audio) > 0 && !v.sound(ctx, next) {
		return false, false
	}
	v.Buffer = v.Buffer.Loaded(next.Seconds)
	v.seek(next.Seconds, r)
	return true, true
}

func (v *viewer) rates() []int64 {
	out := make([]int64, len(v.show.Rungs))
	for i, r := range v.show.Rungs {
		out[i] = r.Rate
	}
	return out
}

// sound loads the segments of sound that belong to a segment of pictures.
func (v *viewer) sound(ctx context.Context, s MediaSegment) bool {
	for _, a := range v.show.Audio[0].Segments {
		if a.Start+1e-3 >= s.Start && a.Start+1e-3 < s.Start+s.Seconds && !v.load(ctx, a, false) {
			return false
		}
	}
	return true
}

// again reads a live title's manifest anew, when it is due.
func (v *viewer) again(ctx context.Context, t Target, r *Rendition) bool {
	pause(ctx, time.Until(v.read.Add(time.Duration(max(1, v.show.Again)/2*float64(time.Second)))))
	v.pass()
	if over(ctx) {
		return false
	}
	if r.Playlist != nil {
		return v.list(ctx, r) && (len(v.show.Audio) == 0 || v.list(ctx, &v.show.Audio[0]))
	}
	base, ok := v.manifest(ctx, t)
	if !ok {
		return false
	}
	show, err := ReadManifest(base, v.body)
	if err != nil || len(show.Rungs) != len(v.show.Rungs) {
		v.run.Fail(errMalformed)
		return false
	}
	v.show, v.read = show, time.Now()
	return true
}

// load loads a segment and what has to come before it.
func (v *viewer) load(ctx context.Context, s MediaSegment, sample bool) bool {
	if s.Init != nil && !v.inits[s.Init.String()] {
		if _, ok := v.fetch(ctx, s.Init.String(), Init); !ok {
			return false
		}
		v.inits[s.Init.String()] = true
	}
	began := time.Now()
	n, ok := v.fetch(ctx, s.URL.String(), Segment)
	if ok && sample {
		v.estimate = v.estimate.Sample(n, time.Since(began).Seconds())
	}
	return ok
}

// fetch loads one object; a player tries three times.
func (v *viewer) fetch(ctx context.Context, raw string, kind Kind) (int64, bool) {
	t, err := v.hosts.target(ctx, raw)
	if err != nil {
		v.run.Fail(err)
		return 0, false
	}
	t.Kind = kind
	for try := range 3 {
		ans, err := v.asker.ask(ctx, t, time.Now(), nil)
		v.pass()
		if err == nil {
			return ans.bytes, true
		}
		v.asker.close()
		pause(ctx, time.Duration(try+1)*500*time.Millisecond)
		if ctx.Err() != nil {
			return 0, false
		}
	}
	return 0, false
}

// seek jumps now and then, to anywhere that is listed.
func (v *viewer) seek(seconds float64, r *Rendition) {
	if v.show.Live || !v.Started || v.r.Float64() >= v.players.Seeks*seconds/60 {
		return
	}
	v.seeks++
	v.head = r.Segments[v.r.IntN(len(r.Segments))].Start
	v.Buffer = v.Buffer.Seek()
}
