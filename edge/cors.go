package edge

import "github.com/valyala/fasthttp"

const allowedMethods = "GET, HEAD, OPTIONS"

// setCommon sets the fields that every answer has. Any page may read what its ticket allows; no answer depends on
// cookies a browser adds by itself, because credentials are never allowed across origins.
func setCommon(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.SetCanonical(allowOriginName, allowOrigin)
	h.SetCanonical(exposeName, expose)
	h.SetCanonical(resourcePolicyName, resourcePolicy)
	h.SetCanonical(timingOriginName, allowOrigin)
}

// preflight answers OPTIONS (Fetch standard, CORS-preflight fetch).
func preflight(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set("Allow", allowedMethods)
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	h.Set("Access-Control-Allow-Headers", "Range, If-Range, If-Match, If-None-Match, Authorization, "+
		"CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status")
	h.Set("Access-Control-Max-Age", "86400")
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
