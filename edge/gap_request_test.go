package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/internal/engine/embed"
)

// asked is a request as a strict reader of RFC 9112 frames it.
type asked struct {
	method string
	last   bool // the client wants no other: by close, or by HTTP/1.0 without keep-alive
	whole  bool // its body is all there
}

var (
	emptyLines  = regexp.MustCompile(`^(?:\r?\n)+`)
	bareLF      = regexp.MustCompile(`^(?:\r\n)*(?:[^\r\n]|\r+[^\r\n])*\n`) // in the first line, or before it
	requestLine = regexp.MustCompile("^([-!#$%&'*+.^_`|~0-9A-Za-z]+) ([^\\x00-\\x20\\x7f]+) HTTP/1\\.([01])\r?\n")
	fieldLine   = regexp.MustCompile("^([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*([^\\x00\r\n]*?)[ \t]*\r\n")
	chunkLine   = regexp.MustCompile("^([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")
)

// framed reads requests until the end, or until one that is malformed or cut off: that is left. It knows nothing of what
// it tests.
func framed(b []byte) (all []asked, left []byte) {
	if bareLF.Match(b) {
		return nil, b
	}
	for {
		b = b[len(emptyLines.Find(b)):]
		one, rest, ok := frame(b)
		if !ok {
			return all, b
		}
		if all = append(all, one); !one.whole {
			return all, nil
		}
		b = rest
	}
}

func frame(b []byte) (one asked, rest []byte, ok bool) {
	m := requestLine.FindSubmatch(b)
	if m == nil {
		return one, nil, false
	}
	one = asked{method: string(m[1]), last: m[3][0] == '0'}
	b = b[len(m[0]):]
	var lengths, codings []string
	hosts, closed := 0, false
	for !bytes.HasPrefix(b, []byte("\r\n")) {
		f := fieldLine.FindSubmatch(b)
		if f == nil {
			return one, nil, false
		}
		b = b[len(f[0]):]
		switch value := string(f[2]); strings.ToLower(string(f[1])) {
		case "content-length":
			lengths = append(lengths, value)
		case "transfer-encoding":
			codings = append(codings, value)
		case "host":
			hosts++
		case "connection":
			for option := range strings.SplitSeq(strings.ToLower(value), ",") {
				switch strings.Trim(option, " \t") {
				case "close":
					closed = true
				case "keep-alive":
					one.last = false
				}
			}
		}
	}
	b, one.last = b[2:], one.last || closed
	switch {
	case hosts > 1, hosts == 0 && m[3][0] == '1', len(lengths)+len(codings) > 1:
		return one, nil, false
	case len(codings) == 1:
		if !strings.EqualFold(codings[0], "chunked") || m[3][0] == '0' {
			return one, nil, false
		}
		rest, one.whole = unchunk(b)
		return one, rest, true
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil {
			return one, nil, false
		}
		if n > uint64(len(b)) {
			return one, nil, true
		}
		b = b[n:]
	}
	one.whole = true
	return one, b, true
}

// unchunk is what follows a chunked body that is well-formed and all there.
func unchunk(b []byte) (rest []byte, ok bool) {
	for {
		m := chunkLine.FindSubmatch(b)
		if m == nil {
			return nil, false
		}
		b = b[len(m[0]):]
		n, err := strconv.ParseUint(string(m[1]), 16, 64)
		if err != nil || n > uint64(len(b)) {
			return nil, false
		}
		if n == 0 {
			break
		}
		b, ok = bytes.CutPrefix(b[n:], []byte("\r\n"))
		if !ok {
			return nil, false
		}
	}
	for !bytes.HasPrefix(b, []byte("\r\n")) {
		f := fieldLine.Find(b)
		if f == nil {
			return nil, false
		}
		b = b[len(f):]
	}
	return b[2:], true
}

// answers reads the final answers to requests of these methods; a further one, to what is malformed, is taken as either's.
func answers(b []byte, all []asked) (got []*http.Response, bodies [][]byte, err error) {
	r := bufio.NewReaderSize(bytes.NewReader(b), len(b)+16)
	for {
		if _, err := r.Peek(1); err != nil {
			return got, bodies, nil
		}
		method := "GET"
		if len(got) < len(all) {
			method = all[len(got)].method
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return got, bodies, err
		}
		body, err := io.ReadAll(res.Body)
		if len(got) == len(all) && errors.Is(err, io.ErrUnexpectedEOF) && len(body) == 0 {
			err = nil // it was a HEAD
		}
		if err != nil {
			return got, bodies, err
		}
		if method == "HEAD" && res.Close && res.StatusCode == 400 && r.Buffered() == int(res.ContentLength) {
			_, _ = r.Discard(r.Buffered()) // fasthttp tells nobody the method of what it refuses; nothing can be mistaken behind it
		}
		if res.StatusCode >= 200 {
			got, bodies = append(got, res), append(bodies, body)
		}
	}
}

// leakLog is a log that must never have a secret in it.
type leakLog struct {
	secret []byte
	leak   atomic.Pointer[string]
}

func (l *leakLog) Write(p []byte) (int, error) {
	if bytes.Contains(p, l.secret) {
		line := string(p)
		l.leak.Store(&line)
	}
	return len(p), nil
}

// memorySite is an edge on a listener in memory, with a ticket that is the same in every run, so that seeds stay good.
func memorySite(t testing.TB) (*memoryListener, *asset, string, *leakLog) {
	blobs, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := newAsset(t, blobs, 500)
	a.list(weir.Complete, 6)
	ticket, err := weir.Ticket{Session: "s1", Prefix: assetID + "/", Expires: a.head.Anchor.Add(time.Hour)}.Sign(testKey)
	if err != nil {
		t.Fatal(err)
	}
	log := &leakLog{secret: []byte(ticket[len(ticket)-20:])} // of the HMAC
	ln := newMemoryListener()
	server := &edge.Server{Config: edge.Config{ErrorPause: -1}, Blobs: blobs, Now: func() time.Time { return a.head.Anchor },
		Keys: func(kid string) (weir.TicketKey, bool) { return testKey, kid == testKey.ID },
		Log:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
		_ = blobs.Close()
	})
	return ln, a, ticket, log
}

// canary is a range that nobody else asks for.
const canary = "bytes 137-411/700"

// FuzzRequest sends anything to a running edge, then a good request, and compares what comes back with what a strict reader
// of the same bytes expects: answers in order, each well-formed, no fault of the edge's own, nothing after what is malformed,
// and no ticket in the log.
func FuzzRequest(f *testing.F) {
	ln, a, ticket, log := memorySite(f)
	base := "/t/" + ticket + "/" + assetID + "/1/clear/"
	for _, seed := range requestSeeds(base, ticket) {
		f.Add([]byte(seed))
	}
	last := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: canary\r\nRange: bytes=137-411\r\n\r\n", base+videoID+"/init.mp4")
	want := a.inits[videoID][137:412]
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 8<<10 || bytes.Contains(raw, []byte("137-411")) {
			return
		}
		sent := append(bytes.Clone(raw), last...)
		all, left := framed(sent)
		b := ln.exchange(sent)
		got, bodies, err := answers(b, all)
		if err != nil {
			t.Fatalf("answers to %q: %v\n%q", raw, err, b)
		}
		closing := func(i int) bool { return got[i].Close || i < len(all) && all[i].last }
		for i, res := range got {
			switch s := res.StatusCode; {
			case s >= 500 && s != 501 && s != 503 && s != 504 && s != 505:
				t.Fatalf("answer %d to %q: %s %s", i, raw, res.Status, bodies[i])
			case i >= len(all) && (s < 400 || !res.Close || len(left) == 0 || i > len(all)):
				t.Fatalf("answer %d to %q, in which %d requests are well-formed: %s %v", i, raw, len(all), res.Status, res.Header)
			case i < len(got)-1 && closing(i):
				t.Fatalf("answer %d to %q is the last but there are %d", i, raw, len(got))
			}
			if res.Header.Get("Content-Range") == canary && (len(left) > 0 || i != len(all)-1 || !bytes.Equal(bodies[i], want)) {
				t.Fatalf("after %q, of which %q is left, the next request is answered: %s %q", raw, left, res.Status, bodies[i])
			}
		}
		if n := len(got); n < len(all) && (n == 0 || !closing(n-1)) {
			t.Fatalf("%d answers to %d requests: %q\n%q", n, len(all), raw, b)
		}
		before, cut := framed(raw)
		if n := len(got); n > 0 && n == len(all) && n == len(before)+1 && len(cut) == 0 &&
			(len(before) == 0 || before[len(before)-1].whole) && got[n-1].Header.Get("Content-Range") != canary {
			t.Fatalf("the last of %d answers to %q is %s", n, raw, got[n-1].Status)
		}
		if leak := log.leak.Swap(nil); leak != nil {
			t.Fatalf("a ticket is in the log after %q: %s", raw, *leak)
		}
	})
}

func requestSeeds(base, ticket string) []string {
	const host = " HTTP/1.1\r\nHost: x\r\n"
	get := "GET " + base
	return []string{
		"GET /livez" + host + "\r\n",
		get + "hls/main.m3u8" + host + "Accept-Encoding: gzip, identity;q=0\r\nIf-None-Match: W/\"x\", *\r\n\r\n",
		"HEAD " + base + videoID + "/track.mp4 HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=0-1,5-9\r\n\r\n",
		get + videoID + "/1.m4s" + host + "Range: bytes=-5\r\nIf-Range: \"x\"\r\nIf-Match: *\r\nX-Forwarded-For: 10.0.0.1, ::1\r\n\r\n",
		"GET http://x/" + assetID + "/1/clear/poster.jpg?ticket=" + ticket + "&CMCD=br%3D1%2Cnor%3D%222.m4s%22" + host + "CMCD-Object: br=3000\r\n\r\n",
		"GET /" + assetID + "/1/clear/dash/main.mpd" + host + "Authorization: Bearer " + ticket + "\r\n\r\n",
		"GET /" + assetID + "/1/clear/dash/main.mpd" + host + "Cookie: a=b; weir-ticket=" + ticket + "\r\n\r\n",
		"GET /t/../%2e%2e//" + host + "\r\nGET /a HTTP/1.1\r\n\r\n",
		"OPTIONS *" + host + "Origin: http://x\r\n\r\n",
		"OPTIONS " + base + "poster.jpg" + host + "Origin: http://x\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		"POST /" + host + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
		"PUT /a" + host + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"PUT /a" + host + "Content-Length: 500\r\n\r\n",
		"CONNECT x:443" + host + "\r\n",
		"GET /livez" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /livez HTTP/1.1\nHost: x\r\n\r\n",
		"\r\n\nGET /livez" + host + "X : y\r\n\r\n",
		"GET /livez" + host + "Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
		ticket[len(ticket)-30:] + "GET /livez" + host + "\r\n", // fuzzing found it in the log, as the method
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01",
	}
}

// FuzzFields reads any bytes as conditions and as Accept-Encoding: what matches strongly matches weakly, what matches is
// named, and gzip is never sent to who did not name it.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`"abc"`, `W/"abc"`, `"x", "abc"`, "*", `"x" * "abc"`, "gzip", "br, GZIP;q=0.5", "*;q=0", "identity;q=1, *;q=0", "gzip; Q=0.000", ",;q=,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		strong, weak := edge.Matches(field, `"abc"`, false), edge.Matches(field, `"abc"`, true)
		if strong && !weak || weak && strings.TrimSpace(field) != "*" && !strings.Contains(field, `"abc"`) {
			t.Fatalf("%q matches strongly %v, weakly %v", field, strong, weak)
		}
		if weak && !edge.Matches(`"x", `+field, `"abc"`, true) && strings.TrimSpace(field) != "*" {
			t.Fatalf("%q matches, but not behind another tag", field)
		}
		if low := strings.ToLower(field); edge.AcceptsGzip(field) && !strings.Contains(low, "gzip") && !strings.Contains(low, "*") {
			t.Fatalf("%q accepts gzip", field)
		}
		if edge.AcceptsGzip(field+", gzip;q=0") || edge.AcceptsGzip(field+", x-gzip;q=0, identity") {
			t.Fatalf("%q with gzip;q=0 accepts gzip", field)
		}
	})
}
