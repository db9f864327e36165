package edge

import (
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/overload"
)

// tellCMSD says what the edge knows of an answer (CTA-5006): of the object, whoever asks for it, and of this transfer. It is
// said to players that send CMCD; the others' answers, and what they cost, stay as they are.
func (h *handler) tellCMSD(ctx *fasthttp.RequestCtx, t *target, r *representation) {
	var space [256]byte
	if b := r.of.static(t).Append(space[:0]); len(b) > 0 {
		ctx.Response.Header.SetCanonical(cmsdStaticName, b)
	}
	d := cmcd.Dynamic{Name: h.name, Delay: time.Since(ctx.Time()).Milliseconds(), Duress: h.pressure.Level() >= overload.Overloaded}
	if peer, _ := netip.AddrFromSlice(ctx.RemoteIP()); !h.config.Proxies.Trust(peer) { // the kernel knows the way to a proxy only
		d.RTT, d.Throughput = ctx.Conn().(*conn).way()
	}
	ctx.Response.Header.SetCanonical(cmsdDynamicName, d.Append(space[:0]))
}

var cmsdStaticName, cmsdDynamicName = []byte("Cmsd-Static"), []byte("Cmsd-Dynamic") // fasthttp's canonical names

// static is what is known of what t names. A segment is the same in HLS and DASH, so that its format is not said.
func (r *revision) static(t *target) cmcd.Static {
	s := cmcd.Static{StreamType: "l"}
	if r.show.Complete() {
		s.StreamType = "v"
	}
	switch t.what {
	case hlsMultivariant, hlsMedia:
		s.ObjectType, s.Format = "m", "h"
		return s
	case dashMPD:
		s.ObjectType, s.Format = "m", "d"
		return s
	}
	track := r.find(t.rendition)
	if track == nil {
		return s
	}
	switch track.Kind {
	case weir.Video:
		s.ObjectType = "v"
	case weir.Audio:
		s.ObjectType = "a"
	case weir.Text:
		s.ObjectType = "c"
	case weir.Image:
		s.ObjectType = "i"
	}
	if s.Bitrate = track.Peak / 1000; s.Bitrate == 0 { // not measured yet
		s.Bitrate = track.Cap / 1000
	}
	if t.what == mediaSegment {
		if _, segment, ok := r.show.Segment(string(t.rendition), int(t.number)); ok {
			s.Duration = segment.Duration * 1000 / track.Timescale
		}
	}
	return s
}

// way is what the kernel has measured of the way to the client: ms there and back, and kbps that arrived of late, which are
// less than there could be while the edge had little to send. Zeros are not known.
func (c *conn) way() (rtt, kbps int64) {
	if c.tcp == nil {
		return 0, 0
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rtt, kbps = int64(info.Rtt/1000), int64(info.Delivery_rate*8/1000)
		}
	})
	return rtt, kbps
}
