package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

func itoa(n int) string { return strconv.Itoa(n) }

// parts are those of a multipart/byteranges answer.
func parts(t *testing.T, a answer) (list []answer) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || a.header.Get("Content-Length") != itoa(len(a.body)) {
		t.Fatalf("headers of several ranges: %v, %v", a.header, err)
	}
	r := multipart.NewReader(strings.NewReader(string(a.body)), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, answer{header: http.Header(p.Header), body: b})
	}
}

// partial reads an answer as far as it goes: how many bytes came, how many were announced, and the error.
func (s *site) partial(rest string) (n, want int64, err error) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: edge\r\n\r\n", s.url(rest))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	n, err = io.Copy(io.Discard, res.Body)
	return n, res.ContentLength, err
}

// metric is the sum of a metric over the label values given as "name=value".
func (s *site) metric(name string, labels ...string) (total float64) {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetName()+"="+l.GetValue())
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(have, l) }) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

func TestMetrics(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	s.wantStatus(200, videoID+"/1.m4s")
	s.wantStatus(200, videoID+"/1.m4s")
	s.wantStatus(206, videoID+"/1.m4s", "Range: bytes=0-9")
	s.wantStatus(206, videoID+"/1.m4s", "Range: bytes=0-2,20-23")
	s.wantStatus(206, videoID+"/track.mp4", "Range: bytes=0-4,9-9")
	s.wantStatus(404, videoID+"/9.m4s")
	s.wantStatus(200, "hls/main.m3u8")
	s.do("GET", "/nothing")
	f := func(want float64, name string, labels ...string) {
		t.Helper()
		got := s.metric(name, labels...)
		for end := time.Now().Add(5 * time.Second); got != want && time.Now().Before(end); got = s.metric(name, labels...) {
			runtime.Gosched() // bytes are counted when they were sent, and may be here before that
		}
		if got != want {
			t.Errorf("%s%v = %v, want %v", name, labels, got, want)
		}
	}
	f(2, "weir_edge_requests_total", "class=segment", "status=200")
	f(2, "weir_edge_requests_total", "class=segment", "status=206")
	f(1, "weir_edge_requests_total", "class=segment", "status=404")
	f(1, "weir_edge_requests_total", "class=multivariant", "status=200")
	f(1, "weir_edge_requests_total", "class=none", "status=404")
	f(1001+1001+10+3+4, "weir_edge_response_bytes_total", "class=segment")
	f(5+1, "weir_edge_response_bytes_total", "class=track")
	f(3, "weir_edge_cache_hits_total")
	f(1, "weir_edge_cache_misses_total")
	f(1, "weir_edge_fill_seconds", "result=ok")
	f(1, "weir_edge_cache_entries")
	if got := s.metric("weir_edge_cache_bytes"); got < 1001 {
		t.Errorf("weir_edge_cache_bytes = %v, want the segment's 1001 at least", got)
	}
	f(1, "weir_edge_head_reads_total", "result=changed")
}

// TestTicketsStayOutOfLogsAndMetrics makes every kind of request, good and broken, and looks for the ticket in all that
// was written.
func TestTicketsStayOutOfLogsAndMetrics(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	path := "/" + assetID + "/1/clear/" + videoID + "/1.m4s"
	s.get(videoID + "/1.m4s")
	s.get("hls/main.m3u8")
	s.get("nothing")
	s.get("../x")
	s.get("v%2e/x")
	s.do("GET", path, "Authorization: Bearer "+s.ticket)
	s.do("GET", path, "Cookie: weir-ticket="+s.ticket)
	s.do("GET", path+"?ticket="+s.ticket)
	s.do("GET", "/media"+s.url(videoID+"/1.m4s")) // behind a proxy that keeps its prefix
	s.do("GET", "/T"+s.url("poster.jpg")[2:])
	s.do("GET", "/"+assetID+"/1/"+s.ticket+"/hls/main.m3u8")
	s.do("GET", s.url("hls/"+s.ticket+".m3u8"))
	s.do("GET", "/"+s.ticket)
	s.do("BREW", s.url("x"))
	s.send("GET", "GET "+s.url("x")+" HTTP/9.9\r\n\r\n")
	s.send("GET", "GET "+s.url("x")+"\r\n\r\n")
	s.send("GET", "GET "+s.url("x")+" HTTP/1.1\r\nbad header "+s.ticket+"\r\n\r\n")
	s.do("GET", "/t/"+s.ticket+strings.Repeat("x", 50000))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if !strings.Contains(log, "msg=request") || !strings.Contains(log, "ticket="+weir.RedactTicket(s.ticket)) {
		t.Errorf("the access log holds no request with its redacted ticket:\n%s", log)
	}
	const enough = 16 // characters of a ticket that would be too many
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+enough <= len(s.ticket); i++ {
		if strings.Contains(log, s.ticket[i:i+enough]) || strings.Contains(fmt.Sprint(families), s.ticket[i:i+enough]) {
			t.Fatalf("characters %d to %d of a ticket are in the log or in metrics:\n%s", i, i+enough, log)
		}
	}
}

func TestReadyAndDrain(t *testing.T) {
	s := start(t, 200_000, func(e *edge.Server) { e.DrainTimeout = 10 * time.Second })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	if err := s.server.Ready(); err != nil {
		t.Errorf("Ready while serving = %v", err)
	}
	inside, open := make(chan struct{}, 10), make(chan struct{}) // room for a hedged read
	s.store.set(func(key string, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasSuffix(key, ".cmf") {
			inside <- struct{}{}
			<-open
		}
		return r, nil
	})
	got := make(chan answer, 1)
	go func() { got <- s.get(videoID + "/1.m4s") }()
	<-inside
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	<-s.closed
	if err := s.server.Ready(); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Ready while draining = %v, want unavailable", err)
	}
	close(open)
	if a := <-got; a.status != 200 || len(a.body) != 200_001 {
		t.Errorf("the request under way got %d with %d bytes", a.status, len(a.body))
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Errorf("the listener is still open")
	}
}

func TestDrainIsBounded(t *testing.T) {
	s := start(t, 1000, func(e *edge.Server) { e.DrainTimeout = 100 * time.Millisecond })
	s.list(weir.Complete, 6)
	s.wantStatus(200, "hls/main.m3u8")
	s.store.mu.Lock()
	s.store.hang = make(chan struct{})
	s.store.mu.Unlock()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: edge\r\n\r\n", s.url(videoID+"/1.m4s"))
	<-s.store.hang
	if err := s.stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// A proxy on this machine is believed; who else is, weir.Proxies tells.
func TestTheLogNamesTheClient(t *testing.T) {
	s := start(t, 16<<10)
	s.get("v/1.m4s")
	s.get("v/1.m4s", "X-Forwarded-For: 10.0.0.1, 198.51.100.1")
	for _, client := range []string{"127.0.0.1", "198.51.100.1"} {
		if log := s.log.String(); !strings.Contains(log, " client="+client+" ") {
			t.Errorf("no request of client=%s in\n%s", client, log)
		}
	}
}
