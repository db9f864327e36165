package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/edge/overload"
)

// ahead starts a calm edge that fetches ahead, and a channel on which each prefetch says that it has ended.
func ahead(t testing.TB, configs ...func(*edge.Server)) (*site, <-chan struct{}) {
	t.Helper()
	ended := make(chan struct{}, 64)
	s := start(t, 20_000, append([]func(*edge.Server){func(e *edge.Server) {
		e.NoPrefetch = false
		e.At = func(point string) {
			if point == "edge.prefetched" {
				ended <- struct{}{}
			}
		}
		edge.SetLoad(e, func() overload.Load { return overload.Load{} })
	}}, configs...)...)
	s.list(weir.Complete, 6)
	return s, ended
}

// prefetched is how many prefetches came to that result.
func (s *site) prefetched(result string) int {
	s.t.Helper()
	return int(s.metric("weir_edge_prefetches_total", "result="+result))
}

func wait(t testing.TB, events <-chan struct{}, n int) {
	t.Helper()
	for range n {
		select {
		case <-events:
		case <-time.After(20 * time.Second):
			t.Fatal("a prefetch did not end")
		}
	}
}

// chunk is the object that holds chunk n of a rendition.
func (a *asset) chunk(rendition string, n int) string {
	for _, tr := range a.head.Tracks {
		if tr.Rendition == rendition {
			return strings.TrimSuffix(tr.Pages[n].Key, ".json") + ".cmf"
		}
	}
	return ""
}

const status, hit = "Cache-Status", "weir; hit"

func TestPrefetchOfWhatThePlayerNames(t *testing.T) {
	s, ended := ahead(t)
	a := s.get(videoID+"/2.m4s", `CMCD-Request: nor="..%2F`+audioID+`%2F1.m4s"`)
	if a.status != 200 {
		t.Fatalf("GET = %d", a.status)
	}
	wait(t, ended, 1)
	reads := s.store.count("")
	if a := s.get(audioID + "/1.m4s"); a.header.Get(status) != hit || string(a.body) != string(s.bytes[audioID][0]) {
		t.Errorf("what was named: %d %q, want a hit and its bytes", a.status, a.header.Get(status))
	}
	wait(t, ended, 1) // the hit brings on the one after it
	if s.prefetched("started") != 2 || s.prefetched("used") != 1 || s.store.count("") > reads+1 {
		t.Errorf("%d started, %d used", s.prefetched("started"), s.prefetched("used"))
	}
	for key, n := range s.store.gets {
		if strings.HasSuffix(key, ".cmf") && n > 1 {
			t.Errorf("%s was read %d times", key, n)
		}
	}
}

// A player that plays on finds each segment after the first in memory, and the second one causes nothing.
func TestPrefetchFromTheIndex(t *testing.T) {
	s, ended := ahead(t)
	for n := range 6 {
		a := s.get(fmt.Sprintf("%s/%d.m4s", videoID, n+1))
		if a.status != 200 || (a.header.Get(status) == hit) != (n > 0) {
			t.Errorf("segment %d: %d %q", n+1, a.status, a.header.Get(status))
		}
		if n < 5 {
			wait(t, ended, 1)
		}
	}
	for n := range 6 {
		if a := s.get(fmt.Sprintf("%s/%d.m4s", videoID, n+1)); a.header.Get(status) != hit {
			t.Errorf("segment %d again: %q", n+1, a.header.Get(status))
		}
	}
	if s.prefetched("started") != 5 || s.prefetched("used") != 5 || s.prefetched("wasted") != 0 || s.prefetched("failed") != 0 {
		t.Errorf("%d started, %d used, want 5 and 5", s.prefetched("started"), s.prefetched("used"))
	}
	if misses := s.metric("weir_edge_cache_misses_total"); misses != 1 {
		t.Errorf("%v misses: what nobody waited for is none", misses)
	}
}

func TestNoPrefetch(t *testing.T) {
	text, err := weir.Ticket{Session: "s2", Prefix: assetID + "/", Expires: time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC),
		Issued: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), Flags: weir.FlagNoPrefetch}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := weir.Ticket{Session: "s3", Prefix: assetID + "/1/clear/" + videoID + "/", Expires: time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ahead(t)
	nor := func(path string) string { return `CMCD-Request: nor="` + url.QueryEscape(path) + `"` }
	seg := s.url(videoID + "/1.m4s")
	f := func(method, target string, headers ...string) {
		t.Helper()
		if a := s.do(method, target, headers...); a.status >= 400 {
			t.Errorf("%s %s %q = %d", method, target, headers, a.status)
		}
		if n := s.prefetched("started") + s.prefetched("dropped"); n > 0 {
			t.Fatalf("%s %s %q: something was fetched ahead", method, target, headers)
		}
	}
	f("GET", "/t/"+text+"/"+assetID+"/1/clear/"+videoID+"/1.m4s")
	f("GET", "/t/"+text+"/"+assetID+"/1/clear/"+videoID+"/1.m4s", nor("2.m4s"))
	f("GET", "/t/"+narrow+"/"+assetID+"/1/clear/"+videoID+"/1.m4s", nor("../"+audioID+"/2.m4s"))
	f("HEAD", seg, nor("2.m4s"))
	f("GET", seg, nor("2.m4s"), "Range: bytes=0-100")
	f("GET", seg, nor("2.m4s"), "If-None-Match: *")
	f("GET", s.url(videoID+"/init.mp4"), nor("2.m4s"))
	f("GET", s.url("hls/main.m3u8"), nor("nothing.m4s"))
	f("GET", s.url(videoID+"/6.m4s")) // the last one
	for _, bad := range []string{
		"/" + assetID + "/1/clear/" + videoID + "/2.m4s", "http://edge" + s.url(videoID+"/2.m4s"), "//edge/2.m4s", s.url(videoID + "/2.m4s"),
		"../../../../t/" + s.ticket + "/" + assetID + "/1/clear/" + videoID + "/2.m4s", "../../../../other/1/clear/" + videoID + "/2.m4s",
		"../../../2/clear/" + videoID + "/2.m4s", "../../../../../../../../etc/passwd", "%2e%2e/2.m4s", "2.m4s/..", "./", "", "7.m4s", "02.m4s", "-1.m4s",
		"99999999999999999999.m4s", "2.m4s#x", "init.mp4", "track.mp4", "../hls/main.m3u8", "../poster.jpg", "../../other/" + videoID + "/2.m4s",
		"nobody/2.m4s", "1.m4s", "2.m4s\x00", strings.Repeat("a/", 2000), strings.Repeat("../", 300) + "2.m4s", "javascript:alert(1)",
	} {
		f("GET", seg, nor(bad))
	}
	if n := s.store.count(".cmf"); n != 2 { // segments 1 and 6
		t.Errorf("%d reads of media, want 2", n)
	}
}

// Another organisation's media of the same name is out of reach: paths hold no organisation.
func TestNextOf(t *testing.T) {
	const path = "a1/1/clear/v1/3.m4s"
	f := func(prefix, nor, want string) {
		t.Helper()
		got, err := edge.NextOf(path, prefix, cmcd.Next{Path: []byte(nor)})
		if got != want || err != nil {
			t.Errorf("NextOf(%q, below %q) = %q, %v, want %q", nor, prefix, got, err, want)
		}
	}
	f("a1/", "4.m4s", "a1/1/clear/v1/4.m4s")
	f("/", "4.m4s", "a1/1/clear/v1/4.m4s")
	f("a1/", "./4.m4s?CMCD=bl%3D100", "a1/1/clear/v1/4.m4s")
	f("a1/1/", "../v2/4.m4s", "a1/1/clear/v2/4.m4s")
	f("a1/1/clear/v1/", "../v2/4.m4s", "")
	f("a1/1/clear/v1/3.m4s", "4.m4s", "") // a ticket for one object
	f("", "4.m4s", "")
	f("/", "../../../2/clear/v1/4.m4s", "")
	f("/", "../../../../a2/1/clear/v1/4.m4s", "")
	f("/", "../../../../a1/1/clear/v1/4.m4s", "a1/1/clear/v1/4.m4s")
	f("/", "track.mp4", "")
	f("/", "", path) // another range of the same
	for _, c := range []struct {
		first, last int64
		want        string
	}{{0, 100, "a1/1/clear/v1/track.mp4"}, {100, -1, "a1/1/clear/v1/track.mp4"}, {-1, 100, ""}} {
		got, err := edge.NextOf("a1/1/clear/v1/track.mp4", "a1/", cmcd.Next{Ranged: true, First: c.first, Last: c.last})
		if got != c.want || err != nil {
			t.Errorf("NextOf range %d-%d = %q, %v, want %q", c.first, c.last, got, err, c.want)
		}
	}
}

// A player of byte ranges names the next one by nrr alone.
func TestPrefetchOfARange(t *testing.T) {
	other, _ := ahead(t)
	whole := other.get(videoID + "/track.mp4")
	if whole.status != 200 {
		t.Fatalf("GET = %d", whole.status)
	}
	s, ended := ahead(t)
	from := len(whole.body) - len(s.bytes[videoID][5]) - 1 // the last byte of segment 5, and all of 6
	s.get(videoID+"/track.mp4", "Range: bytes=0-99", fmt.Sprintf(`CMCD-Request: nrr="%d-"`, from))
	wait(t, ended, 2)
	for n := 5; n <= 6; n++ {
		if a := s.get(fmt.Sprintf("%s/%d.m4s", videoID, n)); a.header.Get(status) != hit {
			t.Errorf("segment %d: %q", n, a.header.Get(status))
		}
	}
	if n := s.prefetched("started"); n != 2 {
		t.Errorf("%d prefetches, want 2", n)
	}
}

func TestLiveSegmentsAreFetchedAheadOnceListed(t *testing.T) {
	s, ended := ahead(t)
	s.list(weir.Growing, 2)
	s.get(videoID + "/1.m4s")
	wait(t, ended, 1)
	if a := s.get(videoID + "/2.m4s"); a.header.Get(status) != hit {
		t.Errorf("segment 2: %q", a.header.Get(status))
	}
	s.get(videoID+"/2.m4s", `CMCD-Request: nor="3.m4s"`)
	if n := s.prefetched("started"); n != 1 {
		t.Errorf("%d prefetches: segment 3 is not listed", n)
	}
}

// A prefetch that fails is nobody's answer: the player's own request reads again.
func TestFailedPrefetch(t *testing.T) {
	s, ended := ahead(t, func(e *edge.Server) { e.ErrorPause = time.Hour })
	s.list(weir.Complete, 6)
	s.get(videoID + "/init.mp4")
	if err := s.blobs.Delete(context.Background(), s.chunk(videoID, 1)); err != nil {
		t.Fatal(err)
	}
	s.get(videoID + "/1.m4s")
	wait(t, ended, 1)
	s.restore(videoID, 1)
	if a := s.get(videoID + "/2.m4s"); a.status != 200 || s.prefetched("failed") != 1 || s.prefetched("used") != 0 {
		t.Errorf("after a failed prefetch: %d, %d failed, %d used", a.status, s.prefetched("failed"), s.prefetched("used"))
	}
}

// restore stores chunk n of a rendition again.
func (a *asset) restore(rendition string, n int) {
	a.t.Helper()
	first := []int{0, 1, 3, 6}
	var object []byte
	for _, b := range a.bytes[rendition][first[n]:first[n+1]] {
		object = append(object, b...)
	}
	a.put(a.chunk(rendition, n), object)
}

func TestPrefetchesAreBounded(t *testing.T) {
	p := edge.NewPrefetches()
	began := map[string]int{}
	for i := range 30 {
		id := fmt.Sprint("s", i/3)
		if p.Enter(id) {
			began[id]++
		}
	}
	want := map[string]int{"s0": 2, "s1": 2, "s2": 2, "s3": 2, "s4": 2, "s5": 2, "s6": 2, "s7": 2}
	if d := cmp.Diff(want, began); d != "" {
		t.Errorf("prefetches begun by session (-want +got):\n%s", d)
	}
	if dropped, _, _ := p.Counts(); dropped != 14 {
		t.Errorf("%d dropped, want 14", dropped)
	}
	p.Leave("s0")
	if !p.Enter("s9") || p.Enter("s9") {
		t.Error("after one has ended not exactly one may begin")
	}
}

func TestPrefetchesAreRemembered(t *testing.T) {
	p := edge.NewPrefetches()
	p.Remember("a")
	if p.Asked("b") || !p.Asked("a") || p.Asked("a") {
		t.Error("an object is not asked for once")
	}
	for i := range 5000 {
		p.Remember(fmt.Sprint(i))
	}
	for i := range 5000 {
		p.Asked(fmt.Sprint(i))
	}
	if _, used, wasted := p.Counts(); used+wasted != 5001 || used < 2000 {
		t.Errorf("%d used and %d wasted of 5001", used, wasted)
	}
}

// BenchmarkPlainHit is what prefetches and CMSD cost a hit of a player that says nothing of itself.
func BenchmarkPlainHit(b *testing.B) {
	p := edge.NewPrefetches()
	var ctx fasthttp.RequestCtx
	raw := "GET /t/" + strings.Repeat("T", 140) + "/" + assetID + "/1/clear/" + videoID + "/1.m4s HTTP/1.1\r\nHost: edge\r\nUser-Agent: bench\r\nAccept: */*\r\n" +
		"Origin: https://player.example\r\nReferer: https://player.example/\r\nAccept-Language: en\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
	if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
		b.Fatal(err)
	}
	object := strings.Repeat("o", 100)
	b.ReportAllocs()
	for b.Loop() {
		if p.Says(&ctx) || p.Asked(object) {
			b.Fatal("a plain hit is none")
		}
	}
}

// FuzzNextOf: whatever a player names, what is fetched is media of the same asset and revision that the ticket opens.
func FuzzNextOf(f *testing.F) {
	for _, nor := range []string{`nor="4.m4s"`, `nor="..%2Fv2%2F4.m4s"`, `nor="track.mp4",nrr="0-99"`, `nor=("4.m4s" "5.m4s";r="0-1"),v=2`,
		`nor="..%2F..%2F..%2F..%2Fa2%2F1%2Fclear%2Fv1%2F4.m4s"`, `nor="http:%2F%2Fx%2F4.m4s"`, `nrr="1-"`} {
		for _, prefix := range []string{"a1/", "a1/1/clear/v1/", "/", "a1/1/clear/v1/3.m4s"} {
			f.Add([]byte(nor), prefix, "v1/3.m4s")
		}
	}
	f.Fuzz(func(t *testing.T, request []byte, prefix, name string) {
		var d cmcd.Data
		d.Read(nil, request, nil, nil, nil)
		for _, n := range d.Next() {
			path, err := edge.NextOf("a1/1/clear/"+name, prefix, n)
			if err != nil || path == "" {
				continue
			}
			_, err = edge.ParseTarget([]byte("/" + path))
			if err != nil || !strings.HasPrefix(path, "a1/1/") || !weir.Covers(prefix, path) || !strings.HasSuffix(path, ".m4s") && !strings.HasSuffix(path, "/track.mp4") {
				t.Fatalf("%q below %q names %q (%v)", request, prefix, path, err)
			}
		}
	})
}
