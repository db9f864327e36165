package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
	"github.com/weirstream/weir/edge/cache/shared"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/overload"
	"github.com/weirstream/weir/edge/peer"
	"github.com/weirstream/weir/edge/rulings"
)

// Server is an edge: the media listener. Set its fields, then call Serve once.
type Server struct {
	Config
	Blobs      weir.Blobs                              // required
	Shared     weir.Cache                              // index pages that edges share; nil: none. Away or slow, it does no harm
	Segments   *shared.Tier                            // segments that edges share; its Stale is Purged of Rulings, and whoever made it runs it. nil: none
	Disk       *disk.Tier                              // what memory let go; its Stale is the same, and whoever opened it closes it after Serve. nil: none
	Fresh      func() bool                             // whether all purges are known that Disk and Segments could miss; nil: yes
	Keys       func(kid string) (weir.TicketKey, bool) // required: the keys whose tickets are taken; called at any time
	Registerer prometheus.Registerer                   // nil: metrics are kept but nobody sees them
	Log        *slog.Logger                            // nil: silence
	Now        func() time.Time                        // nil: time.Now
	At         func(point string)                      // named kill points; nil does nothing
	Rulings    *rulings.Rulings                        // purges and revocations, told by who follows their log; nil: none
	Access     *accesslog.Log                          // gets a record of each request; whoever made it runs it. nil: none
	Peer       *peer.Tier                              // other edges of the region; whoever made it tells it of them. nil: none, and none is answered
	Tokens     *Tokens                                 // foreign tokens that are taken; nil: none
	Name       string                                  // tells the edge from others, in CMSD; "weir"
	Generic    *Generic                                // not nil: a cache in front of an HTTP origin instead of what viewers ask for; Blobs is not needed

	serving atomic.Bool
	open    openConns
	load    func() overload.Load // for tests; nil: what is seen
}

// Serve answers on ln until ctx ends, then lets the requests under way finish within DrainTimeout, closes what is left,
// and returns nil. It closes ln. Any other end is an error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h, err := s.newHandler()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	var cancel context.CancelFunc
	h.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.shelf.ctx = h.ctx
	defer h.tiers.origin.Wait() // for reads that were given up and did not heed it
	defer h.shelf.reads.Wait()
	defer h.cache.Close()
	defer cancel()
	if s.Registerer != nil {
		if err := h.metrics.register(s.Registerer, h, &s.open); err != nil {
			return errors.Join(fmt.Errorf("register metrics: %w", err), ln.Close())
		}
	}
	media := mediaListener{Listener: patientListener{ln, h.log, &h.warnAccept}, at: s.At, refuse: newRefuser(h).refuse,
		room:  func() bool { return s.open.count() < h.config.Connections },
		ready: make(chan *conn), failed: make(chan error, 1)}
	if h.config.TLSCert != "" || h.config.TLSKey != "" {
		certs, err := loadCertificates(h.config.TLSCert, h.config.TLSKey, h.log)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		media.tls, media.fail = certs.config(), h.metrics.handshakes.failed
		h.shelf.reads.Go(func() { certs.watch(h.ctx, certificateTick) })
	}
	s.open.revived, s.open.over, s.open.idle = media.ready, make(chan struct{}), h.config.IdleTimeout
	defer s.open.closeParked()
	h.shelf.reads.Go(func() { media.accept(s.open.over) })
	h.shelf.reads.Go(func() { (&watcher{h.config, &s.open, h.metrics.slow.Inc}).run(h.ctx) })
	load := s.load
	if load == nil {
		load = h.loadSeen()
	}
	h.shelf.reads.Go(func() { h.watchLoad(h.ctx, load) })
	server := s.fasthttpServer(h)
	if s.Disk != nil {
		h.shelf.reads.Go(func() { h.tiers.sweep(h.ctx, h.rulings) })
	}
	if s.Generic != nil {
		if err := s.serveGeneric(h, server); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(media) }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	select {
	case err := <-ended:
		if err == nil { // fasthttp's word for a listener that somebody else closed
			err = net.ErrClosed
		}
		return fmt.Errorf("serve media: %w", err)
	case <-ctx.Done():
	}
	s.serving.Store(false)
	return s.drain(server, cancel, ended)
}

// drain ends server within the bound: first politely, then by ending fills and closing connections.
func (s *Server) drain(server *fasthttp.Server, cancel context.CancelFunc, ended <-chan error) error {
	timeout := s.withDefaults().DrainTimeout
	s.open.closeParked()
	polite, done := context.WithTimeout(context.Background(), timeout)
	defer done()
	if err := server.ShutdownWithContext(polite); err != nil {
		cancel()
		select {
		case <-s.open.closeAll():
		case <-time.After(timeout):
			return fmt.Errorf("drain media: %w", err)
		}
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("serve media: %w", err)
	}
	return nil
}

// Ready is nil while the server takes requests: what /readyz of the admin listener tells. Otherwise it is Unavailable.
func (s *Server) Ready() error {
	if !s.serving.Load() {
		return weir.Errorf(weir.Unavailable, "the edge is not serving")
	}
	return nil
}

func (s *Server) newHandler() (*handler, error) {
	h := &handler{config: s.withDefaults(), now: s.Now, log: s.Log,
		tickets: &tickets{keys: s.Keys}, metrics: newMetrics(), tokens: s.Tokens, access: s.Access,
		name: cmp.Or(s.Name, pseudonym), pressure: &pressure{}, prefetch: newPrefetches(s.At)}
	if h.now == nil {
		h.now = time.Now
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.rulings = s.Rulings; h.rulings == nil {
		h.rulings = rulings.New()
	}
	h.tiers = tiers{disk: s.Disk, shared: s.Segments, peer: s.Peer, rulings: h.rulings, fresh: s.Fresh,
		origin: &origin.Origin{Blobs: s.Blobs, Shared: s.Shared, SharedTimeout: h.config.ShareTimeout}}
	h.pressure.reads = func() (float64, time.Duration) { return h.tiers.origin.InFlight(), h.tiers.origin.QueueWait() }
	if h.tiers.fresh == nil {
		h.tiers.fresh = func() bool { return true }
	}
	fill, stall := h.config.FillTimeout, h.config.FillTimeout // the origin has a stall of its own, after which it asks again
	if s.Generic != nil {
		fill, stall = longestFill, s.Generic.withDefaults().Timeout
	}
	h.shelf = &shelf{limit: h.config.IndexBytes, log: h.log, slots: map[revisionKey]*slot{}, read: h.readRevision, stamp: h.rulings.Number}
	var err error
	h.cache, err = cache.New(cache.Config{Budget: h.config.CacheBytes, FillTimeout: fill, Stall: stall, Remember: h.config.ErrorPause,
		Pages: h.config.Pages, Filled: h.metrics.filled})
	return h, err
}

// readRevision is the shelf's reader, counted.
func (h *handler) readRevision(ctx context.Context, key revisionKey, old *revision) (*revision, error) {
	r, changed, err := readRevision(ctx, h.tiers.origin, key, old)
	switch {
	case weir.KindOf(err) == weir.NotFound && err != nil:
		h.metrics.heads[headMissing].Inc()
	case err != nil:
		h.metrics.heads[headFailed].Inc()
	case changed:
		h.metrics.heads[headChanged].Inc()
	default:
		h.metrics.heads[headSame].Inc()
	}
	return r, err
}

func (s *Server) fasthttpServer(h *handler) *fasthttp.Server {
	return &fasthttp.Server{ // without timeouts: the watcher's are cheaper and know progress
		Handler:                      h.handle,
		ErrorHandler:                 h.protocolError,
		ConnState:                    s.open.changed,
		Logger:                       quiet{h.log},
		SecureErrorLogMessage:        true,
		Concurrency:                  h.config.Connections + 1, // the listener's own limit comes first
		ReadBufferSize:               h.config.HeaderBytes,
		CloseOnShutdown:              true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		StreamRequestBody:            true, // answer from the header; bodies are not read
	}
}

// quiet is fasthttp's logger. Its messages may quote requests, and so tickets: only their formats, which are constants,
// are kept.
type quiet struct{ log *slog.Logger }

// Printf logs the format without its arguments: what happened to one connection for who debugs, what happened to the
// server, which fasthttp says at most once a minute, for everybody.
func (q quiet) Printf(format string, _ ...any) {
	if strings.HasPrefix(format, "error when serving connection") {
		q.log.Debug("connection ended", "reason", format)
		return
	}
	q.log.Warn("media server is in trouble", "reason", format)
}
