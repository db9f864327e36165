package postgres

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	weir "github.com/weirstream/weir"
)

// What holds where the URL does not say otherwise.
const (
	callTimeout    = 30 * time.Second // of one method whose ctx has no deadline
	connectTimeout = 5 * time.Second
	maxConns       = "10"
)

// settings are the server's own bounds of what a session may do. A paused server counts the pause, so they are longer than
// one that is short. A process that hangs with a transaction open loses its locks after the third.
func settings() map[string]string {
	return map[string]string{
		"application_name":                    "weir",
		"statement_timeout":                   "20s",
		"lock_timeout":                        "15s",
		"idle_in_transaction_session_timeout": "30s",
		"tcp_keepalives_idle":                 "15",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
	}
}

// parameters are what a URL may set.
func parameters() []string {
	return []string{"application_name", "call_timeout", "channel_binding", "connect_timeout", "default_query_exec_mode",
		"idle_in_transaction_session_timeout", "lock_timeout", "pool_max_conn_idle_time", "pool_max_conn_lifetime", "pool_max_conns",
		"pool_min_conns", "search_path", "sslcert", "sslkey", "sslmode", "sslrootcert", "statement_timeout", "target_session_attrs"}
}

// config reads a URL. Its errors say nothing of the URL but parameters' names: it may hold a password.
func config(raw string) (pool *pgxpool.Config, call time.Duration, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, 0, weir.Errorf(weir.Invalid, "the stores' URL is not of the form postgres://user:password@host:port/database?parameter=value")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, 0, weir.Errorf(weir.Invalid, "the parameters of the stores' URL are malformed")
	}
	for name := range query {
		if !slices.Contains(parameters(), name) {
			return nil, 0, weir.Errorf(weir.Invalid, "%q is no parameter of the stores' URL; possible: %s", name, strings.Join(parameters(), ", "))
		}
	}
	call = callTimeout
	if s := query.Get("call_timeout"); s != "" {
		if call, err = time.ParseDuration(s); err != nil || call <= 0 {
			return nil, 0, weir.Errorf(weir.Invalid, "call_timeout=%s of the stores' URL is no duration such as 30s", s)
		}
	}
	query.Del("call_timeout")
	for name, value := range map[string]string{"pool_max_conns": maxConns, "target_session_attrs": "read-write"} {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	if pool, err = pgxpool.ParseConfig(u.String()); err != nil {
		return nil, 0, &weir.Error{Kind: weir.Invalid, Detail: "the stores' URL cannot be used: " + parseDetail(err), Err: err}
	}
	bound(pool)
	return pool, call, nil
}

// parseDetail is what is wrong with a URL. The library blanks the password in what it tells.
func parseDetail(err error) string {
	var e *pgconn.ParseConfigError
	if errors.As(err, &e) {
		return e.Error()
	}
	return "it is malformed"
}

// bound sets the limits of waiting, on this side and the server's, that the URL leaves open.
func bound(c *pgxpool.Config) {
	conn := c.ConnConfig
	for name, value := range settings() {
		if conn.RuntimeParams[name] == "" {
			conn.RuntimeParams[name] = value
		}
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: conn.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn.DialFunc = dialer.DialContext
	conn.BuildContextWatcherHandler = cancelling
	c.PingTimeout = 2 * time.Second
	c.HealthCheckPeriod = 15 * time.Second
	c.MaxConnLifetimeJitter = c.MaxConnLifetime / 10
}

// cancelling asks the server to give up a statement whose ctx has ended, so that it frees its locks now, and gives the
// connection up if the server does not answer.
func cancelling(c *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Second}
}

// within bounds a call whose caller did not.
func within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, most)
}
