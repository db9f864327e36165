package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/freshness"
)

// Generic makes an edge a shared cache (RFC 9111) in front of any HTTP origin, in place of the viewer's paths: it rewrites
// nothing, passes every method on, and keeps what the origin allows. The zero value of each field but Origin stands for the
// default named beside it.
type Generic struct {
	Origin     *url.URL      // required: scheme and host. The request's own Host and target are sent there as they came
	Tickets    bool          // each request needs a native ticket for its path; false: open to all
	MaxObject  int64         // bytes of a response that is stored, at most; 64 MiB, and a quarter of CacheBytes. Larger ones pass through; of those without a length the first is cut off
	IndexBytes int64         // memory for stored headers, about; 64 MiB
	Timeout    time.Duration // for the origin's header, and for each pause in its body; 30 s
	MaxStale   time.Duration // how long after its end a response may be sent while the origin is away; 1 h
	ErrorPause time.Duration // how long, about, the origin is not asked again for what it could not be asked for; 1 s
}

func (g Generic) withDefaults() Generic {
	g.MaxObject = or(g.MaxObject, 64<<20)
	g.IndexBytes = or(g.IndexBytes, 64<<20)
	g.Timeout = or(g.Timeout, 30*time.Second)
	g.MaxStale = or(g.MaxStale, time.Hour)
	g.ErrorPause = or(g.ErrorPause, time.Second)
	return g
}

// longestFill bounds a whole response of an origin, which may be large and slow; Timeout bounds each pause in it.
const longestFill = 10 * time.Minute

// pseudonym is this cache's name in Via and Cache-Status.
const pseudonym = "weir"

// generic answers requests in the generic mode.
type generic struct {
	*handler
	limits  Generic
	index   *genericIndex
	fetcher fetcher
	results *prometheus.CounterVec // by what became of a request
	// authorize says whether the request may be made; it takes what is the edge's own out of it.
	authorize func(ctx *fasthttp.RequestCtx, x *exchange) error
}

func newGeneric(h *handler, config Generic) *generic {
	g := &generic{handler: h, limits: config.withDefaults()}
	g.limits.MaxObject = min(g.limits.MaxObject, h.config.CacheBytes/4)
	g.index = newGenericIndex(g.limits.IndexBytes)
	g.fetcher = newWire(config.Origin)
	g.results = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_edge_generic_requests_total",
		Help: "Requests of the generic origin mode by what became of them."}, []string{"result"})
	g.authorize = func(*fasthttp.RequestCtx, *exchange) error { return nil }
	if config.Tickets {
		g.authorize = g.byTicket
	}
	return g
}

// exchange is one request and what is being found out about its answer.
type exchange struct {
	method string
	target *url.URL    // scheme, host and, as Opaque, path and query as sent
	header http.Header // without hop-by-hop fields
	demand freshness.Demand
	body   bool         // the request has one
	hidden bool         // a ticket came in a field that others need not send
	ticket *weir.Ticket // nil: none was needed

	host     string // as the request names it
	opened   bool   // by a ticket or a token, and target is what is left without it
	answered bool   // with a redirect
	own      []byte // lines of the edge's own for the answer's header
	key      string
	start    time.Time
	stamp    uint64 // of rulings, when what is stored was looked at
	status   freshness.CacheStatus
	result   string // for the metrics
	fill     time.Duration
}

// handle answers one request. It is the fasthttp handler.
func (g *generic) handle(ctx *fasthttp.RequestCtx) {
	var t target
	t.what = generically
	c := ctx.Conn().(*conn)
	c.enter(phaseHandling)
	g.accountFor(c)
	defer g.finish(ctx, &t)
	if !acceptable(ctx) {
		g.date(ctx)
		return
	}
	x, err := g.read(ctx)
	if err == nil {
		if g.tokens == nil {
			t.path = loggedPath(x.target.Opaque)
		}
		if err = g.serve(ctx, x); x.opened { // before that the path may hold a token
			t.path = loggedPath(x.target.Opaque)
		}
	}
	if err != nil {
		g.fail(ctx, x, err)
	} else if !x.answered {
		g.after(ctx, x)
	}
	if x != nil {
		g.results.WithLabelValues(x.result).Inc()
		c.account.from(x.result)
	}
}

// loggedPath is what logs may hold of a target: neither ticket nor query, which may be a token.
func loggedPath(target string) []byte {
	path, _, _ := strings.Cut(strings.TrimPrefix(target, "/"), "?")
	if rest, ok := strings.CutPrefix(path, "t/"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	if path == "" {
		path = "/"
	}
	return []byte(path)
}

// serve chooses the way of a request.
func (g *generic) serve(ctx *fasthttp.RequestCtx, x *exchange) error {
	if err := g.authorize(ctx, x); err != nil || x.answered {
		return err
	}
	x.key = x.target.Scheme + "://" + x.target.Host + x.target.Opaque
	if done, err := g.lastHop(ctx, x); done || err != nil {
		return err
	}
	switch {
	case x.method == "CONNECT":
		return &originError{http.StatusNotImplemented, "this is not a proxy for tunnels", errors.ErrUnsupported}
	case x.method != "GET" && x.method != "HEAD":
		x.status.Fwd = freshness.FwdMethod
		return g.pass(ctx, x)
	case x.body, freshness.Origins(x.header):
		x.status.Fwd = freshness.FwdBypass
		return g.pass(ctx, x)
	case x.method == "HEAD":
		return g.head(ctx, x)
	}
	return g.get(ctx, x)
}

// read understands the request. Errors are Invalid.
func (g *generic) read(ctx *fasthttp.RequestCtx) (*exchange, error) {
	x := &exchange{method: string(ctx.Method()), start: g.now(), result: "pass"}
	x.status.Cache = pseudonym
	x.header = parseFields(ctx.Request.Header.RawHeaders())
	x.body = ctx.Request.IsBodyStream()
	host := x.header.Get("Host")
	if host == "" && !ctx.Request.Header.IsHTTP11() {
		host = g.limits.Origin.Host
	}
	raw := string(ctx.Request.Header.RequestURI())
	if !freshness.Token(x.method) || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return nil, weir.Errorf(weir.Invalid, "the request line is malformed")
	}
	if i := strings.Index(raw, "://"); i > 0 && raw[0] != '/' { // absolute-form; its host counts (RFC 9112 section 3.2.2)
		scheme, rest := raw[:i], raw[i+3:]
		if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return nil, weir.Errorf(weir.Invalid, "this scheme is not served")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		host, raw = rest[:end], rest[end:]
		if raw == "" && x.method == "OPTIONS" {
			raw = "*"
		} else if raw == "" || raw[0] == '?' {
			raw = "/" + raw
		}
	}
	if raw == "" || raw[0] != '/' && (raw != "*" || x.method != "OPTIONS") && x.method != "CONNECT" {
		return nil, weir.Errorf(weir.Invalid, "the request target is malformed")
	}
	if !validHost(host) {
		return nil, weir.Errorf(weir.Invalid, "the host is malformed")
	}
	x.host = host
	x.target = &url.URL{Scheme: "http", Host: strings.ToLower(host), Opaque: raw}
	port := ":80"
	if ctx.IsTLS() {
		x.target.Scheme, port = "https", ":443"
	}
	x.target.Host = strings.TrimSuffix(x.target.Host, port)
	x.demand = freshness.ParseDemand(x.header)
	freshness.Forward(x.header)
	delete(x.header, "Expect") // it was met when the body was asked for
	return x, nil
}

// validHost says whether a Host field names a host and nothing else.
func validHost(host string) bool {
	return host != "" && len(host) <= 255 && !strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\?#@"<>^`+"`{|}", r)
	})
}

// parseFields reads the lines of a header that checkFraming has seen.
func parseFields(raw []byte) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			h.Add(name, strings.Trim(value, " \t"))
		}
	}
	return h
}

// fail answers with a problem. x may be nil.
func (g *generic) fail(ctx *fasthttp.RequestCtx, x *exchange, err error) {
	ctx.Conn().(*conn).drop()
	var p problem
	var o *originError
	if errors.As(err, &o) {
		p = problem{Status: o.status, Detail: o.detail}
		p = p.named("origin")
	} else if p = problemOf(err); p.Status == fasthttp.StatusInternalServerError {
		g.log.Error("request failed", "error", err)
	}
	p.write(ctx)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	if x != nil {
		tellShed(ctx, err, string(x.status.Append(nil)))
		x.result = "failed"
	}
	g.date(ctx)
}

// serveGeneric makes server answer in the generic mode.
func (s *Server) serveGeneric(h *handler, server *fasthttp.Server) error {
	g := newGeneric(h, *s.Generic)
	server.NoDefaultDate = true // stored answers have the origin's
	server.Handler = g.handle
	server.ErrorHandler = func(ctx *fasthttp.RequestCtx, err error) {
		h.protocolError(ctx, err)
		g.date(ctx)
	}
	h.shelf.reads.Go(func() {
		<-h.ctx.Done()
		if w, ok := g.fetcher.(interface{ close() }); ok {
			w.close()
		}
	})
	if s.Registerer == nil {
		return nil
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weir_edge_generic_index_bytes",
		Help: "About the bytes of stored headers of the generic origin mode."}, func() float64 { return float64(g.index.size()) })
	for _, c := range []prometheus.Collector{g.results, size} {
		if err := s.Registerer.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
