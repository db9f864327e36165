package cache_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
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
//	budget N       start over with N units of room; a unit is 1 KiB, bookkeeping included
//	get KEY N      ask for KEY of N units: prints hit, stored or an error
//	begin KEY N    the same, but the fill waits for end; the answer is printed by end or leave
//	end KEY        let the fill of KEY succeed
//	fail KEY       let the fill of KEY fail
//	advance D      let time pass
//	show           print the queues
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
	s := &story{t: t, fills: map[string]chan error{}}
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
	fills map[string]chan error // the ends of the fills that wait
	out   chan string
}

func (s *story) close() {
	if s.m != nil {
		s.m.Close()
	}
}

func (s *story) do(cmd []string) string {
	switch arg := append(cmd, "", "")[1:3]; cmd[0] {
	case "budget":
		s.close()
		s.m = cache.New(cache.Config{Budget: s.units(arg[0]), FillTimeout: 10 * time.Second})
		s.out = make(chan string, 100)
		return ""
	case "get":
		return s.get(arg[0], arg[1], nil)
	case "begin":
		end := s.fills[arg[0]]
		if end == nil {
			end = make(chan error, 1)
			s.fills[arg[0]] = end
		}
		go func() { s.out <- s.get(arg[0], arg[1], end) }()
	case "end":
		s.fills[arg[0]] <- nil
		delete(s.fills, arg[0])
	case "fail":
		s.fills[arg[0]] <- errors.New("the origin is broken")
		delete(s.fills, arg[0])
	case "advance":
		d, err := time.ParseDuration(arg[0])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d) // of the bubble's clock
	case "show":
		return s.m.Dump() + "\n"
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
	synctest.Wait()
	return s.drain()
}

// get asks for key; the fill ends when end says so, or at once if it is nil.
func (s *story) get(key, n string, end chan error) string {
	size := s.units(n) - cache.Overhead
	_, source, err := s.m.Get(context.Background(), cache.Key{Object: key, Length: size}, func(ctx context.Context) ([]byte, error) {
		if end != nil {
			select {
			case err := <-end:
				if err != nil {
					return nil, err
				}
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return make([]byte, size), nil
	})
	if err != nil {
		return fmt.Sprintf("%s: %v\n", key, err)
	}
	return fmt.Sprintf("%s: %s\n", key, [...]string{"hit", "stored", "collapsed"}[source])
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
	v, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v << 10
}
