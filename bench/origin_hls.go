package bench

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The titles that bench's origin makes up.
const (
	madeSegments = 60
	madeSeconds  = 4
	madeWindow   = 8 // segments that a live playlist lists
)

// madeRates are the bit rates of a made title, in bits a second.
var madeRates = [...]int64{400_000, 1_200_000, 3_000_000, 6_000_000}

// servePlaylist answers /hls/<title>/<name>.m3u8 and /live/<title>/<name>.m3u8, which are made up: nothing decodes the
// segments they list.
func servePlaylist(w http.ResponseWriter, r *http.Request, now time.Time) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) != 3 || parts[1] == "" {
		http.NotFound(w, r)
		return
	}
	live := parts[0] == "live"
	name := strings.TrimSuffix(parts[2], ".m3u8")
	var text string
	maxAge := 3600
	if name == "main" {
		text = madeMultivariant()
	} else {
		rate, err := strconv.ParseInt(name, 10, 64)
		if err != nil || rate < 1 || rate > 100_000_000 {
			http.NotFound(w, r)
			return
		}
		first, last := int64(0), int64(madeSegments-1)
		if live {
			last = now.Unix() / madeSeconds
			first = last - madeWindow + 1
			maxAge = 1
		}
		text = madeMedia(parts[1], rate, first, last, !live)
	}
	w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", maxAge))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write([]byte(text)) // who asked may be gone
}

func madeMultivariant() string {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n")
	for _, rate := range madeRates {
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=\"avc1.64001f,mp4a.40.2\"\n%d.m3u8\n", rate, rate)
	}
	return b.String()
}

func madeMedia(title string, rate, first, last int64, ended bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-MAP:URI=\"../../bench/1k/%s-%d/init.mp4\"\n", madeSeconds, first, title, rate)
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, "#EXTINF:%d.0,\n../../bench/%d/%s-%d/%d.m4s\n", madeSeconds, rate*madeSeconds/8, title, rate, n)
	}
	if ended {
		b.WriteString("#EXT-X-ENDLIST\n")
	}
	return b.String()
}
