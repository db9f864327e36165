package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode/ladder"
)

func TestLoadOnlyGoesToLoopback(t *testing.T) {
	for _, target := range []string{"http://192.0.2.1:80/x", "http://10.0.0.1:80/x"} {
		if _, err := load(t.Context(), target, 1, time.Millisecond); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("load(%s) = %v, want a refusal", target, err)
		}
	}
}

func TestLoadCountsWholeAnswers(t *testing.T) {
	served := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++ // one connection: one at a time
		_, _ = w.Write(bytes.Repeat([]byte{1}, 100_000))
	}))
	n, err := load(t.Context(), s.URL+"/segment", 1, 100*time.Millisecond)
	s.Close()
	if err != nil || n == 0 || n != served {
		t.Errorf("load = %d, %v; the server answered %d", n, err, served)
	}
}

func TestLoadTellsErrors(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if _, err := load(t.Context(), s.URL+"/segment", 2, time.Second); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("load of what is not there = %v, want the status", err)
	}
}

func TestHandRunHasEveryRung(t *testing.T) {
	s := shape{width: 1280, height: 720, rate: weir.Rational{Num: 25, Den: 1}, seconds: 100, audio: true}
	rungs := ladder.Make(ladder.Policy{MaxHeight: 720}, s.width, s.height, s.rate)
	args := handArgs("m.mp4", "/w", rungs, s, "2", 1, 2)
	count := func(arg string) (n int) {
		for _, a := range args {
			if a == arg {
				n++
			}
		}
		return n
	}
	if got, want := count("libx264"), len(rungs)-1; got != want {
		t.Errorf("the hand run encodes %d pictures, want %d", got, want)
	}
	if count("aac") != 1 {
		t.Errorf("the hand run encodes the sound %d times", count("aac"))
	}
	if i := slices.Index(args, "-ss"); i < 0 || args[i+1] != "50.000" {
		t.Errorf("the second of two processes starts at %v", args)
	}
}

func TestReportComparesWithTheFastestHandRun(t *testing.T) {
	var out bytes.Buffer
	c := pipelineCmd{Master: "m.mp4", Runs: 1}
	c.report(env{out: &out}, nil, shape{rate: weir.Rational{Num: 25, Den: 1}}, []cost{
		{what: "weir", wall: 10 * time.Second, cpu: 20 * time.Second},
		{what: "slow", wall: 20 * time.Second, cpu: 20 * time.Second},
		{what: "quick", wall: 8 * time.Second, cpu: 16 * time.Second},
	})
	if want := "| weir | 10.0 | 20.0 | 1.25 | 1.25 |"; !strings.Contains(out.String(), want) {
		t.Errorf("the report has no line %q:\n%s", want, out.String())
	}
}
