package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is what histograms can tell apart; what took longer is counted as that.
const longest = time.Hour

func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), 3) // microseconds, three digits
}

func note(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // in range, so without error
}

// Recorder takes what came of every request. It is safe for concurrent use.
type Recorder struct {
	mu       sync.Mutex // guards what follows
	began    time.Time
	kinds    [kinds]kindRecord
	all      *hdrhistogram.Histogram // total, of this second
	errors   map[string]int64
	second   Second
	timeline []Second
	opened   int64 // connections
	qoe      *qoeRecord
}

type kindRecord struct {
	ttfb, total *hdrhistogram.Histogram
	requests    int64
	bytes       int64
}

func newRecorder(began time.Time) *Recorder {
	return &Recorder{began: began, all: histogram(), errors: map[string]int64{}}
}

// Answer notes a request that was answered right. Both latencies count from its intended start.
func (r *Recorder) Answer(kind Kind, bytes int64, ttfb, total time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := &r.kinds[kind]
	if k.ttfb == nil {
		k.ttfb, k.total = histogram(), histogram()
	}
	note(k.ttfb, ttfb)
	note(k.total, total)
	note(r.all, total)
	k.requests++
	k.bytes += bytes
	r.second.Requests++
	r.second.Bytes += bytes
}

// Fail notes a request that was not. Bytes that came all the same are not counted.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors[errorName(err)]++
	r.second.Errors++
}

// Opened notes a new connection.
func (r *Recorder) Opened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened++
}

// tick ends a second of the timeline and returns it.
func (r *Recorder) tick(now time.Time, client, server time.Duration) Second {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.second
	s.At = now.Sub(r.began).Seconds()
	s.ClientCPU, s.ServerCPU = client.Seconds(), server.Seconds()
	if s.Requests > 0 {
		s.P50, s.P99 = milliseconds(r.all.ValueAtPercentile(50)), milliseconds(r.all.ValueAtPercentile(99))
	}
	r.all.Reset()
	r.second = Second{}
	r.timeline = append(r.timeline, s)
	return s
}

func milliseconds(us int64) float64 { return float64(us) / 1000 }

// into writes what was recorded into a result.
func (r *Recorder) into(res *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, rec := range r.kinds {
		if rec.ttfb == nil {
			continue
		}
		res.Kinds = append(res.Kinds, KindResult{Kind: Kind(k).String(), Requests: rec.requests, Bytes: rec.bytes,
			TTFB: curve(rec.ttfb), Total: curve(rec.total)})
		res.Requests += rec.requests
		res.Bytes += rec.bytes
	}
	res.Errors, res.Timeline, res.Connections = r.errors, r.timeline, r.opened
	if r.qoe != nil {
		res.QoE = r.qoe.result()
	}
}

// percentiles are those that a curve is drawn through; the axis is by nines.
var percentiles = [...]float64{0, 10, 25, 50, 75, 80, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 100}

func curve(h *hdrhistogram.Histogram) Latency {
	l := Latency{Mean: h.Mean() / 1000}
	n := float64(h.TotalCount())
	for _, p := range percentiles {
		if p < 100 && p > 50 && n*(100-p)/100 < 1 {
			continue // fewer requests than the percentile can be told from
		}
		l.Curve = append(l.Curve, Point{P: p, Ms: milliseconds(h.ValueAtPercentile(p))})
	}
	l.P50, l.P90, l.P99, l.Max = milliseconds(h.ValueAtPercentile(50)), milliseconds(h.ValueAtPercentile(90)), milliseconds(h.ValueAtPercentile(99)), milliseconds(h.Max())
	return l
}
