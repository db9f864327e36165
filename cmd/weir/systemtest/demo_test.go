package systemtest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDemoMaster(t *testing.T) {
	const seconds = 12
	data, master := t.TempDir(), clip(t, seconds, "640x360", 30)
	s := serve(t, data, "--chunk-seconds", "8")
	got := s.ingest(master)
	l := verify(t, data, got)
	if want := int64(seconds * 30); l.frames(l.head.Tracks[0]) != want {
		t.Errorf("the plan has %d frames, the master %d", l.frames(l.head.Tracks[0]), want)
	}
	verifyLipSync(t, master, got, seconds)
	s.stop()
}

// A film that was not made for this test: 180 s with speech, 29.97 frames a second, odd timestamps.
func TestFilm(t *testing.T) {
	film := tool(t, "../../../scripts/film")
	film = filepath.Clean(film[:len(film)-1])
	if _, err := os.Stat(film); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	s := serve(t, data)
	got := s.ingest(film)
	l := verify(t, data, got)
	if n := l.frames(l.head.Tracks[0]); n < 5402 || n > 5404 {
		t.Errorf("the plan has %d frames, the film 5402", n)
	}
	s.stop()
}
