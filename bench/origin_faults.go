package bench

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// faultNames are what can go wrong with a read from bench's origin.
var faultNames = []string{
	"truncate", // the connection ends in the middle of a body whose length was told
	"reset",    // the same, by a reset
	"chunked",  // the length is not told, and the last chunk never comes
	"slow",     // the body stops for a while, then goes on
	"length",   // the length that is told is larger than the body
	"error",    // 503 instead
}

// Faults breaks a share of an origin's answers. It is safe for concurrent use.
type Faults struct {
	names []string
	share float64
	stall time.Duration

	mu sync.Mutex // guards r
	r  *rand.Rand
}

// NewFaults breaks a share (0 to 1) of answers, each in one of the ways named: truncate, reset, chunked, slow, length,
// error; or all. stall is how long slow ones stop. Errors are Invalid.
func NewFaults(names []string, share float64, stall time.Duration, seed uint64) (*Faults, error) {
	if share < 0 || share > 1 || stall < 0 || stall > time.Minute || len(names) == 0 {
		return nil, weir.Errorf(weir.Invalid, "faults are a share of 0 to 1, and stop for a minute at most")
	}
	if slices.Equal(names, []string{"all"}) {
		names = faultNames
	}
	for _, n := range names {
		if !slices.Contains(faultNames, n) {
			return nil, weir.Errorf(weir.Invalid, "%q is no fault; there are %v", n, faultNames)
		}
	}
	return &Faults{names: names, share: share, stall: stall, r: rand.New(rand.NewPCG(seed, 0x666175))}, nil
}

// wrap gives the writer of one answer a fault, or none.
func (f *Faults) wrap(w http.ResponseWriter, r *http.Request, size int64) http.ResponseWriter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.r.Float64() >= f.share {
		return w
	}
	return &faulty{ResponseWriter: w, r: r, name: f.names[f.r.IntN(len(f.names))], left: int64(f.r.Float64() * float64(size)), stall: f.stall}
}

// faulty is the writer of an answer that goes wrong after left bytes.
type faulty struct {
	http.ResponseWriter
	r     *http.Request
	name  string
	left  int64
	stall time.Duration
	over  bool
}

// WriteHeader changes what is told of the body's length.
func (f *faulty) WriteHeader(status int) {
	h := f.Header()
	switch f.name {
	case "chunked":
		h.Del("Content-Length")
	case "length":
		if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n > 0 {
			h.Set("Content-Length", strconv.FormatInt(n+1000, 10))
		}
	case "error":
		h.Set("Content-Length", "0")
		h.Del("Etag")
		h.Set("Cache-Control", "no-store")
		status = http.StatusServiceUnavailable
	}
	f.ResponseWriter.WriteHeader(status)
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.name == "error" {
		return len(b), nil
	}
	if f.over || f.name == "length" || int64(len(b)) <= f.left {
		f.left -= int64(len(b))
		return f.ResponseWriter.Write(b)
	}
	n, err := f.ResponseWriter.Write(b[:f.left])
	if err != nil {
		return n, err
	}
	f.over = true
	control := http.NewResponseController(f.ResponseWriter)
	_ = control.Flush() // what matters is that it then breaks
	switch f.name {
	case "slow":
		pause(f.r.Context(), f.stall)
		m, err := f.ResponseWriter.Write(b[n:])
		return n + m, err
	case "reset":
		if c, _, err := control.Hijack(); err == nil {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // close then resets: tcp(7)
			}
			_ = c.Close()
		}
		return n, net.ErrClosed
	}
	panic(http.ErrAbortHandler)
}
