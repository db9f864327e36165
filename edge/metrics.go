package edge

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// classes are the label values of what was asked for, by what.
var classes = [...]string{nothing: "none", hlsMultivariant: "multivariant", hlsMedia: "playlist", dashMPD: "mpd",
	initSegment: "init", mediaSegment: "segment", wholeTrack: "track", poster: "poster", livez: "livez", generically: "origin"}

// statuses are the label values of statuses. Another one, which would be a defect, is counted as the last.
var statuses = [...]int{200, 206, 304, 204, 400, 401, 403, 404, 405, 408, 410, 412, 416, 417, 431, 503, 504, 500}

// metrics are the edge's numbers. Labels are bounded: no path, ticket, asset or address is ever one.
type metrics struct {
	requests [len(classes)][len(statuses)]prometheus.Counter
	bytes    [len(classes)]prometheus.Counter
	heads    map[string]prometheus.Counter // by result
	panics   prometheus.Counter
	slow     prometheus.Counter
	refused  prometheus.Counter

	fillSeconds               *prometheus.HistogramVec
	fillGood, fillBad         prometheus.Observer
	requestsTotal, bytesTotal *prometheus.CounterVec
	headReads                 *prometheus.CounterVec
}

// Results of a head read.
const (
	headSame    = "unchanged"
	headChanged = "changed"
	headMissing = "missing"
	headFailed  = "failed"
)

func newMetrics() *metrics {
	m := &metrics{heads: map[string]prometheus.Counter{}}
	m.requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_edge_requests_total",
		Help: "Answered requests by what was asked for and status."}, []string{"class", "status"})
	m.bytesTotal = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_edge_response_bytes_total",
		Help: "Bytes of content handed to clients' connections, without headers and problems."}, []string{"class"})
	m.headReads = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_edge_head_reads_total",
		Help: "Reads of revision heads by result."}, []string{"result"})
	m.fillSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weir_edge_fill_seconds",
		Help:    "Time of fills of the memory tier, waiting for room included.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12)}, []string{"result"})
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_edge_panics_total",
		Help: "Requests that ended in a defect of the edge."})
	m.slow = prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_edge_slow_readers_total",
		Help: "Connections ended because the client took less than the minimum rate."})
	m.refused = prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_edge_refused_connections_total",
		Help: "Connections answered with 503 because there are too many."})
	for class, name := range classes {
		m.bytes[class] = m.bytesTotal.WithLabelValues(name)
		for i, status := range statuses {
			m.requests[class][i] = m.requestsTotal.WithLabelValues(name, strconv.Itoa(status))
		}
	}
	for _, result := range []string{headSame, headChanged, headMissing, headFailed} {
		m.heads[result] = m.headReads.WithLabelValues(result)
	}
	m.fillGood, m.fillBad = m.fillSeconds.WithLabelValues("ok"), m.fillSeconds.WithLabelValues("failed")
	return m
}

// register adds the metrics, and those read from the handler's parts, to r.
func (m *metrics) register(r prometheus.Registerer, h *handler, open *openConns) error {
	c, o := h.cache, h.origin
	count := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	gauge := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	for _, collector := range []prometheus.Collector{m.requestsTotal, m.bytesTotal, m.headReads, m.fillSeconds, m.panics, m.slow, m.refused,
		count("weir_edge_cache_hits_total", "Requests answered from memory.", func() int64 { return c.Stats().Hits }),
		count("weir_edge_cache_misses_total", "Requests that started a fill.", func() int64 { return c.Stats().Misses }),
		count("weir_edge_cache_collapsed_total", "Requests that waited for another's fill.", func() int64 { return c.Stats().Collapsed }),
		count("weir_edge_cache_evictions_total", "Entries evicted from memory.", func() int64 { return c.Stats().Evictions }),
		count("weir_edge_cache_panics_total", "Fills that ended in a defect of the edge.", func() int64 { return c.Stats().Panics }),
		gauge("weir_edge_cache_bytes", "Bytes of the memory tier's budget in use, fills in flight included.", func() int64 { return c.Stats().Bytes }),
		gauge("weir_edge_cache_entries", "Entries in the memory tier.", func() int64 { return c.Stats().Entries }),
		count("weir_edge_origin_retries_total", "Reads of the object store asked again after a break.", func() int64 { n, _ := o.Counts(); return n }),
		count("weir_edge_origin_damaged_total", "Reads of the object store whose bytes failed their checksum.", func() int64 { _, n := o.Counts(); return n }),
		count("weir_edge_shared_hits_total", "Index pages that came from the shared cache.", func() int64 { n, _ := o.SharedCounts(); return n }),
		count("weir_edge_shared_misses_total", "Index pages that the shared cache did not give.", func() int64 { _, n := o.SharedCounts(); return n }),
		gauge("weir_edge_index_bytes", "About the bytes of heads, pages and manifests in memory.", h.shelf.size),
		gauge("weir_edge_connections", "Open client connections.", func() int64 { return int64(open.count()) }),
		gauge("weir_edge_idle_connections", "Client connections that wait without buffers.", func() int64 { return int64(open.idlers()) }),
	} {
		if err := r.Register(collector); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) filled(took time.Duration, err error) {
	if err != nil {
		m.fillBad.Observe(took.Seconds())
		return
	}
	m.fillGood.Observe(took.Seconds())
}

func (m *metrics) answered(class what, status int) {
	if class == generically { // an origin may send any
		label := "other"
		if fasthttp.StatusMessage(status) != "Unknown Status Code" {
			label = strconv.Itoa(status)
		}
		m.requestsTotal.WithLabelValues(classes[class], label).Inc()
		return
	}
	for i, s := range statuses {
		if s == status || i == len(statuses)-1 {
			m.requests[class][i].Inc()
			return
		}
	}
}
