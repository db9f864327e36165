package edge

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/valyala/fasthttp"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/overload"
	"github.com/weirstream/weir/edge/rulings"
)

// classes are the label values of what was asked for, by what.
var classes = [...]string{nothing: "none", hlsMultivariant: "multivariant", hlsMedia: "playlist", dashMPD: "mpd",
	initSegment: "init", mediaSegment: "segment", wholeTrack: "track", poster: "poster", livez: "livez", generically: "origin", peerRead: "peer"}

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
	handshakes                handshakes
}

// Results of a head read.
const (
	headSame    = "unchanged"
	headChanged = "changed"
	headMissing = "missing"
	headFailed  = "failed"
)

func newMetrics() *metrics {
	m := &metrics{heads: map[string]prometheus.Counter{}, handshakes: newHandshakes()}
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

// count and gauge are metrics that are read from what counts them.
func count(name, help string, f func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
}

func gauge(name, help string, f func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
}

// ofCache are the memory tier's. The object and the byte hit ratio are hits over hits, misses and collapsed together.
func ofCache(c *cache.Memory) []prometheus.Collector {
	return []prometheus.Collector{
		count("weir_edge_cache_hits_total", "Requests answered from memory.", func() int64 { return c.Stats().Hits }),
		count("weir_edge_cache_misses_total", "Requests that started a fill.", func() int64 { return c.Stats().Misses }),
		count("weir_edge_cache_collapsed_total", "Requests that waited for another's fill.", func() int64 { return c.Stats().Collapsed }),
		count("weir_edge_cache_hit_bytes_total", "Bytes of the bodies that requests found in memory.", func() int64 { return c.Stats().HitBytes }),
		count("weir_edge_cache_miss_bytes_total", "Bytes of the bodies that requests had filled.", func() int64 { return c.Stats().MissBytes }),
		count("weir_edge_cache_collapsed_bytes_total", "Bytes of the bodies of others' fills.", func() int64 { return c.Stats().CollapsedBytes }),
		count("weir_edge_cache_refused_total", "Requests answered by the error of a fill that failed a moment before.", func() int64 { return c.Stats().Refused }),
		count("weir_edge_cache_evictions_total", "Entries evicted from memory.", func() int64 { return c.Stats().Evictions }),
		count("weir_edge_cache_moved_bytes_total", "Bytes copied so that pages come free.", func() int64 { return c.Stats().Moved }),
		count("weir_edge_cache_panics_total", "Fills that ended in a defect of the edge.", func() int64 { return c.Stats().Panics }),
		gauge("weir_edge_cache_bytes", "Bytes of the memory tier's budget in use, fills in flight included.", func() int64 { return c.Stats().Bytes }),
		gauge("weir_edge_cache_live_bytes", "Bytes in memory of what is growing.", func() int64 { return c.Stats().LiveBytes }),
		gauge("weir_edge_cache_dead_bytes", "Bytes in memory of nothing, until their pages are given back.", func() int64 { return c.Stats().Dead }),
		gauge("weir_edge_cache_loose_bytes", "Bytes in memory that are evicted and still being sent.", func() int64 { return c.Stats().Loose }),
		gauge("weir_edge_cache_filling_bytes", "Bytes in memory of fills in flight.", func() int64 { return c.Stats().Filling }),
		gauge("weir_edge_cache_entries", "Entries in the memory tier.", func() int64 { return c.Stats().Entries }),
		gauge("weir_edge_cache_ghosts", "Keys remembered after their eviction.", func() int64 { return c.Stats().Ghosts }),
		gauge("weir_edge_cache_huge_pages", "Whether the memory has huge pages: 0 or 1.", func() int64 {
			if c.Stats().HugePages {
				return 1
			}
			return 0
		}),
	}
}

// ofOrigin are those of reads of the object store.
func ofOrigin(o *origin.Origin) []prometheus.Collector {
	return []prometheus.Collector{
		count("weir_edge_origin_retries_total", "Reads of the object store asked again after a break.", func() int64 { return o.Counts().Resumed }),
		count("weir_edge_origin_damaged_total", "Reads of the object store whose bytes failed their checksum.", func() int64 { return o.Counts().Damaged }),
		count("weir_edge_origin_stalled_total", "Reads of the object store given up because no byte came.", func() int64 { return o.Counts().Stalled }),
		count("weir_edge_origin_hedged_total", "Second reads of the object store, begun because the first byte was late.", func() int64 { return o.Counts().Hedged }),
		count("weir_edge_origin_hedges_won_total", "Second reads that were faster than the first.", func() int64 { return o.Counts().HedgesWon }),
		count("weir_edge_origin_shed_total", "Reads refused, since too many waited or they could not begin in time.", func() int64 { return o.Counts().Shed }),
		gauge("weir_edge_origin_reads", "Reads of the object store under way.", func() int64 { return int64(o.Counts().Reading) }),
		gauge("weir_edge_origin_queued", "Reads that wait for their turn.", func() int64 { return int64(o.Counts().Queued) }),
		count("weir_edge_shared_hits_total", "Index pages that came from the shared cache.", func() int64 { n, _ := o.SharedCounts(); return n }),
		count("weir_edge_shared_misses_total", "Index pages that the shared cache did not give.", func() int64 { _, n := o.SharedCounts(); return n }),
	}
}

// ofRulings are those of purges and revocations.
func ofRulings(r *rulings.Rulings) []prometheus.Collector {
	size := func(name, help string, pick func(purged, revoked, closed int) int) prometheus.Collector {
		return gauge(name, help, func() int64 { return int64(pick(r.Size())) })
	}
	return []prometheus.Collector{
		gauge("weir_edge_log_number", "The newest number known of the log of purges and revocations.", func() int64 { return int64(r.Number()) }),
		size("weir_edge_purged_names", "Names that purges are remembered of.", func(purged, _, _ int) int { return purged }),
		size("weir_edge_revoked", "Sessions and subjects that are revoked.", func(_, revoked, _ int) int { return revoked }),
		size("weir_edge_closed_organisations", "Organisations whose tickets are all refused, since too many are revoked.", func(_, _, closed int) int { return closed }),
	}
}

// ofPressure are those of the load, of what is given up for it, and of what is read before it is asked for.
func ofPressure(h *handler) []prometheus.Collector {
	labelled := func(name, help, label, value string, f func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: value}},
			func() float64 { return float64(f()) })
	}
	shed := func(value string, k overload.Kind) prometheus.Collector {
		return labelled("weir_edge_shed_total", "What was not begun since there was too much to do, by kind.", "kind", value,
			func() int64 { return h.pressure.Shed(k) })
	}
	ahead := func(result string, n *atomic.Int64) prometheus.Collector {
		return labelled("weir_edge_prefetches_total", "Reads of what players would ask for next: begun, failed, not begun since there were too many, asked for later, and not asked for while that was remembered.",
			"result", result, n.Load)
	}
	p := h.prefetch
	return []prometheus.Collector{
		gauge("weir_edge_load_level", "How much there is to do: 0 calm, 1 busy (no prefetches), 2 overloaded (no misses).",
			func() int64 { return int64(h.pressure.Level()) }),
		shed("prefetch", overload.Prefetch), shed("miss", overload.Miss),
		ahead("started", &p.started), ahead("failed", &p.failed), ahead("dropped", &p.dropped), ahead("used", &p.used), ahead("wasted", &p.wasted),
	}
}

// register adds the metrics, and those read from the handler's parts, to r.
func (m *metrics) register(r prometheus.Registerer, h *handler, open *openConns) error {
	for _, collector := range slices.Concat(ofCache(h.cache), ofOrigin(h.tiers.origin), ofRulings(h.rulings), h.tiers.metrics(), ofPeers(h.tiers.peer), ofPressure(h), []prometheus.Collector{m.requestsTotal, m.bytesTotal,
		m.headReads, m.fillSeconds, m.panics, m.slow, m.refused, m.handshakes,
		gauge("weir_edge_index_bytes", "About the bytes of heads, pages and manifests in memory.", h.shelf.size),
		gauge("weir_edge_connections", "Open client connections.", func() int64 { return int64(open.count()) }),
		gauge("weir_edge_idle_connections", "Client connections that wait without buffers.", func() int64 { return int64(open.idlers()) }),
	}) {
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
