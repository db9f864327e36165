package edge_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weirstream/weir/edge"

	weir "github.com/weirstream/weir"
)

func TestCMSD(t *testing.T) {
	b := &burden{t: t}
	s, _ := ahead(t, b.on, func(e *edge.Server) { e.NoPrefetch, e.Name = true, "edge-7" })
	const says = `CMCD-Session: sid="x"`
	f := func(rest, static string) {
		t.Helper()
		for _, a := range []answer{s.get(rest, says), s.get(rest + "?CMCD=bl%3D100"), s.do("HEAD", s.url(rest), says), s.get(rest, says, "Range: bytes=0-9")} {
			dynamic := a.header.Get("CMSD-Dynamic")
			if got := a.header.Get("CMSD-Static"); got != static || !strings.HasPrefix(dynamic, `"edge-7"`) || strings.Contains(dynamic, "du") || strings.Contains(dynamic, "etp") {
				t.Errorf("%s: CMSD-Static %q, CMSD-Dynamic %q, want %q", rest, got, dynamic, static)
			}
		}
		if a := s.get(rest); a.header.Get("CMSD-Static")+a.header.Get("CMSD-Dynamic") != "" {
			t.Errorf("%s: told to one who said nothing", rest)
		}
	}
	f("hls/main.m3u8", "ot=m,sf=h,st=v")
	f("hls/"+videoID+".m3u8", "ot=m,sf=h,st=v")
	f("dash/main.mpd", "ot=m,sf=d,st=v")
	f(videoID+"/1.m4s", "br=300,d=4000,ot=v,st=v")
	f(audioID+"/1.m4s", "br=96,d=4000,ot=a,st=v")
	f(videoID+"/track.mp4", "br=300,ot=v,st=v")
	for _, rest := range []string{videoID + "/9.m4s", "poster.jpg", videoID + "/init.mp4"} {
		if a := s.get(rest, says); a.header.Get("CMSD-Static")+a.header.Get("CMSD-Dynamic") != "" {
			t.Errorf("%s: told %q", rest, a.header.Get("CMSD-Static"))
		}
	}
	s.list(weir.Growing, 6)
	s.advance(2e9)
	if a := s.get(videoID+"/1.m4s", says); a.header.Get("CMSD-Static") != "br=300,d=4000,ot=v,st=l" {
		t.Errorf("live: %q", a.header.Get("CMSD-Static"))
	}
	b.set(overloaded)
	if a := s.get(videoID+"/1.m4s", says); !strings.HasPrefix(a.header.Get("CMSD-Dynamic"), `"edge-7";du`) {
		t.Errorf("overloaded: %q", a.header.Get("CMSD-Dynamic"))
	}
}

func TestWay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { _, _ = io.Copy(other, other) }()
	const n = 100_000
	go func() { _, _ = c.Write(make([]byte, n)) }()
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if rtt, kbps := edge.Way(c); rtt < 0 || rtt > 60_000 || kbps <= 0 {
		t.Errorf("way = %d ms, %d kbps", rtt, kbps)
	}
	if rtt, kbps := edge.Way(struct{ net.Conn }{c}); rtt != 0 || kbps != 0 {
		t.Errorf("way of what is not TCP = %d ms, %d kbps", rtt, kbps)
	}
}
