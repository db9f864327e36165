package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	chosen, err := choose(demuxer, r)
	if err != nil {
		return Facts{}, err
	}
	c, err := p.packets(ctx, r, chosen.picture)
	if err != nil {
		return Facts{}, err
	}
	return chosen.describe(r, c, func(stream int) (int64, error) { return p.firstShown(ctx, stream) })
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
