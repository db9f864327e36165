package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ladder"
)

// pipelineCmd ingests a master and encodes it by hand beside that.
type pipelineCmd struct {
	Bin       string `help:"The weir binary." default:"bin/weir" type:"existingfile"`
	Master    string `arg:"" help:"The master." type:"existingfile"`
	MaxHeight int    `help:"Tallest rung." default:"720"`
	Slots     int    `help:"Tasks that weir encodes side by side, and processes of the side-by-side hand run." default:"2"`
	Runs      int    `help:"How often each is measured; the fastest counts." default:"2"`
}

// cost is what one way of encoding took.
type cost struct {
	what     string
	wall     time.Duration
	cpu, own time.Duration // of all processes; of weir itself, without ffmpeg
	playable time.Duration // from the end of the upload to the first listed segments
}

// Run measures weir and each hand run alternately, so that a noisy neighbour hurts all alike, and compares the fastest.
func (c pipelineCmd) Run(e env) error {
	if c.Runs < 1 || c.Runs > 10 || c.Slots < 1 || c.Slots > 64 {
		return errors.New("1 to 10 runs and 1 to 64 slots")
	}
	work, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return fmt.Errorf("make work folder: %w", err)
	}
	defer os.RemoveAll(work)
	shape, err := probe(c.Master)
	if err != nil {
		return err
	}
	rungs := ladder.Make(ladder.Policy{MaxHeight: c.MaxHeight}, shape.width, shape.height, shape.rate)
	ways := []func() (cost, error){
		func() (cost, error) { return c.weir(e, work) },
		func() (cost, error) { return c.byHand(e, work, rungs, shape, "1", 1) },
		func() (cost, error) { return c.byHand(e, work, rungs, shape, "2", 1) },
		func() (cost, error) { return c.byHand(e, work, rungs, shape, "0", 1) },
		func() (cost, error) { return c.byHand(e, work, rungs, shape, "1", c.Slots) },
	}
	best := make([]cost, len(ways))
	for range c.Runs {
		for i, way := range ways {
			got, err := way()
			if err != nil {
				return err
			}
			if best[i].wall == 0 || got.wall < best[i].wall {
				best[i] = got
			}
		}
	}
	c.report(e, rungs, shape, best)
	return nil
}

func (c pipelineCmd) report(e env, rungs weir.Ladder, shape shape, costs []cost) {
	fmt.Fprintf(e.out, "Master %s: %dx%d, %s frames a second, %.1f s. Ladder:", filepath.Base(c.Master), shape.width, shape.height, shape.rate, shape.seconds)
	for _, r := range rungs {
		fmt.Fprintf(e.out, " %s", r.Name)
	}
	fmt.Fprintf(e.out, ". Fastest of %d runs each, taken in turn.\n\n", c.Runs)
	fastest := costs[1]
	for _, h := range costs[2:] {
		if h.wall < fastest.wall {
			fastest = h
		}
	}
	fmt.Fprintln(e.out, "| way | wall s | CPU s | wall / fastest hand run | CPU / that run's |")
	fmt.Fprintln(e.out, "|---|---|---|---|---|")
	for _, h := range costs {
		fmt.Fprintf(e.out, "| %s | %.1f | %.1f | %.2f | %.2f |\n", h.what, h.wall.Seconds(), h.cpu.Seconds(),
			h.wall.Seconds()/fastest.wall.Seconds(), h.cpu.Seconds()/fastest.cpu.Seconds())
	}
	w := costs[0]
	fmt.Fprintf(e.out, "\nFrom the end of the upload: playable after %.1f s, complete after %.1f s. Of weir's CPU, %.1f s are its own: packing, "+
		"checking every frame's place, checksums, storing, the ledger; the rest is ffmpeg and ffprobe.\n\n", w.playable.Seconds(), w.wall.Seconds(), w.own.Seconds())
}

// weir ingests the master into a fresh data folder.
func (c pipelineCmd) weir(e env, work string) (cost, error) {
	data := filepath.Join(work, "data")
	if err := os.RemoveAll(data); err != nil {
		return cost{}, fmt.Errorf("empty data folder: %w", err)
	}
	s, err := start(e.ctx, c.Bin, data, "--max-height", strconv.Itoa(c.MaxHeight), "--slots", strconv.Itoa(c.Slots))
	if err != nil {
		return cost{}, err
	}
	got, err := s.ingest(e.ctx, c.Bin, c.Master)
	if err != nil {
		return cost{}, errors.Join(err, s.stop())
	}
	own, children, err := s.cpu()
	return cost{what: fmt.Sprintf("weir, %d slots", c.Slots), wall: seconds(got.Complete), cpu: own + children, own: own, playable: seconds(got.Playable)},
		errors.Join(err, s.stop())
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// byHand encodes the same ladder with ffmpeg, as processes side by side that each take a stretch of the film.
func (c pipelineCmd) byHand(e env, work string, rungs weir.Ladder, s shape, threads string, processes int) (cost, error) {
	began := time.Now()
	var mu sync.Mutex // guards cpu and errs
	var cpu time.Duration
	var errs error
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			args := handArgs(c.Master, work, rungs, s, threads, i, processes)
			cmd := exec.CommandContext(e.ctx, "ffmpeg", args...)
			out, err := cmd.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = errors.Join(errs, fmt.Errorf("ffmpeg: %w\n%s", err, out))
				return
			}
			cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		})
	}
	wg.Wait()
	what := fmt.Sprintf("ffmpeg -threads %s", threads)
	if processes > 1 {
		what = fmt.Sprintf("%d x ffmpeg -threads %s side by side", processes, threads)
	}
	return cost{what: what, wall: time.Since(began), cpu: cpu}, errs
}

// handArgs is what a person would type for the ladder: one decode, every rung, and the sound.
func handArgs(master, work string, rungs weir.Ladder, s shape, threads string, part, parts int) []string {
	args := []string{"-nostdin", "-v", "error", "-y"}
	if parts > 1 {
		length := s.seconds / float64(parts)
		args = append(args, "-ss", fmt.Sprintf("%.3f", float64(part)*length), "-t", fmt.Sprintf("%.3f", length))
	}
	args = append(args, "-i", master)
	var video []weir.Rung
	for _, r := range rungs {
		if r.Codec == "h264" {
			video = append(video, r)
		}
	}
	graph := fmt.Sprintf("[0:v]fps=%s,split=%d", s.rate, len(video))
	for i := range video {
		graph += fmt.Sprintf("[s%d]", i)
	}
	for i, r := range video {
		graph += fmt.Sprintf(";[s%d]scale=%d:%d:flags=bicubic,setsar=1,format=yuv420p[v%d]", i, r.Width, r.Height, i)
	}
	args = append(args, "-filter_complex", graph)
	gop := strconv.Itoa(int(4*s.rate.Float() + 0.5))
	for i, r := range video {
		args = append(args, "-map", fmt.Sprintf("[v%d]", i), "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-threads", threads,
			"-crf", strconv.Itoa(r.CRF), "-maxrate", strconv.Itoa(r.MaxRate), "-bufsize", strconv.Itoa(r.BufferSize), "-g", gop, "-keyint_min", gop,
			"-sc_threshold", "0", "-bf", "2", "-f", "mp4", filepath.Join(work, fmt.Sprintf("hand-%d-%d.mp4", part, i)))
	}
	if s.audio {
		args = append(args, "-map", "0:a:0", "-vn", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000", "-f", "mp4", filepath.Join(work, fmt.Sprintf("hand-%d-a.mp4", part)))
	}
	return args
}

// shape is what the hand run needs to know of the master.
type shape struct {
	width, height int
	rate          weir.Rational
	seconds       float64
	audio         bool
}

func probe(master string) (shape, error) {
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,r_frame_rate:format=duration,nb_streams",
		"-of", "default=noprint_wrappers=1", master).Output()
	if err != nil {
		return shape{}, fmt.Errorf("ffprobe: %w", err)
	}
	values := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\n") {
		k, v, _ := strings.Cut(line, "=")
		values[k] = v
	}
	var s shape
	if _, err := fmt.Sscanf(values["r_frame_rate"], "%d/%d", &s.rate.Num, &s.rate.Den); err != nil {
		return shape{}, fmt.Errorf("read frame rate %q: %w", values["r_frame_rate"], err)
	}
	s.width, err = strconv.Atoi(values["width"])
	if err != nil {
		return shape{}, fmt.Errorf("read width: %w", err)
	}
	s.height, err = strconv.Atoi(values["height"])
	if err != nil {
		return shape{}, fmt.Errorf("read height: %w", err)
	}
	s.seconds, err = strconv.ParseFloat(values["duration"], 64)
	if err != nil {
		return shape{}, fmt.Errorf("read duration: %w", err)
	}
	s.audio = values["nb_streams"] != "1"
	return s, nil
}
