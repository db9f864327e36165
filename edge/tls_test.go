package edge_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
)

// certify writes a certificate of its own with that serial number.
func certify(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "edge"}, DNSNames: []string{"edge"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_700_000_000+serial, 0) // the clock of the file system may be too coarse
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify(t, dir, 1)
	s := start(t, 300_000, func(e *edge.Server) { e.TLSCert, e.TLSKey = cert, key })
	s.list(weir.Complete, 6)
	client := func(version uint16) *http.Client {
		return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, // each request a handshake
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}}}}
	}
	get := func(rest string) (b []byte, state tls.ConnectionState) {
		t.Helper()
		res, err := client(tls.VersionTLS13).Get("https://" + s.addr + s.url(rest))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err = io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
			t.Fatalf("GET %s = %d, %v", rest, res.StatusCode, err)
		}
		return b, *res.TLS
	}
	b, state := get(videoID + "/1.m4s")
	if !bytes.Equal(b, s.bytes[videoID][0]) || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("GET over TLS: %d bytes, version %x, protocol %q", len(b), state.Version, state.NegotiatedProtocol)
	}
	if b, _ := get(videoID + "/track.mp4"); !bytes.HasSuffix(b, bytes.Join(s.bytes[videoID], nil)) {
		t.Errorf("the track over TLS is %d other bytes", len(b))
	}
	if _, err := client(tls.VersionTLS12).Get("https://" + s.addr + "/livez"); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("GET over TLS 1.2 = %v, want a refusal", err)
	}
}

func TestCertificateFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := certify(t, dir, 1)
	serial, check, err := edge.Certificates(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	f := func(want int64) {
		t.Helper()
		check()
		if got := serial(); got != want {
			t.Errorf("certificate %d is used, want %d", got, want)
		}
	}
	f(1)
	certify(t, dir, 2)
	f(2)
	if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(2)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	f(2)
	certify(t, dir, 3)
	f(3)
	if _, _, err := edge.Certificates(cert, filepath.Join(dir, "none")); err == nil {
		t.Errorf("a missing key is no error at the start")
	}
}
