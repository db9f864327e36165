package kafka_test

import (
	"net"
	"strings"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/kafka"
)

func TestURLs(t *testing.T) {
	f := func(url string, want weir.Kind, says string) {
		t.Helper()
		b, err := kafka.Open(t.Context(), url, nil)
		if err == nil {
			_ = b.Close()
			t.Errorf("Open(%q) = nil", url)
			return
		}
		if weir.KindOf(err) != want || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %v %v, want %v that says %q", url, weir.KindOf(err), err, want, says)
		}
	}
	f("", weir.Invalid, "kafka://host:port")
	f("redis://127.0.0.1:1", weir.Invalid, "kafka://host:port")
	f("kafka://", weir.Invalid, "host:port")
	f("kafka://127.0.0.1:1,", weir.Invalid, "host:port")
	f("kafka://weir:hunter2", weir.Invalid, "host:port")
	f("kafka://weir:hunter2?more@127.0.0.1:1", weir.Invalid, "percent-encoded")
	f("kafka://127.0.0.1:http", weir.Invalid, "host:port")
	f("kafka://127.0.0.1:1/topic", weir.Invalid, "host:port")
	f("kafka://127.0.0.1:1?retention=1", weir.Invalid, "possible: prefix, partitions, replication, tls, sasl")
	f("kafka://127.0.0.1:1?partitions=0", weir.Invalid, "partitions=0")
	f("kafka://127.0.0.1:1?partitions=1&partitions=2", weir.Invalid, "once")
	f("kafka://127.0.0.1:1?replication=many", weir.Invalid, "replication=many")
	f("kafka://127.0.0.1:1?prefix=a/b", weir.Invalid, "prefix=a/b")
	f("kafka://127.0.0.1:1?prefix="+strings.Repeat("x", 41), weir.Invalid, "prefix")
	f("kafka://127.0.0.1:1?tls=yes", weir.Invalid, "tls=yes")
	f("kafka://127.0.0.1:1?sasl=gssapi", weir.Invalid, "sasl=gssapi")
	f("kafka://127.0.0.1:1?sasl=plain", weir.Invalid, "user:password@")
	f("kafka://127.0.0.1:1?%zz", weir.Invalid, "parameters")
	f("kafka://weir:hunter2?x@127.0.0.1:1", weir.Invalid, "user:password")
	f("kafka://hunter2@127.0.0.1:1", weir.Invalid, "user:password")
	f("kafka://weir:hunter2%zz@127.0.0.1:1", weir.Invalid, "user:password")
	f("kafka://127.0.0.1:1,127.0.0.1:2", weir.Unavailable, "no broker of the bus answers")
	f("kafka://weir:hunter2@127.0.0.1:1?sasl=plain&tls=true&prefix=&partitions=1000&replication=3", weir.Unavailable, "refused")
	f("kafka://[::1]:1", weir.Unavailable, "no broker of the bus answers")
}

// TestOpenAsks: whoever listens is no broker by that alone.
func TestOpenAsks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	if _, err := kafka.Open(t.Context(), "kafka://"+l.Addr().String(), nil); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Open of what is no broker = %v, want Unavailable", err)
	}
}
