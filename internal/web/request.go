package web

import (
	"context"
	"net/netip"

	weir "github.com/weirstream/weir"
)

// Caller is who a request speaks for.
type Caller struct {
	Request      string          // the request's id: in its log lines and in problems
	Organisation string          // whose things it may see and change
	Client       netip.Addr      // where the request comes from, behind trusted proxies; invalid if unknown
	Secure       bool            // it came over TLS, as far as the last trusted proxy knows
	Draining     <-chan struct{} // see the function of that name
}

type callerKey struct{}

// WithCaller is ctx with the caller in it. The gateway does this once, after it has checked who it is.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Organisation is the caller's; a context without a caller (a job of the process itself) speaks for the default one.
func Organisation(ctx context.Context) string {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok && c.Organisation != "" {
		return c.Organisation
	}
	return weir.DefaultOrganisation
}

// RequestID is the request's id, or "" outside of one.
func RequestID(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c.Request
}

// Secure says whether the request came over TLS, so that a cookie may be kept to it.
func Secure(ctx context.Context) bool {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c.Secure
}

// Draining is closed when the server wants to stop: what streams without an end ends then. Nil, which is never closed, if
// the context has no caller.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c.Draining
}
