package edge_test

import (
	"bytes"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

func TestParseTarget(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if got, err := edge.ParseTarget([]byte(raw)); err != nil || got != want {
			t.Errorf("ParseTarget(%q) = %q, %v, want %q", raw, got, err, want)
		}
	}
	f("/t/TKT/a1/1/clear/hls/main.m3u8", "multivariant a1/1/clear/hls/main.m3u8 ticket=TKT asset=a1 rev=1 form=clear rendition= n=0")
	f("/t/TKT/a1/12/cbcs/hls/v1.m3u8", "playlist a1/12/cbcs/hls/v1.m3u8 ticket=TKT asset=a1 rev=12 form=cbcs rendition=v1 n=0")
	f("/t/TKT/a1/1/clear/dash/main.mpd", "mpd a1/1/clear/dash/main.mpd ticket=TKT asset=a1 rev=1 form=clear rendition= n=0")
	f("/t/TKT/a1/1/clear/v1/init.mp4", "init a1/1/clear/v1/init.mp4 ticket=TKT asset=a1 rev=1 form=clear rendition=v1 n=1")
	f("/t/TKT/a1/1/clear/v1/init-2.mp4", "init a1/1/clear/v1/init-2.mp4 ticket=TKT asset=a1 rev=1 form=clear rendition=v1 n=2")
	f("/t/TKT/a1/1/clear/v1/17.m4s", "segment a1/1/clear/v1/17.m4s ticket=TKT asset=a1 rev=1 form=clear rendition=v1 n=17")
	f("/t/TKT/a1/1/clear/v1/track.mp4", "track a1/1/clear/v1/track.mp4 ticket=TKT asset=a1 rev=1 form=clear rendition=v1 n=0")
	f("/t/TKT/a1/1/clear/poster.jpg", "poster a1/1/clear/poster.jpg ticket=TKT asset=a1 rev=1 form=clear rendition= n=0")
	f("/a1/1/clear/poster.jpg", "poster a1/1/clear/poster.jpg ticket= asset=a1 rev=1 form=clear rendition= n=0")
	f("/a1/1/clear/poster.jpg?CMCD=br%3D1&ticket=Q&ticket=R", "poster a1/1/clear/poster.jpg ticket=Q asset=a1 rev=1 form=clear rendition= n=0")
	f("/t/TKT/a1/1/clear/poster.jpg?ticket=Q", "poster a1/1/clear/poster.jpg ticket=TKT asset=a1 rev=1 form=clear rendition= n=0")
	f("http://edge.example/a1/1/clear/poster.jpg", "poster a1/1/clear/poster.jpg ticket= asset=a1 rev=1 form=clear rendition= n=0")
	f("/livez", "livez  ticket= asset= rev=0 form= rendition= n=0")
}

func TestParseTargetRefuses(t *testing.T) {
	f := func(want weir.Kind, raws ...string) {
		t.Helper()
		for _, raw := range raws {
			if got, err := edge.ParseTarget([]byte(raw)); err == nil || weir.KindOf(err) != want {
				t.Errorf("ParseTarget(%.80q) = %q, %v, want %v", raw, got, err, want)
			}
		}
	}
	f(weir.Invalid, "", "a1/1/clear/poster.jpg", "*", "/t/T/../a/1/clear/poster.jpg", "/t/T/a/1/clear/..", "/t/T/./a/1/clear/poster.jpg",
		"/t/T/%2e%2e/1/clear/poster.jpg", "/t/T/a/1/clear/%70oster.jpg", "/t/T//a/1/clear/poster.jpg", "//t/T/a/1/clear/poster.jpg",
		"/t/T/a/1/clear/hls/", "/t/T/a/1/clear/poster.jpg\x00", "/t/T/a\\1/clear/poster.jpg", "/t/T/a/1/clear/post er.jpg",
		"/a/1/clear/poster.jpg/", "/a/1/clear/.hidden", "/\xff\xfe", "/a;b/1/clear/poster.jpg",
		"/"+strings.Repeat("a/", 300)+"b", "/t/"+strings.Repeat("a", 5000)+"/a/1/clear/poster.jpg")
	f(weir.NotFound, "/t", "/t/T", "/t/T/a", "/t/T/a/1", "/t/T/a/1/clear", "/a/0/clear/poster.jpg", "/a/01/clear/poster.jpg",
		"/a/-1/clear/poster.jpg", "/a/99999999999/clear/poster.jpg", "/A/1/clear/poster.jpg", "/a/1/clear/other.jpg", "/a/1/CLEAR/poster.jpg", "/a/1/c.r/hls/main.m3u8",
		"/a/1/clear/v/0.m4s", "/a/1/clear/v/01.m4s", "/a/1/clear/v/1x.m4s", "/a/1/clear/v/1234567890123456.m4s", "/a/1/clear/v/init-1.mp4",
		"/a/1/clear/v/init-.mp4", "/a/1/clear/v/init-02.mp4", "/a/1/clear/V/1.m4s", "/a/1/clear/hls/V.m3u8", "/a/1/clear/hls/x/y.m3u8",
		"/a/1/clear/dash/other.mpd", "/a/1/clear/v/1.m4s/x", "/metrics", "/readyz", "/livez2")
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"/t/T/a/1/clear/v/1.m4s", "/a/1/clear/v/init-2.mp4?ticket=x", "/t/T/../a", "http://h/a/1/clear/poster.jpg",
		"/a/%2e%2e/1", "/livez", "https://", "/t/", "?ticket=", "/a/1/clear/hls/main.m3u8"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got, err := edge.ParseTarget(raw)
		if !bytes.Equal(raw, before) {
			t.Fatalf("ParseTarget changed its input")
		}
		if err != nil {
			if k := weir.KindOf(err); k != weir.Invalid && k != weir.NotFound {
				t.Fatalf("ParseTarget(%q) = %v of kind %v", raw, err, k)
			}
			return
		}
		path := strings.Fields(got)[1]
		if strings.HasPrefix(got, "livez") {
			return
		}
		if !weir.ValidKey(path) {
			t.Fatalf("ParseTarget(%q) gives the path %q, which is not plain", raw, path)
		}
		again, err := edge.ParseTarget([]byte("/t/T/" + path))
		if err != nil || strings.Fields(again)[1] != path {
			t.Fatalf("ParseTarget of the canonical path %q = %q, %v", path, again, err)
		}
	})
}
