package redis_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

// Whatever stands under a key that this program did not write, or not all of it, is a miss or an error, never a value.
func TestForeignValuesAreMisses(t *testing.T) {
	url := enginetest.Address(t, "WEIR_TEST_REDIS")
	prefix := weir.NewID(time.Now()) + ":"
	c, err := redis.Open(t.Context(), url+"?prefix="+prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw := goredis.NewClient(&goredis.Options{Addr: servers(url)[0]})
	defer raw.Close()
	large := bytes.Repeat([]byte("large value "), 50_000)
	if err := c.Set(t.Context(), "large", large, time.Minute); err != nil {
		t.Fatal(err)
	}
	stored, err := raw.Get(t.Context(), prefix+"large").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(at int) []byte {
		b := bytes.Clone(stored)
		b[at] ^= 1
		return b
	}
	for name, value := range map[string][]byte{
		"empty": nil, "text": []byte("somebody else's"), "kind": {9, 1, 2, 3}, "head only": {2}, "cut": stored[:len(stored)-1], "first read": stored[:65549],
		"kind of large": damaged(0), "length": damaged(9), "length by one": damaged(12),
	} {
		if err := raw.Set(t.Context(), prefix+"k", value, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		got, ok, err := c.Get(t.Context(), "k")
		if ok || err != nil {
			t.Errorf("%s: Get = %d bytes, %v, %v, want a miss", name, len(got), ok, err)
		}
	}
	if err := raw.Del(t.Context(), prefix+"k").Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.HSet(t.Context(), prefix+"k", "field", "value").Err(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Get(t.Context(), "k"); ok || weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Get of a hash = %v, %v, want kind Unavailable", ok, err)
	}
	if err := c.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
		t.Errorf("Set over a hash = %v", err)
	}
}

// A lifetime is kept to the millisecond.
func TestLifetimeInMilliseconds(t *testing.T) {
	url := enginetest.Address(t, "WEIR_TEST_REDIS")
	prefix := weir.NewID(time.Now()) + ":"
	c, err := redis.Open(t.Context(), url+"?prefix="+prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw := goredis.NewClient(&goredis.Options{Addr: servers(url)[0]})
	defer raw.Close()
	const ttl = time.Minute + 500*time.Millisecond
	before := time.Now()
	if err := c.Set(t.Context(), "k", []byte("v"), ttl); err != nil {
		t.Fatal(err)
	}
	left, err := raw.PTTL(t.Context(), prefix+"k").Result()
	if err != nil || left > ttl || left < ttl-time.Since(before)-time.Millisecond {
		t.Errorf("PTTL = %s, %v, want about %s", left, err, ttl)
	}
}

// A subscriber that is behind misses messages, which are counted, and hears the later ones; the connection never waits.
func TestSlowSubscriberIsCounted(t *testing.T) {
	c := open(t, enginetest.Address(t, "WEIR_TEST_REDIS"))
	ctx, cancel := context.WithCancel(t.Context())
	ready, release, last := make(chan struct{}), make(chan struct{}), make(chan struct{})
	heard := sync.OnceFunc(func() { close(last) })
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Subscribe(ctx, "ch", ready, func(m []byte) {
			<-release
			if string(m) == "last" {
				heard()
			}
		}); err != nil {
			t.Errorf("Subscribe = %v", err)
		}
	})
	<-ready
	for range 2000 {
		if err := c.Publish(t.Context(), "ch", bytes.Repeat([]byte("m"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	for c.Stats().Dropped < 2000-257 { // all that did not fit beside the one in the handler
		pass(time.Millisecond)
	}
	close(release)
	for c.Publish(t.Context(), "ch", []byte("last")) == nil {
		select {
		case <-last:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	cancel()
	running.Wait()
}

// TLS, a password of a user, and a database's number, all from the URL.
func TestTLSAndCredentials(t *testing.T) {
	url := enginetest.Address(t, "WEIR_TEST_REDIS")
	certificate, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { forward(l, servers(url)[0], &running) })
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	raw := goredis.NewClient(&goredis.Options{Addr: servers(url)[0], DB: 5})
	defer raw.Close()
	user := "u" + weir.NewID(time.Now())
	if err := raw.Do(t.Context(), "acl", "setuser", user, "on", ">p@ss/word", "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	defer raw.Do(context.WithoutCancel(t.Context()), "acl", "deluser", user)
	c, err := redis.Open(t.Context(), "rediss://"+user+":p%40ss%2Fword@"+l.Addr().String()+"/5?prefix="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := raw.Get(t.Context(), user+"k").Result(); err != nil || got != "\x01v" {
		t.Errorf("in database 5 there is %q, %v", got, err)
	}
	var log strings.Builder
	wrong, err := redis.Open(t.Context(), "rediss://"+user+":secret@"+l.Addr().String(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatalf("Open with a wrong password = %v, want none", err)
	}
	defer wrong.Close()
	if _, ok, err := wrong.Get(t.Context(), "k"); ok || weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Get with a wrong password = %v, %v, want kind Unavailable", ok, err)
	}
	if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "WRONGPASS") {
		t.Errorf("the log is %q, want the reason and no password", log.String())
	}
}

// forward joins TLS connections of l with the server.
func forward(l net.Listener, server string, running *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", server)
		if err != nil {
			_ = c.Close()
			continue
		}
		running.Go(func() { _, _ = io.Copy(up, c); _ = up.Close() })
		running.Go(func() { _, _ = io.Copy(c, up); _ = c.Close() })
	}
}

// selfSigned is a certificate for 127.0.0.1 that this process trusts: the one place where that can be said is the
// environment, before the first use of TLS.
var selfSigned = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	f, err := os.CreateTemp("", "ca-*.pem")
	if err != nil {
		return tls.Certificate{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.Setenv("SSL_CERT_FILE", f.Name()); err != nil {
		return tls.Certificate{}, err
	}
	_, err = x509.SystemCertPool() // reads it now
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})
