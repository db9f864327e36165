package edge

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/peer"
)

// isPeerPath says whether a raw target is for answerPeer. No asset has such an address: ids are longer.
func isPeerPath(raw []byte) bool {
	return len(raw) > len("/peer/") && string(raw[:len("/peer/")]) == "/peer/"
}

// answerPeer gives another edge a part of an object: out of memory, or what fills it but for other edges. The part is
// whatever the peer says, since only an edge of the cluster can say it. The answer is streamed and collapsed with others like
// a viewer's; it is not in the access log.
func (h *handler) answerPeer(ctx *fasthttp.RequestCtx, t *target, raw []byte) error {
	t.what = peerRead
	if h.tiers.peer == nil {
		return weir.Errorf(weir.NotFound, "nothing has this address")
	}
	r, err := peer.Parse(raw)
	if err == nil {
		err = h.tiers.peer.Admit(&r, string(ctx.Method()), h.now())
	}
	if err != nil {
		return err
	}
	t.path = raw[len(raw)-len(r.Part.Key):] // without the MAC, for the log
	part := r.Part
	rep := representation{class: peerRead, mediaType: "application/octet-stream", cacheControl: "no-store", size: part.Length,
		etag: segmentTag(strconv.FormatUint(uint64(part.Sum), 16), part.Off, []byte("peer")), object: object{key: cache.Key{Object: part.Key, Offset: part.Off, Length: part.Length},
			crc: part.Sum, still: part.Still, live: r.Live, noPeer: true}}
	if err := h.sendContent(ctx, &rep, nil, rangeIgnored); err != nil {
		return err
	}
	c := ctx.Conn().(*conn)
	var channel []byte
	if c.tls != nil {
		state := c.tls.ConnectionState()
		channel = peer.Channel(&state)
	}
	var stamp uint64
	if body, ok := c.out.body.(*cache.Body); ok {
		stamp = body.Stamp()
	}
	ctx.Response.Header.Set(peer.StampField, strconv.FormatUint(stamp, 10))
	ctx.Response.Header.Set(peer.ProofField, r.Proof(h.tiers.peer.Secret, stamp, channel))
	return nil
}

// ofPeers are the peer tier's.
func ofPeers(t *peer.Tier) []prometheus.Collector {
	if t == nil {
		return nil
	}
	return []prometheus.Collector{
		count("weir_edge_peer_hits_total", "Parts that came whole from another edge.", func() int64 { return t.Stats().Hits }),
		count("weir_edge_peer_misses_total", "Parts that another edge had from before a purge.", func() int64 { return t.Stats().Misses }),
		count("weir_edge_peer_failures_total", "Reads of another edge that failed, wholly or on their way.", func() int64 { return t.Stats().Failures }),
		count("weir_edge_peer_wrong_total", "Parts that came whole from another edge and failed their checksum.", func() int64 { return t.Stats().Wrong }),
		count("weir_edge_peer_busy_total", "Reads that another edge was spared because many were under way.", func() int64 { return t.Stats().Busy }),
		count("weir_edge_peer_bytes_total", "Bytes that came from other edges.", func() int64 { return t.Stats().Bytes }),
		gauge("weir_edge_peers", "Other edges of the region.", func() int64 { return t.Stats().Peers }),
		gauge("weir_edge_peer_open_breakers", "Other edges that are not asked for now because they failed.", func() int64 { return t.Stats().Open }),
	}
}
