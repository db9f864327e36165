package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirstream/weir"
)

// Bounds of waits.
const (
	leastTTL   = time.Second            // of an instance
	callWithin = 5 * time.Second        // any call that does not block on purpose
	listWithin = 30 * time.Second       // all pairs at once
	stopWithin = 2 * time.Second        // what is still asked of Consul when a context has ended
	watchWait  = 10 * time.Second       // how long Consul holds a blocking query; a hung one is noticed soon after
	watchPause = 50 * time.Millisecond  // the longest pause between two blocking queries
	firstRetry = 100 * time.Millisecond // doubled with each failure
	lastRetry  = 3 * time.Second
)

// Registry is [weir.Registry] on Consul. Open makes it. Safe for concurrent use, also by several processes with one prefix.
type Registry struct {
	client    *api.Client
	transport *http.Transport
	prefix    string // of keys, "" or with a slash at its end; names of services start with it too
	grace     time.Duration
	log       *slog.Logger
}

var _ weir.Registry = (*Registry)(nil)

// Open reads a URL such as consul://127.0.0.1:8500?prefix=weir/ and gives the registry there. It names one agent, best that of
// the machine, and not several behind one address: registrations are the agent's. A URL that cannot be read is Invalid. Consul may be away: that is logged. A nil log is nowhere. The caller calls Close.
//
// The query may hold token (else CONSUL_HTTP_TOKEN), datacenter, prefix ("weir/"), tls (false; certificates by
// CONSUL_CACERT, CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY) and grace ("15s"): for how long after an outage instances that
// Consul does not know again yet count as there.
func Open(ctx context.Context, url string, log *slog.Logger) (*Registry, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := parse(url)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: callWithin / 2, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: callWithin / 2,
		MaxIdleConnsPerHost: 32, // each watcher holds one
		IdleConnTimeout:     time.Minute,
	}
	config := api.DefaultConfig() // reads the environment; the URL goes before it
	config.Address, config.Scheme, config.Transport = s.address, "http", transport
	if s.tls {
		config.Scheme = "https"
	}
	if s.token != "" {
		config.Token = s.token
	}
	if s.datacenter != "" {
		config.Datacenter = s.datacenter
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, weir.Errorf(weir.Invalid, "set up the client of Consul: %w", err)
	}
	r := &Registry{client: client, transport: transport, prefix: s.prefix, grace: s.grace, log: log}
	r.greet(ctx)
	return r, nil
}

// greet tells early of a wrong address.
func (r *Registry) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if _, err := r.client.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx)); err != nil {
		r.log.Warn("consul does not answer yet", "error", err)
	}
}

// Close gives idle connections up. Nobody may use the registry any more.
func (r *Registry) Close() error {
	r.transport.CloseIdleConnections()
	return nil
}

// options are those of a read. Without RequireConsistent a server that was started again answers, for a moment, without what
// it has not read back from its log yet.
func options(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
}

// failed is the error of a call under ctx, the caller's own context: Unavailable if Consul is away, Internal if it refuses
// what this program asks.
func failed(ctx context.Context, err error, format string, args ...any) error {
	act := fmt.Sprintf(format, args...)
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", act, cause)
	}
	var status api.StatusError
	if errors.As(err, &status) && status.Code < http.StatusInternalServerError && status.Code != http.StatusTooManyRequests {
		return weir.Errorf(weir.Internal, "%s: Consul refuses: %w", act, err)
	}
	// The client reads the detail, the log the cause.
	return fmt.Errorf("%s: %w (%v)", act, &weir.Error{Kind: weir.Unavailable, Detail: "the registry does not answer; try again", Err: err}, err)
}
