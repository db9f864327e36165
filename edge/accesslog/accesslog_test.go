package accesslog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/edge/cmcd"
	"github.com/weirstream/weir/internal/engine/embed"
)

var at = time.Date(2026, 11, 25, 7, 8, 9, 123456789, time.UTC)

// full is a record that has everything.
func full() *accesslog.Record {
	var d cmcd.Data
	d.ReadRecord([]byte(`sid="6e2f",br=(3000;v),bs,nor=("secret.m4s"),v=2,cid="a<b>&c"`))
	return &accesslog.Record{Time: at, Method: []byte("GET"), Path: []byte("/asset/1/clear/v1/3.m4s"), Status: 206, Bytes: 1 << 20,
		FirstByte: 1500 * time.Microsecond, Took: 20 * time.Millisecond, Cache: "disk", Client: netip.MustParseAddr("2001:db8::1"),
		Session: "s1", Organisation: "default", Asset: "asset", Revision: 1, Range: []byte("bytes=0-9"), CMCD: &d, TLS: "1.3"}
}

// run starts l and returns what ends it and waits for it.
func run(t *testing.T, l *accesslog.Log) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// lines logs records and returns the lines.
func lines(t *testing.T, records ...*accesslog.Record) []string {
	t.Helper()
	var out bytes.Buffer
	l := &accesslog.Log{Out: &out}
	stop := run(t, l)
	for _, r := range records {
		l.Record(r)
	}
	stop()
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestLine(t *testing.T) {
	got := lines(t, full(), &accesslog.Record{Time: at, Method: []byte("HEAD"), Path: []byte("/"), Status: 404})
	want := []string{`{"time":"2026-11-25T07:08:09.123456789Z","level":"INFO","msg":"access","method":"GET","path":"/asset/1/clear/v1/3.m4s","status":206,"bytes":1048576,` +
		`"ttfb_us":1500,"took_us":20000,"cache":"disk","client":"2001:db8::1","session":"s1","organisation":"default","asset":"asset","rev":1,"range":"bytes=0-9",` +
		`"cmcd":{"br":3000,"bs":true,"cid":"a\u003cb\u003e\u0026c","sid":"6e2f","v":2},"tls":"1.3"}`,
		`{"time":"2026-11-25T07:08:09.123456789Z","level":"INFO","msg":"access","method":"HEAD","path":"/","status":404,"bytes":0,"ttfb_us":0,"took_us":0}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}

// A line is what slog's JSON handler writes, so that whatever reads the program's log reads this one.
func TestLineIsASlogLine(t *testing.T) {
	r := full()
	r.CMCD = nil
	r.Path = []byte("/a\"b\\c\x01\x7fü\xff<>&\u2028x")
	r.Range = []byte(strings.Repeat("9", 500))
	var b bytes.Buffer
	h := slog.NewJSONHandler(&b, nil)
	record := slog.NewRecord(at, slog.LevelInfo, "access", 0)
	record.Add("method", "GET", "path", string(r.Path), "status", 206, "bytes", 1<<20, "ttfb_us", 1500, "took_us", 20000, "cache", "disk",
		"client", "2001:db8::1", "session", "s1", "organisation", "default", "asset", "asset", "rev", 1, "range", strings.Repeat("9", 128), "tls", "1.3")
	if err := h.Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal(b.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines(t, r)[0]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-slog +got)\n%s", diff)
	}
}

func TestNoTicketAndNoQuery(t *testing.T) {
	ticket := strings.Repeat("Tk0.-_", 20)
	for _, path := range []string{"/t/" + ticket + "/asset/1/x", "/media/t/" + ticket + "/x", "/t/" + ticket, "/t/t/" + ticket + "/x", "/x?ticket=" + ticket,
		"/t/" + ticket + "/t/" + ticket, "/t/" + ticket + "?" + ticket} {
		line := lines(t, &accesslog.Record{Time: at, Path: []byte(path)})[0]
		if strings.Contains(line, ticket[:12]) || !json.Valid([]byte(line)) {
			t.Errorf("the line of %s is %s", path, line)
		}
	}
	if line := lines(t, &accesslog.Record{Time: at, Path: []byte("/a/t/short/b")})[0]; !strings.Contains(line, `"/a/t/short/b"`) {
		t.Errorf("a folder named t is lost: %s", line)
	}
}

// gated is an Out that waits.
type gated struct {
	inside chan struct{}
	gate   chan struct{}
	n      int
}

func (g *gated) Write(b []byte) (int, error) {
	g.inside <- struct{}{}
	<-g.gate
	g.n += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// TestSlowFileDropsLines has a file that takes nothing: nobody waits, every line is written or counted.
func TestSlowFileDropsLines(t *testing.T) {
	out := &gated{inside: make(chan struct{}, 1000), gate: make(chan struct{})}
	var complaints bytes.Buffer
	l := &accesslog.Log{Out: out, Queue: 100, Interval: time.Millisecond, Log: slog.New(slog.NewTextHandler(&complaints, nil))}
	stop := run(t, l)
	l.Record(full())
	<-out.inside
	sent := int64(1)
	for ; l.Stats().Dropped == 0; sent++ {
		l.Record(full())
	}
	close(out.gate)
	stop()
	if s := l.Stats(); int64(out.n)+s.Dropped != sent || out.n == 0 || s.Unpublished != 0 {
		t.Errorf("of %d lines %d were written: %+v", sent, out.n, s)
	}
}

func TestFailingFile(t *testing.T) {
	r, w := io.Pipe()
	if err := r.CloseWithError(errors.New("no space")); err != nil {
		t.Fatal(err)
	}
	l := &accesslog.Log{Out: w}
	stop := run(t, l)
	l.Record(full())
	l.Record(full())
	stop()
	if s := l.Stats(); s.Dropped != 2 || s.Failures != 1 {
		t.Errorf("stats %+v, want both lost in one failure", s)
	}
}

// TestFacts publishes records of two organisations, more than one message holds, and reads them back.
func TestFacts(t *testing.T) {
	bus, err := embed.OpenBus(t.Context(), filepath.Join(t.TempDir(), "bus.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &accesslog.Log{Bus: bus, Edge: "edge-1"}
	stop := run(t, l)
	want := map[string]int{"one": 1000, "two": 3}
	for organisation, n := range want {
		for i := range n {
			r := full()
			r.Organisation, r.Path = organisation, fmt.Appendf(nil, "/%d/%s", i, strings.Repeat("&", 20))
			l.Record(r)
		}
	}
	stop()
	got := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	err = bus.Consume(ctx, accesslog.Topic, "test", func(_ context.Context, m weir.Message) error {
		var fact weir.Fact
		var records []struct{ Path, Organisation string }
		if err := json.Unmarshal(m.Value, &fact); err != nil {
			t.Error(err)
		}
		if err := json.Unmarshal(fact.Data, &records); err != nil {
			t.Error(err)
		}
		if m.Key != "edge-1" || fact.Subject != "edge-1" || fact.Type != accesslog.FactAccess || fact.Revision == 0 || len(m.Value) > weir.MaxMessageBytes {
			t.Errorf("fact %+v of %d bytes under key %s", fact, len(m.Value), m.Key)
		}
		for _, r := range records {
			if r.Organisation != fact.Organisation {
				t.Errorf("a record of %s is in a fact of %s", r.Organisation, fact.Organisation)
			}
			got[r.Organisation]++
		}
		if got["one"] >= want["one"] && got["two"] >= want["two"] {
			cancel()
		}
		return nil
	})
	cancel()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("records on the bus (-want +got)\n%s: %v", diff, err)
	}
	if s := l.Stats(); s.Batches < 6 || s.Unpublished != 0 || s.Recorded != 1003 {
		t.Errorf("stats %+v", s)
	}
}

// awayBus never answers.
type awayBus struct{ weir.Bus }

func (awayBus) Publish(ctx context.Context, _ ...weir.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// A bus that is away costs records on the bus, not lines in the file, and Run ends in time.
func TestBusAway(t *testing.T) {
	var out bytes.Buffer
	l := &accesslog.Log{Out: &out, Bus: awayBus{}, Timeout: time.Millisecond, Interval: time.Millisecond}
	stop := run(t, l)
	sent := int64(0)
	for ; l.Stats().Failures == 0; sent++ {
		l.Record(full())
	}
	stop()
	if s := l.Stats(); s.Recorded+s.Dropped < sent || s.Unpublished != s.Recorded || s.Batches != 0 {
		t.Errorf("of %d records: %+v", sent, s)
	}
}

func TestZeroLogDropsAll(t *testing.T) {
	var l accesslog.Log
	l.Record(full())
	if s := l.Stats(); s.Recorded != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	l := &accesslog.Log{Out: io.Discard, Queue: 10}
	r := full()
	for range 20 {
		l.Record(r)
	}
	if n := testing.AllocsPerRun(1000, func() { l.Record(r) }); n > 1 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	l := &accesslog.Log{Out: io.Discard}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	r := full()
	b.ReportAllocs()
	for b.Loop() {
		l.Record(r)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(l.Stats().Dropped)/float64(b.N), "dropped/op")
}

// FuzzLine logs any bytes: a line is one line of JSON.
func FuzzLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("/t/abc/x?y"), []byte("bytes=0-1"), "a\"b")
	f.Fuzz(func(t *testing.T, method, path, ranges []byte, session string) {
		got := lines(t, &accesslog.Record{Time: at, Method: method, Path: path, Range: ranges, Session: session})
		if len(got) != 1 || !json.Valid([]byte(got[0])) {
			t.Errorf("%q %q %q %q is logged as %q", method, path, ranges, session, got)
		}
	})
}
