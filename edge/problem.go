package edge

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
)

// problemBase and a kind's name make a problem's type (RFC 9457): stable, and the address of a page that explains it.
const problemBase = "https://weir.stream/problems/"

// problem is an error answer.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// problemOf is what a client may know of err: the one table of kinds and statuses here.
func problemOf(err error) problem {
	kind := weir.KindOf(err)
	p := problem{Detail: weir.Detail(err)}
	switch kind {
	case weir.Invalid:
		p.Status = fasthttp.StatusBadRequest
	case weir.Unauthenticated:
		p.Status = fasthttp.StatusUnauthorized
	case weir.Forbidden:
		p.Status = fasthttp.StatusForbidden
	case weir.NotFound:
		p.Status = fasthttp.StatusNotFound
	case weir.Gone:
		p.Status = fasthttp.StatusGone
	case weir.Precondition:
		p.Status = fasthttp.StatusPreconditionFailed
	case weir.BadRange:
		p.Status = fasthttp.StatusRequestedRangeNotSatisfiable
	case weir.Unavailable:
		p.Status = fasthttp.StatusServiceUnavailable
	case weir.Timeout:
		p.Status = fasthttp.StatusGatewayTimeout
	default:
		kind, p.Status, p.Detail = weir.Internal, fasthttp.StatusInternalServerError, "Something went wrong in the edge. Its log knows more."
	}
	return p.named(kind.String())
}

// named fills in type and title.
func (p problem) named(kind string) problem {
	p.Type, p.Title = problemBase+kind, fasthttp.StatusMessage(p.Status)
	return p
}

// write answers with p. Nothing else of an answer may have been written but the fields every answer has.
func (p problem) write(ctx *fasthttp.RequestCtx) {
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings and a number
		panic(err)
	}
	ctx.SetStatusCode(p.Status)
	h := &ctx.Response.Header
	h.SetContentType("application/problem+json")
	switch p.Status {
	case fasthttp.StatusNotFound: // what is not there now may be in a second
		h.Set("Cache-Control", "public, max-age=1")
	case fasthttp.StatusGone:
		h.Set("Cache-Control", "public, max-age=60")
	default:
		h.Set("Cache-Control", "no-store")
	}
	switch p.Status {
	case fasthttp.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="weir"`)
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusGatewayTimeout:
		h.Set("Retry-After", "1")
	case fasthttp.StatusMethodNotAllowed:
		h.Set("Allow", allowedMethods)
	}
	ctx.Response.SetBodyRaw(body)
}

// protocolError answers what fasthttp could not read as a request.
func (h *handler) protocolError(ctx *fasthttp.RequestCtx, err error) {
	p, kind := problem{Status: fasthttp.StatusBadRequest, Detail: "this is not a valid HTTP/1.1 request"}, weir.Invalid.String()
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		p.Status, p.Detail, kind = fasthttp.StatusRequestHeaderFieldsTooLarge, "the request's header is too large", "header-too-large"
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.Status, p.Detail, kind = fasthttp.StatusRequestTimeout, "the request did not arrive in time", "request-timeout"
	}
	ctx.Response.Reset()
	setCommon(ctx)
	p.named(kind).write(ctx)
	h.metrics.answered(nothing, p.Status)
}
