package edge

import (
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/edge/cmcd"
)

// account is what the access log will say of a connection's request. There is one a connection, made when the log is on.
type account struct {
	log *accesslog.Log
	accesslog.Record
	cmcd cmcd.Data
}

// sent counts bytes of a body. It may be asked of no account.
func (a *account) sent(n int) {
	if a != nil {
		a.Bytes += int64(n)
	}
}

// close writes the record: the last byte was handed over, or never will be. It may be asked of no account.
func (a *account) close() {
	if a == nil {
		return
	}
	a.Took = time.Since(a.Time)
	a.log.Record(&a.Record)
	a.Record = accesslog.Record{}
}

// accountFor is the connection's account, emptied; nil if nobody wants it.
func (h *handler) accountFor(c *conn) *account {
	if h.access == nil {
		return nil
	}
	if c.account == nil {
		c.account = &account{log: h.access}
	}
	c.account.Record = accesslog.Record{}
	return c.account
}

// record says what was answered, now or when the body has been sent.
func (h *handler) record(ctx *fasthttp.RequestCtx, t *target, status int) {
	c := ctx.Conn().(*conn)
	a := c.account
	if h.access == nil || a == nil || t.what == peerRead { // the other edge records what the viewer got
		return
	}
	req := &ctx.Request.Header
	a.Time, a.Method, a.Path, a.Status = ctx.Time(), loggedMethod(ctx.Method()), t.path, status
	a.FirstByte = time.Since(a.Time)
	a.Client, a.Range = h.client(ctx), req.Peek("Range")
	a.Asset, a.Revision = string(t.asset), int64(t.revision)
	if c.tls != nil {
		a.TLS = "1.3"
	}
	if a.cmcd.Read(req.Peek("CMCD-Object"), req.Peek("CMCD-Request"), req.Peek("CMCD-Session"), req.Peek("CMCD-Status"), ctx.URI().QueryString()) {
		a.CMCD = &a.cmcd
	}
	switch s := ctx.Response.BodyStream().(type) {
	case *stream:
		s.account = a
	case *endless:
		s.account = a
	case *counted:
		s.account = a
	default:
		if !ctx.IsHead() {
			a.Bytes = int64(len(ctx.Response.Body()))
		}
		a.close()
	}
}

// from notes what gave the bytes.
func (a *account) from(tier string) {
	if a != nil {
		a.Cache = tier
	}
}

// admitted notes whose ticket it was.
func (a *account) admitted(session, organisation string) {
	if a != nil {
		a.Session, a.Organisation = session, organisation
	}
}
