package probe

import (
	"math"

	weir "github.com/weirstream/weir"
)

// selection is what of a file is used.
type selection struct {
	demuxer string
	picture *stream // nil is none
	sounds  []stream
	video   *Video // of picture, without its timeline
}

// decoder tells the timestamp that the first picture or sound of a stream has when it was decoded, in ticks of its time
// base.
type decoder func(stream int) (int64, error)

// at is the time in ticks of 1/base.Den s.
func (d decoder) at(stream int, base weir.Rational) (int64, error) {
	t, err := d(stream)
	if limit := int64(maxTicks) / base.Num; err == nil && (t > limit || t < -limit) {
		return 0, refuse("its clock starts %d ticks from zero, which is not believed", t)
	}
	return t * base.Num, err
}

// choose picks the streams to use, or refuses the file.
func choose(demuxer string, r report) (selection, error) {
	s := selection{demuxer: demuxer, picture: r.picture()}
	var err error
	if s.sounds, err = r.sounds(); err != nil {
		return selection{}, err
	}
	if s.picture == nil && len(s.sounds) == 0 {
		return selection{}, refuse("it has no picture and no sound")
	}
	if s.picture != nil {
		s.video, err = s.picture.video()
	}
	return s, err
}

// describe puts what was chosen on a timeline.
func (s selection) describe(r report, c *collector, shown decoder) (Facts, error) {
	if err := s.cutOff(r, c); err != nil {
		return Facts{}, err
	}
	f := Facts{Demuxer: s.demuxer, Video: s.video}
	place := s.placeSound
	if s.picture != nil {
		place = s.placePicture
	}
	if err := place(&f, c, shown); err != nil {
		return Facts{}, err
	}
	return f, s.addSounds(&f, c)
}

// placePicture finds the origin and the grid by the pictures.
func (s selection) placePicture(f *Facts, c *collector, shown decoder) error {
	base, ok := s.picture.timeBase()
	if !ok {
		return refuse("its pictures have no clock")
	}
	pics, err := clocked(c.pictures, base)
	if err != nil {
		return err
	}
	if pics.guessed {
		first, err := shown.at(s.picture.Index, base)
		if err != nil {
			return err
		}
		times, err := pics.presented()
		if err != nil {
			return err
		}
		late := first - times[0]
		if s.demuxer == "avi" { // it has no presentation times, so this is the decoder's delay and not a fact
			f.Video.Delay = late
		} else {
			pics.shift(late)
		}
	}
	f.OriginDen = base.Den
	f.OriginNum, err = pics.place(f.Video, s.heardFrom(c, base.Den), s.picture.Rate, s.picture.AverageRate)
	return err
}

// heardFrom is when the first sound is heard, in ticks of 1/den s, or far in the future. A recording of a broadcast starts
// with sound whose pictures are lost: that does not count.
func (s selection) heardFrom(c *collector, den int64) int64 {
	from := int64(math.MaxInt64)
	if s.demuxer == "mpegts" || s.demuxer == "mpeg" {
		return from
	}
	for _, sound := range s.sounds {
		if t := c.tracks[sound.Index]; t != nil && t.anything {
			from = min(from, int64(t.seconds(t.start)*float64(den)))
		}
	}
	return from
}

// placeSound finds the origin where there is only sound: the first of what is heard, after the encoder's priming.
func (s selection) placeSound(f *Facts, c *collector, shown decoder) error {
	for _, sound := range s.sounds {
		t := c.tracks[sound.Index]
		if t == nil || !t.anything {
			continue
		}
		var err error
		f.OriginNum, err = shown.at(sound.Index, t.base)
		f.OriginDen = t.base.Den
		return err
	}
	return refuse("no sound can be read from it")
}

// addSounds adds the tracks that have something to hear, with their ends.
func (s selection) addSounds(f *Facts, c *collector) error {
	origin := micros(f.OriginNum, f.OriginDen, func(v float64) float64 { return v })
	for _, sound := range s.sounds {
		t := c.tracks[sound.Index]
		if t == nil || !t.anything {
			continue
		}
		a := sound.audio()
		a.EndUS = int64(math.Round(t.seconds(t.end)*1e6)) - origin
		if a.EndUS > maxHours*3600*1_000_000 {
			return refuse("its sound ends after %d hours, more than %d", a.EndUS/3_600_000_000, maxHours)
		}
		if a.EndUS > 0 {
			f.Audio = append(f.Audio, a)
		}
	}
	if f.Video == nil && len(f.Audio) == 0 {
		return refuse("no sound can be read from it")
	}
	return nil
}

// stated are the formats whose files state their length; elsewhere it is an estimate.
var stated = map[string]bool{"mov": true, "matroska": true, "avi": true, "asf": true, "mxf": true, "wav": true, "flac": true}

// cutOff refuses a file that ends far before the end it states.
func (s selection) cutOff(r report, c *collector) error {
	if c.rows == 0 {
		return refuse("the file is cut off or damaged: not one packet can be read from it")
	}
	var there int64
	start := min(0, microseconds(r.Format.Start)) // a late start is part of the stated length
	for _, t := range c.tracks {
		if t.anything {
			there = max(there, int64(t.seconds(t.end)*1e6)-start)
		}
	}
	want := microseconds(r.Format.Duration)
	if missing := want - there; stated[s.demuxer] && missing > max(1_000_000, want/100) {
		return refuse("the file is cut off: %d s of %d s are there", there/1_000_000, (want+500_000)/1_000_000)
	}
	return nil
}
