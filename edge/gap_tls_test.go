package edge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// tlsClient speaks up to version. With keep it uses connections again.
func tlsClient(t *testing.T, version uint16, keep bool) *http.Client {
	transport := &http.Transport{DisableKeepAlives: !keep, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: version}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: 30 * time.Second, Transport: transport}
}

// TestCertificatesChangeUnderLoad replaces the pair again and again, with broken ones in between, while clients fetch, half
// of them with a handshake for each request: none fails, and new handshakes see the new pair.
func TestCertificatesChangeUnderLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify(t, dir, 1)
	s := start(t, 100_000, func(e *edge.Server) { e.TLSCert, e.TLSKey = cert, key })
	s.list(weir.Complete, 6)
	handshake(t, s.addr) // the first pair is read
	url := "https://" + s.addr + s.url(videoID+"/1.m4s")
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var fetched, newest atomic.Int64
	for i := range 8 {
		client := tlsClient(t, tls.VersionTLS13, i%2 == 0)
		clients.Go(func() {
			for ctx.Err() == nil {
				res, err := client.Get(url)
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || !bytes.Equal(b, s.bytes[videoID][0]) {
					t.Errorf("client %d: %s, %d bytes, %v", i, res.Status, len(b), err)
				}
				fetched.Add(1)
				if serial := res.TLS.PeerCertificates[0].SerialNumber.Int64(); i%2 == 1 && serial > newest.Load() {
					newest.Store(serial)
				}
			}
		})
	}
	replacements := int64(max(20*scale(), 3))
	for serial := int64(2); serial < 2+replacements; serial++ {
		if serial%2 == 0 {
			if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil { // for the next look, or for none
				t.Fatal(err)
			}
		}
		certify(t, dir, serial)
		for end := time.Now().Add(20 * time.Second); newest.Load() != serial; {
			if time.Now().After(end) {
				t.Fatalf("handshakes see certificate %d, want %d", newest.Load(), serial)
			}
			handshake(t, s.addr) // time passes
		}
	}
	// A broken pair that stays is told, and the one before is used on.
	if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), "the new certificate is not used"); {
		if time.Now().After(end) {
			t.Fatal("nobody is told of a broken key")
		}
		handshake(t, s.addr)
	}
	if serial := handshake(t, s.addr); serial != 1+replacements {
		t.Errorf("certificate %d is used after a broken one, want %d", serial, 1+replacements)
	}
	cancel()
	clients.Wait()
	t.Logf("%d replacements, %d requests", replacements, fetched.Load())
	if n := s.metric("weir_edge_tls_handshake_failures_total"); n != 0 {
		t.Errorf("%v handshakes failed", n)
	}
}

// handshake returns the serial number of the certificate that a new connection sees.
func handshake(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c) // a reset would overtake the end of the handshake
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// Handshakes that fail are counted by what was wrong, and leave the listener as it was.
func TestFailedHandshakes(t *testing.T) {
	cert, key := certify(t, t.TempDir(), 1)
	s := start(t, 1000, func(e *edge.Server) { e.TLSCert, e.TLSKey, e.ReadTimeout = cert, key, 500*time.Millisecond })
	raw := func(text string, end bool) {
		t.Helper()
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(c, text)
		if end {
			_ = c.(*net.TCPConn).CloseWrite()
		}
		if b, _ := io.ReadAll(c); bytes.Contains(b, []byte("HTTP/1.1")) {
			t.Errorf("%.20q is answered in the clear: %.100q", text, b)
		}
	}
	f := func(kind string, fail func()) {
		t.Helper()
		fail()
		for end := time.Now().Add(20 * time.Second); s.metric("weir_edge_tls_handshake_failures_total", "kind="+kind) != 1; {
			if time.Now().After(end) {
				t.Fatalf("a handshake that fails by %q is counted %v times, %v of all", kind,
					s.metric("weir_edge_tls_handshake_failures_total", "kind="+kind), s.metric("weir_edge_tls_handshake_failures_total"))
			}
		}
	}
	f("version", func() {
		if _, err := tlsClient(t, tls.VersionTLS12, false).Get("https://" + s.addr + "/livez"); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("GET over TLS 1.2 = %v, want a refusal", err)
		}
	})
	f("plain", func() { raw("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", false) })
	f("closed", func() { raw("", true) })
	f("timeout", func() { raw("\x16\x03\x01\x02\x00\x01", false) })
	f("refused", func() {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if err := tls.Client(c, &tls.Config{ServerName: "edge"}).Handshake(); err == nil {
			t.Error("a client trusts the certificate")
		}
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c) // a reset would overtake the alert
	})
	handshake(t, s.addr) // closes without a request: that is no failure
	if _, err := tlsClient(t, tls.VersionTLS13, false).Get("https://" + s.addr + "/livez"); err != nil {
		t.Error(err)
	}
	if n := s.metric("weir_edge_tls_handshake_failures_total"); n != 5 {
		t.Errorf("%v handshakes failed, want 5", n)
	}
}
