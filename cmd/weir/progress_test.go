package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/internal/client"
)

func TestBar(t *testing.T) {
	f := func(done, total int64, want string) {
		t.Helper()
		if got := bar("480p", done, total); got != want {
			t.Errorf("bar(%d, %d) = %q, want %q", done, total, got, want)
		}
	}
	f(0, 0, "480p       [........................................]   0.0 %")
	f(0, 10, "480p       [........................................]   0.0 %")
	f(1, 3, "480p       [#############...........................]  33.3 %")
	f(10, 10, "480p       [########################################] 100.0 %")
	f(11, 10, "480p       [########################################] 100.0 %")
	f(1<<52, 1<<53, "480p       [####################....................]  50.0 %")
}

// clock is a time that moves by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// Without a terminal there is a line now and then, so that a log stays short.
func TestProgressLines(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	var out strings.Builder
	p := newProgress(&out, true, c.now)
	p.upload(1, 4)
	p.upload(2, 4)
	c.t = c.t.Add(quietFor)
	p.status(client.Status{State: "encoding", Playable: true, Segments: 1, TotalSegments: 3,
		Renditions: []client.Rendition{{Name: "480p", Done: 1, Total: 2}, {Name: "stereo", Done: 2, Total: 2}}})
	c.t = c.t.Add(quietFor - 1)
	p.status(client.Status{State: "complete"})
	want := "upload     [##########..............................]  25.0 %\n" +
		"encoding   playable: 1 of 3 segments  480p       [####################....................]  50.0 %" +
		"  stereo     [########################################] 100.0 %\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("progress without a terminal (-want +got):\n%s", diff)
	}
}

// On a terminal each drawing takes the place of the one before, also of a longer one.
func TestProgressOnATerminal(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, true, time.Now)
	p.tty = true
	p.upload(4, 4)
	p.status(client.Status{State: "probing"})
	p.status(client.Status{State: "encoding", Renditions: []client.Rendition{{Name: "480p"}}})
	p.status(client.Status{State: "complete"})
	want := bar("upload", 4, 4) + "\n" +
		"\x1b[1A\x1b[Jprobing    \n" +
		"\x1b[1A\x1b[Jencoding   \n" + bar("480p", 0, 0) + "\n" +
		"\x1b[2A\x1b[Jcomplete   every segment is there\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("progress on a terminal (-want +got):\n%s", diff)
	}
}

func TestNoProgress(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false, time.Now)
	p.upload(1, 2)
	p.status(client.Status{State: "encoding"})
	if out.Len() > 0 {
		t.Errorf("progress that is off prints %q", out.String())
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if newProgress(file, true, time.Now).tty {
		t.Error("a file is taken for a terminal")
	}
}
