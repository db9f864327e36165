package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/sandbox"
)

// Bounds of ffprobe's runs. The second reads the whole file.
const (
	headWall    = 2 * time.Minute
	packetsWall = 2 * time.Hour
)

// Probe learns what the master at path, an absolute one, is. dir is an empty work folder. Unprocessable carries the
// reason why it is refused; other kinds are troubles of this machine.
func Probe(ctx context.Context, run ffmpeg.Runner, path, dir string) (Facts, error) {
	demuxer, err := sniffFile(path)
	if err != nil {
		return Facts{}, err
	}
	p := prober{run: run, path: path, dir: dir, demuxer: demuxer}
	r, err := p.report(ctx)
	if err != nil {
		return Facts{}, err
	}
	picture := r.picture()
	sounds, err := r.sounds()
	if err != nil {
		return Facts{}, err
	}
	if picture == nil && len(sounds) == 0 {
		return Facts{}, refuse("it has no picture and no sound")
	}
	f := Facts{Demuxer: demuxer}
	if picture != nil {
		if f.Video, err = picture.video(); err != nil {
			return Facts{}, err
		}
	}
	c, err := p.packets(ctx, r, picture)
	if err != nil {
		return Facts{}, err
	}
	if err := cutOff(demuxer, r, c); err != nil {
		return Facts{}, err
	}
	if picture != nil {
		err = p.placePicture(ctx, &f, *picture, sounds, c)
	} else {
		err = p.placeSound(ctx, &f, sounds, c)
	}
	if err != nil {
		return Facts{}, err
	}
	return f, f.addSounds(sounds, c)
}

func sniffFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open the master: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("look at the master: %w", err)
	}
	return sniff(file, info.Size())
}

// prober runs ffprobe on one file.
type prober struct {
	run                ffmpeg.Runner
	path, dir, demuxer string
}

func (p prober) ffprobe(ctx context.Context, out io.Writer, wall time.Duration, args ...string) error {
	all := append([]string{"-v", "error", "-hide_banner"}, ffmpeg.OpenArgs(p.demuxer)...)
	all = append(append(all, args...), "-i", "file:"+p.path)
	return p.run(ctx, sandbox.Command{Path: "ffprobe", Args: all, Dir: p.dir, ReadOnly: []string{p.path}, Stdout: out,
		Limits: sandbox.Limits{Wall: wall, FileSize: 1 << 20}})
}

// report asks for the streams. What ffprobe cannot read is refused.
func (p prober) report(ctx context.Context) (report, error) {
	out := &bounded{left: maxReport}
	err := p.ffprobe(ctx, out, headWall, "-show_streams", "-show_format", "-of", "json")
	var exit *sandbox.ExitError
	switch {
	case out.left == 0:
		return report{}, refuse("this file describes itself in more than %d bytes", maxReport)
	case errors.As(err, &exit):
		return report{}, p.unreadable(exit)
	case weir.KindOf(err) == weir.Timeout && ctx.Err() == nil:
		return report{}, refuse("this file takes more than %s to open", headWall)
	case err != nil:
		return report{}, fmt.Errorf("probe the streams: %w", err)
	}
	return parseReport(out.b.Bytes())
}

// unreadable says in words what ffprobe said of a file it gave up on.
func (p prober) unreadable(exit *sandbox.ExitError) error {
	name := map[string]string{"mov": "MP4", "mpeg": "MPEG-PS", "mpegts": "MPEG-TS"}[p.demuxer]
	if name == "" {
		name = p.demuxer
	}
	if strings.Contains(exit.Stderr, "moov atom not found") {
		return refuse("the file is cut off or damaged: its index (moov) is missing, so nothing in it can be played")
	}
	return &weir.Error{Kind: weir.Unprocessable, Detail: fmt.Sprintf("the file is damaged: it looks like %s but cannot be read", name), Err: exit}
}

// packets reads the timestamps of the whole file.
func (p prober) packets(ctx context.Context, r report, picture *stream) (*collector, error) {
	c := newCollector(r, picture)
	err := p.ffprobe(ctx, c, packetsWall, "-show_entries", "packet=stream_index,pts,dts,duration,flags", "-of", "csv=p=0")
	var exit *sandbox.ExitError
	switch {
	case c.err != nil:
		return nil, c.err
	case err == nil || errors.As(err, &exit) && exit.Signal == 0:
		return c, nil // what could be read counts; cutOff judges whether that is enough
	}
	return nil, fmt.Errorf("probe the packets: %w", err)
}

// firstShown is the timestamp that the decoder gives the first picture or sound of a stream, in ticks of its time base.
func (p prober) firstShown(ctx context.Context, index int) (int64, error) {
	out := &bounded{left: 64 << 10}
	err := p.ffprobe(ctx, out, headWall, "-select_streams", strconv.Itoa(index), "-read_intervals", "%+#64",
		"-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0")
	if err != nil && ctx.Err() != nil {
		return 0, fmt.Errorf("decode the start: %w", err)
	}
	for line := range strings.Lines(out.b.String()) {
		field, _, _ := strings.Cut(strings.TrimSpace(line), ",")
		if t, ok := ticks([]byte(field)); ok {
			return t, nil
		}
	}
	return 0, refuse("the start of track %d cannot be decoded", index)
}

// placePicture finds the origin and the grid by the pictures.
func (p prober) placePicture(ctx context.Context, f *Facts, s stream, sounds []stream, c *collector) error {
	base, ok := s.timeBase()
	if !ok {
		return refuse("its pictures have no clock")
	}
	pics, err := clocked(c.pictures, base)
	if err != nil {
		return err
	}
	if pics.guessed {
		shown, err := p.firstShown(ctx, s.Index)
		if err != nil {
			return err
		}
		times, err := pics.presented()
		if err != nil {
			return err
		}
		late := shown*base.Num - times[0]
		if p.demuxer == "avi" { // it has no presentation times, so this is the decoder's delay and not a fact
			f.Video.Delay = late
		} else {
			pics.shift(late)
		}
	}
	f.OriginDen = base.Den
	f.OriginNum, err = pics.place(f.Video, p.heardFrom(sounds, c, base.Den), s.Rate, s.AverageRate)
	return err
}

// heardFrom is when the first sound is heard, in ticks of 1/den s, or far in the future. A recording of a broadcast starts
// with sound whose pictures are lost: that does not count.
func (p prober) heardFrom(sounds []stream, c *collector, den int64) int64 {
	from := int64(math.MaxInt64)
	if p.demuxer == "mpegts" || p.demuxer == "mpeg" {
		return from
	}
	for _, s := range sounds {
		if t := c.tracks[s.Index]; t != nil && t.anything {
			from = min(from, int64(t.seconds(t.start)*float64(den)))
		}
	}
	return from
}

// placeSound finds the origin where there is only sound: the first of what is heard, after the encoder's priming.
func (p prober) placeSound(ctx context.Context, f *Facts, sounds []stream, c *collector) error {
	for _, s := range sounds {
		t := c.tracks[s.Index]
		if t == nil || !t.anything || t.base.Den > 1<<32 {
			continue
		}
		shown, err := p.firstShown(ctx, s.Index)
		if err != nil {
			return err
		}
		f.OriginNum, f.OriginDen = shown*t.base.Num, t.base.Den
		return nil
	}
	return refuse("no sound can be read from it")
}

// addSounds adds the tracks that have something to hear, with their ends.
func (f *Facts) addSounds(sounds []stream, c *collector) error {
	origin := micros(f.OriginNum, f.OriginDen, func(v float64) float64 { return v })
	for _, s := range sounds {
		t := c.tracks[s.Index]
		if t == nil || !t.anything {
			continue
		}
		a := s.audio()
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
func cutOff(demuxer string, r report, c *collector) error {
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
	if missing := want - there; stated[demuxer] && missing > max(1_000_000, want/100) {
		return refuse("the file is cut off: %d s of %d s are there", there/1_000_000, (want+500_000)/1_000_000)
	}
	return nil
}

// bounded keeps what is written to it up to a limit and then refuses.
type bounded struct {
	b    bytes.Buffer
	left int
}

func (w *bounded) Write(b []byte) (int, error) {
	if len(b) >= w.left {
		w.left = 0
		return 0, io.ErrShortBuffer
	}
	w.left -= len(b)
	return w.b.Write(b)
}
