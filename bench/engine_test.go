package bench_test

import (
	"bytes"
	"context"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/bench"
)

func target(t *testing.T, raw string) bench.Target {
	t.Helper()
	got, err := new(bench.Hosts).Target(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// do runs a scenario for a short time on one connection unless change says otherwise.
func do(t *testing.T, s bench.Scenario, change func(*bench.Options), urls ...string) bench.Result {
	t.Helper()
	o := bench.Options{Name: "test", For: 200 * time.Millisecond, Connections: 2, Client: bench.Copy, Seed: 1}
	if change != nil {
		change(&o)
	}
	var targets []bench.Target
	for _, u := range urls {
		targets = append(targets, target(t, u))
	}
	r, err := bench.Do(t.Context(), s, o, targets)
	if err != nil {
		t.Fatalf("%s: %v", s.Name(), err)
	}
	return r
}

func TestSchedule(t *testing.T) {
	even := bench.NewSchedule(100, false, time.Second, 1)
	n := 0
	for {
		at, k, ok := even.Next()
		if !ok {
			break
		}
		if k != n || at != time.Duration(n)*10*time.Millisecond {
			t.Fatalf("arrival %d is %d at %v", n, k, at)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d arrivals in a second of 100/s", n)
	}
	poisson := bench.NewSchedule(1000, true, 10*time.Second, 7)
	n = 0
	var sum, squares float64
	last := time.Duration(0)
	for {
		at, _, ok := poisson.Next()
		if !ok {
			break
		}
		gap := (at - last).Seconds()
		sum, squares, last, n = sum+gap, squares+gap*gap, at, n+1
	}
	mean := sum / float64(n)
	spread := math.Sqrt(squares/float64(n)-mean*mean) / mean
	if n < 9500 || n > 10500 || spread < 0.95 || spread > 1.05 {
		t.Errorf("%d arrivals in 10 s of 1000/s; their gaps spread by %g of their mean, want 1", n, spread)
	}
}

func TestZipf(t *testing.T) {
	f := func(n int, s float64, want []float64) {
		t.Helper()
		z, count := bench.NewZipf(n, s), make([]float64, n)
		for i := range 100_000 {
			count[z.Pick(float64(i)/100_000)] += 1.0 / 100_000
		}
		for i := range want {
			if math.Abs(count[i]-want[i]) > 0.001 {
				t.Errorf("NewZipf(%d, %g) picks %v, want %v", n, s, count, want)
			}
		}
	}
	f(1, 1, []float64{1})
	f(4, 0, []float64{0.25, 0.25, 0.25, 0.25})
	f(3, 1, []float64{6.0 / 11, 3.0 / 11, 2.0 / 11})
}

func TestOnlyWhatIsOurs(t *testing.T) {
	f := func(raw string, owned []string, kind weir.Kind) {
		t.Helper()
		_, err := (&bench.Hosts{Owned: owned}).Target(t.Context(), raw)
		if (err != nil) != (kind != weir.Internal) || weir.KindOf(err) != kind {
			t.Errorf("Target(%s) with %v = %v, want %v", raw, owned, err, kind)
		}
	}
	const fine = weir.Internal // of a nil error
	f("http://127.0.0.1:1/x", nil, fine)
	f("http://[::1]:1/x", nil, fine)
	f("http://192.0.2.1/x", nil, weir.Forbidden)
	f("http://192.0.2.1/x", []string{"192.0.2.1"}, fine)
	f("http://192.0.2.1/x", []string{"192.0.2.2"}, weir.Forbidden)
	f("ftp://127.0.0.1/x", nil, weir.Invalid)
	f("http://user:secret@127.0.0.1/x", nil, weir.Invalid)
	f("127.0.0.1", nil, weir.Invalid)
	f("http://127.0.0.1:99999/", nil, weir.Invalid)
}

func TestRedact(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := bench.Redact(in); got != want {
			t.Errorf("Redact(%s) = %s, want %s", in, got, want)
		}
	}
	f("http://h/a/b.m4s", "http://h/a/b.m4s")
	f("http://h/t/secret/a/b.m4s", "http://h/t/.../a/b.m4s")
	f("http://h/a;URISigningPackage=secret/b.m4s", "http://h/a;URISigningPackage=.../b.m4s")
	f("http://h/a?md5=secret&expires=1", "http://h/a?md5=...&expires=...")
}

func TestRunsAreBounded(t *testing.T) {
	f := func(o bench.Options) {
		t.Helper()
		_, err := bench.Do(t.Context(), bench.Hot{}, o, []bench.Target{target(t, "http://127.0.0.1:1/")})
		if weir.KindOf(err) != weir.Invalid {
			t.Errorf("Do(%+v) = %v, want Invalid", o, err)
		}
	}
	f(bench.Options{For: 61 * time.Minute, Connections: 1})
	f(bench.Options{For: 0, Connections: 1})
	f(bench.Options{For: time.Second, Connections: 0})
	f(bench.Options{For: time.Second, Connections: bench.MaxConnections + 1})
	f(bench.Options{For: time.Second, Connections: 1, Rate: -1})
	f(bench.Options{For: time.Second, Connections: 1, Meter: bench.Meter{PID: 1 << 30}})
	f(bench.Options{For: time.Second, Connections: 1, Meter: bench.Meter{Unit: "../x"}})
}

// A server that stands still for a while once delays all who would have come meanwhile. A client that waits for it asks one
// request less often, and its percentiles hide that; one with a schedule tells.
func TestNoCoordinatedOmission(t *testing.T) {
	const hold = 600 * time.Millisecond
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			timer := time.NewTimer(hold)
			defer timer.Stop()
			<-timer.C
		})
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	r := do(t, bench.Hot{}, func(o *bench.Options) {
		o.For, o.Connections, o.Rate, o.Constant = time.Second, 1, 100, true
	}, s.URL+"/a.m4s")
	m := r.Main()
	if m.Requests != 100 {
		t.Errorf("%d of 100 requests were made", m.Requests)
	}
	// Those meant for the first 300 ms of the pause, 30 of 100, waited for 300 ms at least.
	if m.Total.P90 < 300 || m.Total.Max < 590 {
		t.Errorf("p90 %g ms, max %g ms: the pause of %v is not in them", m.Total.P90, m.Total.Max, hold)
	}
}

func TestClientsCountTheSame(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	for _, c := range []bench.Client{bench.Copy, bench.Discard, bench.Check} {
		r := do(t, bench.Hot{}, func(o *bench.Options) { o.Client, o.Warm = c, 1 }, o.URL+"/bench/300k/x.m4s")
		m := r.Main()
		if m.Requests == 0 || m.Bytes != m.Requests*300<<10 || r.Failed() != 0 || r.Connections > 2 || !r.Passed() {
			t.Errorf("%s: %d requests, %d bytes, %v, %d connections", c, m.Requests, m.Bytes, r.Errors, r.Connections)
		}
	}
}

func TestDiscardOverTLS(t *testing.T) {
	o := httptest.NewTLSServer(&bench.Origin{})
	defer o.Close()
	r := do(t, bench.Hot{}, func(o *bench.Options) { o.Client = bench.Discard }, o.URL+"/bench/100k/x.m4s")
	if m := r.Main(); m.Requests == 0 || m.Bytes != m.Requests*100<<10 {
		t.Errorf("%d requests, %d bytes, %v", m.Requests, m.Bytes, r.Errors)
	}
}

func TestErrorsHaveNames(t *testing.T) {
	f := func(answer string, want string) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write([]byte(answer))
				_ = c.Close()
			}
		}()
		for _, client := range []bench.Client{bench.Copy, bench.Discard} {
			r := do(t, bench.Hot{}, func(o *bench.Options) { o.Connections, o.Client, o.For = 1, client, 30*time.Millisecond }, "http://"+l.Addr().String()+"/x.m4s")
			if want == "" {
				if r.Failed() > 0 || r.Requests == 0 {
					t.Errorf("%q, %s: %v, want none", answer, client, r.Errors)
				}
			} else if r.Errors[want] == 0 || len(r.Errors) != 1 || r.Passed() {
				t.Errorf("%q, %s: %v, want %s", answer, client, r.Errors, want)
			}
		}
		_ = l.Close()
		<-done
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "")
	f("HTTP/1.0 200 OK\r\n\r\nabc", "")
	f("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n", "")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "short")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "malformed")
	f("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "short")
	f("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", "status-404")
	f("", "reset")
	f("HTTP/1.1 200", "reset")
	f("SSH-2.0\r\n\r\n", "malformed")
	r := do(t, bench.Hot{}, func(o *bench.Options) { o.Connections = 1 }, "http://127.0.0.1:1/x.m4s")
	if r.Errors["dial"] == 0 {
		t.Errorf("nobody listens: %v", r.Errors)
	}
}

func TestKinds(t *testing.T) {
	o := httptest.NewServer(&bench.Origin{})
	defer o.Close()
	r := do(t, bench.Hot{}, nil, o.URL+"/bench/1k/a.m3u8", o.URL+"/bench/1k/init.mp4", o.URL+"/bench/1k/1.m4s", o.URL+"/bench/1k/a.mpd")
	var kinds []string
	for _, k := range r.Kinds {
		kinds = append(kinds, k.Kind)
	}
	if !slices.Equal(kinds, []string{"manifest", "init", "segment"}) {
		t.Errorf("kinds %v", kinds)
	}
}

func TestStat(t *testing.T) {
	line := "42 (a ) (b) S 7 1 1 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 5 6"
	pid, parent, cpu, err := bench.ParseStat([]byte(line))
	if err != nil || pid != 42 || parent != 7 || cpu != 2.5 {
		t.Errorf("ParseStat = %d, %d, %g, %v", pid, parent, cpu, err)
	}
	for _, bad := range []string{"", "42 (a", "42 (a) S 7", ") (", "x (a) S 7 1 1 0 -1 4194560 1 2 3 4 150 50 30 20 20 0"} {
		if _, _, _, err := bench.ParseStat([]byte(bad)); err == nil {
			t.Errorf("ParseStat(%q) is no error", bad)
		}
	}
	took, err := bench.Meter{PID: os.Getpid()}.Read()
	if err != nil || took < 0 {
		t.Errorf("our own CPU time: %v, %v", took, err)
	}
}

func TestProgressWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	bench.Progress(&out, 12)
	if got := out.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, "\r") {
		t.Errorf("12 seconds give a file %q, want a line every five", got)
	}
}

// A server that stops answering has failed what it was asked, and what it was not even asked for lack of a connection.
func TestServerThatHangs(t *testing.T) {
	began, goOn := time.Now(), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if time.Since(began) > 100*time.Millisecond {
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	defer close(goOn)
	r := do(t, bench.Hot{}, func(o *bench.Options) {
		o.For, o.Connections, o.Rate, o.Constant, o.Patience = 300*time.Millisecond, 2, 1000, true, 200*time.Millisecond
	}, s.URL+"/a.m4s")
	if r.Passed() || r.Errors["timeout"] == 0 || r.Errors["unasked"] == 0 || r.Requests+r.Failed() != 300 {
		t.Errorf("%d answers, %v, passed %v; want 300 in all, timeouts among them, and no pass", r.Requests, r.Errors, r.Passed())
	}
}

// A herd that outlasts its time has not passed.
func TestHerdThatOutlastsItsTime(t *testing.T) {
	s := httptest.NewServer(&bench.Origin{Delay: 300 * time.Millisecond})
	defer s.Close()
	r := do(t, bench.Herd{}, func(o *bench.Options) { o.For, o.Connections = 100*time.Millisecond, 3 }, s.URL+"/bench/1k/1.m4s", s.URL+"/bench/1k/2.m4s")
	if r.Passed() || r.Settings["client"] != string(bench.Check) {
		t.Errorf("%+v passed, settings %v", r.Checks, r.Settings)
	}
}

func TestWarmingEndsWithTheCaller(t *testing.T) {
	s := httptest.NewServer(&bench.Origin{})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := bench.Options{For: time.Second, Connections: 1, Client: bench.Copy, Warm: 1000}
	if _, err := bench.Do(ctx, bench.Hot{}, o, []bench.Target{target(t, s.URL+"/bench/1k/x.m4s")}); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Do = %v, want Unavailable", err)
	}
}

func TestEndsWithTheCaller(t *testing.T) {
	s := httptest.NewServer(&bench.Origin{})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	r, err := bench.Do(ctx, bench.Hot{}, bench.Options{For: time.Hour, Connections: 2, Client: bench.Copy}, []bench.Target{target(t, s.URL+"/bench/1k/x.m4s")})
	if err != nil || r.Requests == 0 {
		t.Errorf("Do = %d requests, %v", r.Requests, err)
	}
}
