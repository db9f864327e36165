package edge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/edge/peer"
)

// renditions of the asset that a region has; each has 6 segments.
var renditions = []string{videoID, audioID, "c0c1c2c3c4c5c6c7", "d0d1d2d3d4d5d6d7"}

var peerSecret = bytes.Repeat([]byte("p"), peer.SecretBytes)

// region is edges over one store, each the others' peer.
type region struct {
	*site // the first, whose store all have
	edges []*site
	tiers []*peer.Tier
}

// startRegion starts n edges over the store of the first.
func startRegion(t testing.TB, n, segmentSize int, configs ...func(*edge.Server)) *region {
	t.Helper()
	r := &region{}
	var peers []peer.Peer
	for i := range n {
		tier := &peer.Tier{Self: "edge-" + itoa(i), Secret: peerSecret, FirstByte: 20 * time.Second, Stall: 20 * time.Second, Connect: 10 * time.Second}
		s := start(t, segmentSize, append([]func(*edge.Server){func(e *edge.Server) {
			if e.Peer, e.Now = tier, nil; i > 0 {
				e.Blobs = r.store
			}
		}}, configs...)...)
		s.clock.Store(time.Now().UnixNano()) // tickets are good by the machine's clock here
		s.ticket = s.mint(assetID+"/", time.Hour)
		if i == 0 {
			r.site = s
		}
		r.edges, r.tiers = append(r.edges, s), append(r.tiers, tier)
		peers = append(peers, peer.Peer{ID: tier.Self, Address: s.addr, TLS: s.server.TLSCert != ""})
	}
	for i, rendition := range renditions[2:] {
		tr := r.head.Tracks[0]
		tr.Rendition, tr.Name, tr.Pages = rendition, "more"+itoa(i), nil
		r.track(tr, segmentSize+(i+1)*1000)
	}
	for _, tier := range r.tiers {
		tier.SetPeers(peers)
		t.Cleanup(tier.Close)
	}
	return r
}

// clientsByScale is full at WEIR_TEST_SCALE 1, and a tenth of it, but at least 5, unset or in CI.
func clientsByScale(full int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0
	}
	return max(int(float64(full)*min(scale, 1)), full/10, 5)
}

// everybody has clients at each edge ask for every segment, in an order of their own, and looks at every byte. did is told
// after each answer.
func (r *region) everybody(clients int, did func()) {
	r.t.Helper()
	transport := &http.Transport{MaxConnsPerHost: clients, MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	for i, s := range r.edges {
		for c := range clients {
			wg.Go(func() {
				for n := range 24 {
					rendition, segment := renditions[(n+c)%4], (n+c)/4%6
					b, err := fetch(transport, "http://"+s.addr+s.url(rendition+"/"+itoa(segment+1)+".m4s"))
					if err != nil || !bytes.Equal(b, r.bytes[rendition][segment]) {
						r.t.Errorf("edge %d, %s/%d: %d bytes, %v, want the %d that were stored", i, rendition, segment+1, len(b), err, len(r.bytes[rendition][segment]))
					}
					did()
				}
			})
		}
	}
	wg.Wait()
}

func fetch(transport *http.Transport, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, weir.Errorf(weir.Unavailable, "status %d", response.StatusCode)
	}
	return io.ReadAll(response.Body)
}

// A segment is read from the store once for the region, however many ask wherever.
func TestPeersReadOnceForTheRegion(t *testing.T) {
	r := startRegion(t, 3, 100_000)
	r.list(weir.Complete, 6)
	r.everybody(clientsByScale(50), func() {})
	if n := r.store.count(".cmf"); n != 24 {
		t.Errorf("3 edges read 24 segments %d times, want 24", n)
	}
	var hits, served float64
	for _, s := range r.edges {
		hits += s.metric("weir_edge_peer_hits_total")
		served += s.metric(`weir_edge_requests_total`, "class=peer", "status=200")
		if failures := s.metric("weir_edge_peer_failures_total"); failures != 0 {
			t.Errorf("%v reads of peers failed", failures)
		}
	}
	if hits != 48 || served != 48 { // two edges of three do not own it
		t.Errorf("%v parts came from peers and %v were served, want 48", hits, served)
	}
}

// brittle stands before an edge: its connections break after limit bytes of answers, and die altogether with it.
type brittle struct {
	net.Listener
	limit int64
	flip  atomic.Bool // a bit of each answer
	mu    sync.Mutex  // guards conns and dead
	conns []net.Conn
	dead  bool
	pipes sync.WaitGroup
}

// before returns a brittle to the edge at addr; it ends with the test.
func before(t testing.TB, addr string, limit int64) *brittle {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &brittle{Listener: ln, limit: limit}
	t.Cleanup(b.die)
	b.pipes.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", addr)
			if err != nil || !b.keep(c, up) {
				_ = c.Close()
				continue
			}
			b.pipes.Go(func() { _, _ = io.Copy(up, c); _ = up.Close() })
			b.pipes.Go(func() { _, _ = io.CopyN(c, b.bent(up), b.limit); _ = c.Close(); _ = up.Close() })
		}
	})
	return b
}

// bent is what up says, but for a bit.
func (b *brittle) bent(up io.Reader) io.Reader {
	if !b.flip.Load() {
		return up
	}
	flipped := make([]byte, 10_000)
	n, _ := io.ReadFull(up, flipped) // a short one ends with the rest
	if n > 0 {
		flipped[n-1] ^= 1
	}
	return io.MultiReader(bytes.NewReader(flipped[:n]), up)
}

func (b *brittle) keep(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, conns...)
	return !b.dead
}

func (b *brittle) die() {
	_ = b.Close()
	b.mu.Lock()
	b.dead = true
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.pipes.Wait()
}

// An edge whose connections break in the middle of answers, and which then cannot be reached at all, while everybody asks:
// all viewers get every byte.
func TestAPeerDies(t *testing.T) {
	r := startRegion(t, 3, 300_000)
	r.list(weir.Complete, 6)
	front := before(t, r.edges[2].addr, 700_000)
	for _, tier := range r.tiers {
		tier.SetPeers([]peer.Peer{{ID: "edge-0", Address: r.edges[0].addr}, {ID: "edge-1", Address: r.edges[1].addr}, {ID: "edge-2", Address: front.Addr().String()}})
	}
	var answered atomic.Int64
	r.everybody(clientsByScale(20), func() {
		if answered.Add(1) == 60 {
			front.die()
		}
	})
	failures := r.edges[0].metric("weir_edge_peer_failures_total") + r.edges[1].metric("weir_edge_peer_failures_total")
	if failures == 0 {
		t.Errorf("nobody saw the edge die")
	}
	if n := r.store.count(".cmf"); n < 24 || n > 48 {
		t.Errorf("24 segments were read %d times; two edges without the third read none twice over", n)
	}
}

// Bytes that a peer sends wrong reach nobody as a whole, and the next who asks gets the right ones.
func TestAPeerSendsWrongBytes(t *testing.T) {
	r := startRegion(t, 2, 100_000)
	r.list(weir.Complete, 6)
	front := before(t, r.edges[1].addr, 1<<40)
	front.flip.Store(true)
	r.tiers[0].SetPeers([]peer.Peer{{ID: "edge-1", Address: front.Addr().String()}})
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	broken := 0
	for range 2 {
		for i := range 24 {
			rendition, n := renditions[i%4], i/4
			b, err := fetch(client, "http://"+r.addr+r.url(rendition+"/"+itoa(n+1)+".m4s"))
			if err != nil {
				broken++
			} else if !bytes.Equal(b, r.bytes[rendition][n]) {
				t.Errorf("%s/%d is not what was stored", rendition, n+1)
			}
		}
	}
	wrong := r.metric("weir_edge_peer_wrong_total")
	if wrong == 0 || float64(broken) != wrong {
		t.Errorf("%d answers broke and %v parts came wrong", broken, wrong)
	}
}

// first is the first video segment.
func (a *asset) first() origin.Part {
	b := a.bytes[videoID][0]
	return origin.Part{Key: strings.TrimSuffix(a.head.Tracks[0].Pages[0].Key, ".json") + ".cmf", Length: int64(len(b)), Sum: crc32.Checksum(b, castagnoli)}
}

// signed is the path by which a peer asks to for p.
func signed(secret []byte, to string, expires time.Time, p origin.Part) string {
	q := peer.Request{Part: p, Expires: expires}
	q.Sign(secret, to)
	return q.Path()
}

// The access log is of viewers: what a peer asks for one of them is in the peer's.
func TestPeersAreNotInTheAccessLog(t *testing.T) {
	configure, lines := logged(t)
	r := startRegion(t, 1, 100_000, configure)
	r.list(weir.Complete, 6)
	if a := r.do("GET", signed(peerSecret, "edge-0", time.Now().Add(20*time.Second), r.first())); a.status != 200 {
		t.Errorf("GET = %d %s", a.status, a.body)
	}
	r.do("GET", "/peer/1/")
	r.wantStatus(200, videoID+"/1.m4s")
	if got := lines(r.stop); len(got) != 1 || got[0]["cache"] != "hit" {
		t.Errorf("lines after a peer's request and a viewer's: %v", got)
	}
}

// What is asked for in a peer's name without its secret, too late, or at another edge, is refused; without peers there is no
// such address.
func TestPeersPathIsGuarded(t *testing.T) {
	r := startRegion(t, 2, 20_000)
	r.list(weir.Complete, 6)
	r.wantStatus(200, "hls/main.m3u8")
	part, now := r.first(), time.Now()
	good := signed(peerSecret, "edge-0", now.Add(20*time.Second), part)
	a := r.do("GET", good)
	if a.status != 200 || !bytes.Equal(a.body, r.bytes[videoID][0]) || a.header.Get(peer.StampField) != "0" || a.header.Get(peer.ProofField) == "" ||
		a.header.Get("Cache-Status") != "weir; fwd=uri-miss; stored" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("GET = %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	if a := r.do("GET", good); a.header.Get("Cache-Status") != "weir; hit" {
		t.Errorf("Cache-Status of the second = %q", a.header.Get("Cache-Status"))
	}
	master := part
	master.Key = "masters/01jz3v8w7h6g5f4e3d2c1b0a9z"
	long := part
	long.Length = weir.MaxSegmentBytes + 1
	f := func(method, target string) {
		t.Helper()
		if a := r.do(method, target); a.status != 403 || method == "GET" && !strings.Contains(string(a.body), "problems/forbidden") {
			t.Errorf("%s %s = %d %s, want 403", method, target, a.status, a.body)
		}
	}
	f("HEAD", good)
	f("GET", good+"?x=1")
	f("GET", good[:len(good)-1])
	f("GET", strings.Replace(good, "/"+itoa(int(part.Length))+"/", "/"+itoa(int(part.Length)-1)+"/", 1))
	f("GET", signed(peerSecret, "edge-0", now.Add(-time.Second), part))
	f("GET", signed(peerSecret, "edge-0", now.Add(time.Minute), part))
	f("GET", signed(peerSecret, "edge-1", now.Add(20*time.Second), part))
	f("GET", signed(bytes.Repeat([]byte("q"), peer.SecretBytes), "edge-0", now.Add(20*time.Second), part))
	f("GET", signed(peerSecret, "edge-0", now.Add(20*time.Second), master))
	f("GET", signed(peerSecret, "edge-0", now.Add(20*time.Second), long))
	f("GET", "/peer/1/")
	f("GET", "/peer/x")
	wrong := part
	wrong.Sum++
	wrong.Off = part.Length // the next segment's bytes
	if a := r.do("GET", signed(peerSecret, "edge-0", now.Add(20*time.Second), wrong)); a.status == 200 && int64(len(a.body)) == part.Length {
		t.Errorf("a whole body without its checksum was answered")
	}
	if strings.Contains(r.log.String(), good[len("/peer/1/"):][:60]) {
		t.Errorf("the log has a path with its MAC")
	}
	alone := start(t, 1000)
	if a := alone.do("GET", good); a.status != 404 {
		t.Errorf("without peers: %d %s, want 404", a.status, a.body)
	}
}

// What a peer got before a purge is not taken after it.
func TestPeersBytesOfBeforeAPurge(t *testing.T) {
	judges := []*judge{newJudge(), newJudge()}
	next := 0
	r := startRegion(t, 2, 20_000, func(e *edge.Server) { e.Rulings = judges[next].Rulings; next++ })
	r.list(weir.Complete, 6)
	for _, s := range r.edges {
		for n := range 6 {
			s.wantStatus(200, videoID+"/"+itoa(n+1)+".m4s")
		}
	}
	if n := r.store.count(".cmf"); n != 6 {
		t.Fatalf("6 segments were read %d times", n)
	}
	judges[1].purge(weir.ByAsset, false, assetID) // the first edge has not heard of it
	for n := range 6 {
		r.edges[1].wantStatus(200, videoID+"/"+itoa(n+1)+".m4s")
	}
	if n := r.store.count(".cmf"); n != 12 {
		t.Errorf("after the purge the store was asked %d times more, want 6", n-6)
	}
	if got := r.edges[1].metric("weir_edge_peer_misses_total"); got == 0 {
		t.Errorf("no body of before the purge was declined")
	}
	for range 2 { // it hears of that one, and both of another
		judges[0].purge(weir.ByAsset, false, assetID)
	}
	judges[1].purge(weir.ByAsset, false, assetID)
	for _, s := range r.edges {
		for n := range 6 {
			s.wantStatus(200, videoID+"/"+itoa(n+1)+".m4s")
		}
	}
	if n := r.store.count(".cmf"); n != 18 {
		t.Errorf("once both know of a purge 6 segments were read %d times, want 6", n-12)
	}
}

// Over TLS nobody's certificate is asked for: who answers proves that it has the secret, to the one session it answers in.
func TestPeersOverTLS(t *testing.T) {
	cert, key := certify(t, t.TempDir(), 1)
	r := startRegion(t, 2, 100_000, func(e *edge.Server) { e.TLSCert, e.TLSKey = cert, key })
	r.list(weir.Complete, 6)
	client := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer client.CloseIdleConnections()
	for _, s := range r.edges {
		for n := range 6 {
			b, err := fetch(client, "https://"+s.addr+s.url(videoID+"/"+itoa(n+1)+".m4s"))
			if err != nil || !bytes.Equal(b, r.bytes[videoID][n]) {
				t.Errorf("segment %d: %d bytes, %v", n+1, len(b), err)
			}
		}
	}
	if n := r.store.count(".cmf"); n != 6 {
		t.Errorf("6 segments were read %d times, want 6", n)
	}
	if n := r.edges[0].metric("weir_edge_peer_hits_total") + r.edges[1].metric("weir_edge_peer_hits_total"); n != 6 {
		t.Errorf("%v parts came from peers, want 6", n)
	}
}

// A man in the middle who speaks TLS to both edges cannot answer in the name of one, though no certificate is looked at.
func TestPeersSeeWhoIsBetweenThem(t *testing.T) {
	cert, key := certify(t, t.TempDir(), 1)
	r := startRegion(t, 2, 50_000, func(e *edge.Server) { e.TLSCert, e.TLSKey = cert, key })
	r.list(weir.Complete, 6)
	pair, err := tls.LoadX509KeyPair(certify(t, t.TempDir(), 2))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	middle := &http.Server{Handler: &httputil.ReverseProxy{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "https", Host: r.edges[1].addr}) }}}
	ended := make(chan error, 1)
	go func() { ended <- middle.Serve(ln) }()
	defer func() { _ = middle.Close(); <-ended }()
	r.tiers[0].SetPeers([]peer.Peer{{ID: "edge-1", Address: ln.Addr().String(), TLS: true}})
	client := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer client.CloseIdleConnections()
	for n := range 6 {
		if b, err := fetch(client, "https://"+r.addr+r.url(videoID+"/"+itoa(n+1)+".m4s")); err != nil || !bytes.Equal(b, r.bytes[videoID][n]) {
			t.Errorf("segment %d: %d bytes, %v", n+1, len(b), err)
		}
	}
	hits, failures := r.metric("weir_edge_peer_hits_total"), r.metric("weir_edge_peer_failures_total")
	if served := r.edges[1].metric("weir_edge_requests_total", "class=peer", "status=200"); hits != 0 || failures == 0 || failures != served {
		t.Errorf("%v parts were taken, %v refused, of %v that the peer gave", hits, failures, served)
	}
}

// A region that was stopped leaves no goroutine behind.
func TestPeersLeaveNothing(t *testing.T) {
	before := len(goroutines())
	t.Run("region", func(t *testing.T) {
		r := startRegion(t, 3, 50_000)
		r.list(weir.Complete, 6)
		r.everybody(5, func() {})
	})
	for end := time.Now().Add(20 * time.Second); len(goroutines()) > before && time.Now().Before(end); {
		runtime.Gosched()
	}
	if now := goroutines(); len(now) > before {
		t.Errorf("%d goroutines before, %d after:\n%s", before, len(now), strings.Join(now, "\n\n"))
	}
}

// goroutines are the stacks of all but the clock that fasthttp starts once and for all.
func goroutines() []string {
	b := make([]byte, 1<<20)
	return slices.DeleteFunc(strings.Split(string(b[:runtime.Stack(b, true)]), "\n\n"), func(stack string) bool {
		return strings.Contains(stack, "fasthttp.updateServerDate")
	})
}
