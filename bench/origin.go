package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Origin is the server behind the caches that are compared: bodies that depend on the path only, a delay, and faults on
// demand. Paths:
//
//	/bench/<bytes>[k|m]/<anything>      those bytes; ranges, If-Range, conditional requests, ETag
//	/hls/<title>/main.m3u8              a title of 60 segments of 4 s in four bit rates, made of such bodies
//	/live/<title>/main.m3u8             the same as a sliding window that grows by the clock
//	/-/reads                            how many requests for bodies came, in all and by path, as JSON; DELETE forgets
//
// A query of ?delay=150ms&max-age=60 overrides the settings for one request.
type Origin struct {
	Delay  time.Duration // before the first byte of a body
	MaxAge time.Duration // for which caches may keep bodies; playlists of live titles: 1 s
	Faults *Faults       // nil: none

	mu    sync.Mutex // guards reads
	reads Reads
}

// Reads is what an origin was asked for.
type Reads struct {
	Total int64            `json:"total"`
	Bytes int64            `json:"bytes"` // of the whole bodies that were asked for
	Sent  int64            `json:"sent"`  // bytes of bodies that were handed out: of a range only those
	Paths map[string]int64 `json:"paths"` // at most 100,000 of them
}

const maxReadPaths = 100_000

// ServeHTTP answers.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/-/reads":
		o.report(w, r)
	case strings.HasPrefix(r.URL.Path, "/hls/"), strings.HasPrefix(r.URL.Path, "/live/"):
		servePlaylist(w, r, time.Now())
	default:
		size, ok := ownSize(r.URL.Path)
		if !ok || !strings.HasPrefix(r.URL.Path, own) {
			http.NotFound(w, r)
			return
		}
		o.body(w, r, size)
	}
}

func (o *Origin) body(w http.ResponseWriter, r *http.Request, size int64) {
	o.note(r.URL.Path, size)
	delay, maxAge := o.Delay, o.MaxAge
	if d, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil && d >= 0 && d <= time.Minute {
		delay = d
	}
	if d, err := time.ParseDuration(r.URL.Query().Get("max-age") + "s"); err == nil && d >= 0 {
		maxAge = d
	}
	pause(r.Context(), delay)
	b := Body(r.URL.Path, size)
	h := w.Header()
	h.Set("Etag", fmt.Sprintf(`"%08x-%x"`, crc32.Checksum(b, castagnoli), size))
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	h.Set("Content-Type", contentType(r.URL.Path))
	if o.Faults != nil {
		w = o.Faults.wrap(w, r, size)
	}
	out := &sending{ResponseWriter: w}
	defer func() { // a fault may panic
		o.mu.Lock()
		o.reads.Sent += out.n
		o.mu.Unlock()
	}()
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(b))
}

func contentType(path string) string {
	switch kindOf(path) {
	case Manifest:
		return "application/vnd.apple.mpegurl"
	case Init, Segment:
	}
	return "video/mp4"
}

func (o *Origin) note(path string, size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reads.Paths == nil {
		o.reads.Paths = map[string]int64{}
	}
	o.reads.Total++
	o.reads.Bytes += size
	if _, known := o.reads.Paths[path]; known || len(o.reads.Paths) < maxReadPaths {
		o.reads.Paths[path]++
	}
}

func (o *Origin) report(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.Method {
	case http.MethodDelete:
		o.reads = Reads{}
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		one := Reads{Total: o.reads.Total, Bytes: o.reads.Bytes, Sent: o.reads.Sent, Paths: o.reads.Paths}
		if p := r.URL.Query().Get("path"); p != "" {
			one.Paths = map[string]int64{p: o.reads.Paths[p]}
		}
		_ = json.NewEncoder(w).Encode(one) // who asked may be gone
	default:
		w.Header().Set("Allow", "GET, DELETE")
		http.Error(w, "GET or DELETE", http.StatusMethodNotAllowed)
	}
}

// sending counts the bytes of a body that went out.
type sending struct {
	http.ResponseWriter
	n int64
}

// Write hands on.
func (s *sending) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	s.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (s *sending) Unwrap() http.ResponseWriter { return s.ResponseWriter }
