package cache_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/edge/cache"
)

var update = flag.Bool("update", false, "rewrite the expected output of testdata")

// TestScripts runs the stories of testdata: commands, and after those that print something "----", what they print and
// an empty line.
//
//	budget N [LIVE]     start over with room for N units, LIVE of them the share of live; a unit is 64 KiB
//	get KEY N [live]    ask for KEY of N units: prints where it came from or an error; N may be ? for unknown
//	begin KEY N [live]  the same, but the fill waits for end; the answer is printed once it is known
//	write KEY N         the fill writes N units more
//	end KEY             the fill writes what is left and succeeds
//	fail KEY            the fill fails
//	hold KEY            open KEY and keep it
//	run KEY N           print whether unit N of the body that is held can be read now, and wait if not
//	let KEY             release it
//	forget KEY N        forget
//	remove STAMP        forget what was filled before STAMP; get and begin take stamps 1, 2, ...
//	advance D           let time pass
//	show [live]         print the queues
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runScript(t, file) })
		})
	}
}

func runScript(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t}
	defer s.close()
	var got bytes.Buffer
	expected := false
	for line := range strings.Lines(string(want)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "----":
			expected = true
		case expected: // compared as a whole below
			expected = line != ""
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&got, line)
		default:
			fmt.Fprintln(&got, line)
			if out := s.do(strings.Fields(line)); out != "" {
				fmt.Fprintf(&got, "----\n%s\n", out)
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got.String() != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got.String(), want)
	}
}

// story is the state of one script.
type story struct {
	t     *testing.T
	m     *cache.Memory
	fills map[string]chan step // of the fills that wait
	held  map[string]*cache.Body
	stamp uint64
	out   chan string
}

// step is what a fill does next: write n bytes, or end if n is 0.
type step struct {
	n   int64
	err error
}

func (s *story) close() {
	for key := range s.held {
		s.held[key].Release()
	}
	if s.m != nil {
		s.m.Close()
		synctest.Wait()
		s.drain()
	}
}

func (s *story) do(cmd []string) string {
	arg := append(cmd, "", "", "")[1:4]
	switch cmd[0] {
	case "budget":
		s.close()
		s.start(arg[0], arg[1])
	case "get":
		out := s.get(arg[0], arg[1], arg[2] == "live", nil)
		synctest.Wait() // the fill may have a little left to do
		return out
	case "begin":
		steps := s.fills[arg[0]]
		if steps == nil {
			steps = make(chan step, 100)
			s.fills[arg[0]] = steps
		}
		go func() { s.out <- s.get(arg[0], arg[1], arg[2] == "live", steps) }()
	case "write":
		s.fills[arg[0]] <- step{n: s.units(arg[1])}
	case "end":
		s.fills[arg[0]] <- step{}
		delete(s.fills, arg[0])
	case "fail":
		s.fills[arg[0]] <- step{err: errors.New("the origin is broken")}
		delete(s.fills, arg[0])
	case "run":
		go func() { s.out <- s.run(arg[0], s.units(arg[1])) }()
	case "let":
		s.held[arg[0]].Release()
		delete(s.held, arg[0])
	case "forget":
		s.m.Forget(cache.Key{Object: arg[0], Length: s.units(arg[1])}, math.MaxUint64)
	case "remove":
		n, _ := strconv.ParseUint(arg[0], 10, 64)
		return fmt.Sprintf("%d removed\n", s.m.Remove(func(_ cache.Key, stamp uint64) bool { return stamp < n }))
	case "advance":
		d, err := time.ParseDuration(arg[0])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d) // of the bubble's clock
	case "show":
		return s.m.Dump(arg[0] == "live") + "\n"
	case "hold":
		b, _, err := s.ask(arg[0], arg[1], false, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		s.held[arg[0]] = b
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
	synctest.Wait()
	return s.drain()
}

func (s *story) start(budget, live string) {
	n, share := s.units(budget), int64(0)
	if live != "" {
		share = s.units(live)
		share += share >> 16 * cache.Overhead
	}
	var err error
	s.m, err = cache.New(cache.Config{Budget: n + n>>16*cache.Overhead, LiveShare: share, FillTimeout: 10 * time.Second, Stall: 4 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	s.fills, s.held, s.stamp, s.out = map[string]chan step{}, map[string]*cache.Body{}, 0, make(chan string, 100)
}

// get asks for key; the fill does the steps, or all at once if there are none.
func (s *story) get(key, n string, live bool, steps chan step) string {
	b, source, err := s.ask(key, n, live, steps)
	if err != nil {
		return fmt.Sprintf("%s: %v\n", key, err)
	}
	b.Release()
	return fmt.Sprintf("%s: %s\n", key, [...]string{"hit", "stored", "collapsed"}[source])
}

func (s *story) ask(key, n string, live bool, steps chan step) (*cache.Body, cache.Source, error) {
	size := s.units(n)
	s.stamp++
	return s.m.Fill(context.Background(), cache.Key{Object: key, Length: size}, cache.Options{Live: live, Stamp: s.stamp}, func(ctx context.Context, w *cache.Writer) error {
		left := size
		write := func(n int64) {
			for n > 0 {
				space := w.Space()
				if len(space) == 0 {
					return
				}
				k := min(n, int64(len(space)))
				w.Filled(int(k))
				n, left = n-k, left-k
			}
		}
		for steps != nil {
			select {
			case step := <-steps:
				if step.err != nil {
					return step.err
				}
				if step.n > 0 {
					write(step.n)
					continue
				}
				write(left)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		write(left)
		return nil
	})
}

// run reads the first byte of unit n of the body that is held.
func (s *story) run(key string, n int64) string {
	_, err := s.held[key].Run(context.Background(), n, 1)
	if err != nil {
		return fmt.Sprintf("%s at %d: %v\n", key, n>>16, err)
	}
	return fmt.Sprintf("%s at %d: there\n", key, n>>16)
}

// drain returns what was answered since the last command, sorted.
func (s *story) drain() string {
	lines := make([]string, len(s.out))
	for i := range lines {
		lines[i] = <-s.out
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (s *story) units(n string) int64 {
	if n == "?" {
		return cache.Unknown
	}
	v, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v << 16
}
