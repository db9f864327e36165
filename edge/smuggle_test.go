package edge_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
)

// converse sends raw, then FIN, and returns all that comes back: a client that stops sending still gets its answers.
func (s *site) converse(raw string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, raw) // the server may have answered and closed before
	_ = c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c) // a reset ends what was answered
	return string(b)
}

var statusLines = regexp.MustCompile(`HTTP/1\.1 \d\d\d `)

// TestSmuggling sends shapes that two readers may frame differently: one answer, an error, and the connection ends.
func TestSmuggling(t *testing.T) {
	s := start(t, 1000)
	s.list(weir.Complete, 6)
	const next = "GET /livez HTTP/1.1\r\nHost: second\r\n\r\n"
	f := func(name, head, body string) {
		t.Helper()
		raw := strings.ReplaceAll(head, "|", "\r\n") + "\r\n\r\n" + body + next
		got := s.converse(raw)
		if n := len(statusLines.FindAllString(got, -1)); n > 1 || n == 1 && !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 501") {
			t.Errorf("%s: %d answers:\n%.300s", name, n, got)
		}
		if n := len(statusLines.FindAllString(got, -1)); n == 1 && !strings.Contains(got, "Connection: close") {
			t.Errorf("%s: the connection stays open:\n%.300s", name, got)
		}
	}
	const get = "GET /livez HTTP/1.1|Host: x|"
	f("length and chunked", get+"Content-Length: 5|Transfer-Encoding: chunked", "0\r\n\r\n")
	f("chunked and length", get+"Transfer-Encoding: chunked|Content-Length: 5", "0\r\n\r\n")
	f("two lengths", get+"Content-Length: 5|Content-Length: 6", "abcde")
	f("list of lengths", get+"Content-Length: 5, 6", "abcde")
	f("negative length", get+"Content-Length: -5", "abcde")
	f("signed length", get+"Content-Length: +5", "abcde")
	f("hex length", get+"Content-Length: 0x5", "abcde")
	f("overflowing length", get+"Content-Length: 18446744073709551621", "abcde")
	f("empty length", get+"Content-Length:", "")
	f("two codings", get+"Transfer-Encoding: chunked, identity", "0\r\n\r\n")
	f("other coding", get+"Transfer-Encoding: xchunked", "0\r\n\r\n")
	f("coding of old", "GET /livez HTTP/1.0|Host: x|Transfer-Encoding: chunked", "0\r\n\r\n")
	f("coding twice", get+"Transfer-Encoding: chunked|Transfer-Encoding: chunked", "0\r\n\r\n")
	f("coding with tab", get+"Transfer-Encoding:\vchunked", "0\r\n\r\n")
	f("space before colon", get+"Content-Length : 5", "abcde")
	f("coding with space before colon", get+"Transfer-Encoding : chunked", "0\r\n\r\n")
	f("folded", get+"X: a| b", "")
	f("folded coding", get+"Transfer-Encoding:| chunked", "0\r\n\r\n")
	f("first field is folded", "GET /livez HTTP/1.1| Host: x", "")
	f("CR in value", get+"X: a\rb", "")
	f("CR in value hides a field", get+"X: a\rTransfer-Encoding: chunked", "0\r\n\r\n")
	f("NUL in value", get+"X: a\x00b", "")
	f("NUL in name", get+"X\x00: a", "")
	f("bare LF in a field", get+"X: a\nTransfer-Encoding: chunked", "0\r\n\r\n")
	f("no colon", get+"nonsense", "")
	f("empty name", get+": x", "")
	f("no host", "GET /livez HTTP/1.1|X: a", "")
	f("two hosts", get+"Host: y", "")
	f("two spaces", "GET  /livez HTTP/1.1|Host: x", "")
	f("tab in the line", "GET\t/livez HTTP/1.1|Host: x", "")
	f("version 2", "GET /livez HTTP/2.0|Host: x", "")
	f("lower case version", "GET /livez http/1.1|Host: x", "")
	f("no version", "GET /livez|Host: x", "")
	f("unknown expectation", get+"Expect: 200-maybe", "")
	f("space in target", "GET /livez /x HTTP/1.1|Host: x", "")
	// The answer does not wait for the body, so it is given, but nothing after it.
	if got := s.converse(strings.ReplaceAll(get, "|", "\r\n") + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + next); len(statusLines.FindAllString(got, -1)) != 1 {
		t.Errorf("after a bad chunk size: %s", got)
	}
}

// Requests that are well framed are answered in order, each once.
func TestPipelining(t *testing.T) {
	s := start(t, 20_000)
	s.list(weir.Complete, 6)
	var raw bytes.Buffer
	var want []string
	for n := range 60 {
		switch n % 4 {
		case 0:
			fmt.Fprintf(&raw, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", s.url(videoID+"/"+itoa(1+n%6)+".m4s"))
			want = append(want, string(s.bytes[videoID][n%6]))
		case 1:
			raw.WriteString("GET http://x/livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde")
			want = append(want, "ok\n")
		case 2:
			fmt.Fprintf(&raw, "GET %s HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9,1-1\r\n\r\n", s.url(videoID+"/1.m4s"))
			want = append(want, string(s.bytes[videoID][0][5:10]))
		case 3:
			fmt.Fprintf(&raw, "GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", s.url(videoID+"/init.mp4"))
			want = append(want, string(s.inits[videoID]))
		}
	}
	got := s.converse(raw.String())
	for n, w := range want {
		i := strings.Index(got, w)
		if i < 0 {
			t.Fatalf("answer %d is missing or out of its turn", n)
		}
		got = got[i+len(w):]
	}
	chunked := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", s.url(videoID+"/init.mp4"))
	got = s.converse(chunked + chunked)
	if strings.Count(got, string(s.inits[videoID])) != 1 || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("a chunked request is not answered once and the last of its connection")
	}
}
