package systemtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir/internal/engine/enginetest"
)

// What is ruled about an object while one edge is cut off, by the object's number.
const (
	purgedByURL = iota
	purgedSoftly
	purgedByPrefix
	purgedByKey
	sessionRevoked
	subjectRevoked
	untouched
	fates
)

// Two edges on real engines, of which one cannot reach them for a while: nothing that was purged or revoked meanwhile is
// served by it once it is ready again, and what was not is still in its cache.
func TestPurgeWhileCutOff(t *testing.T) {
	p := startPair(t, scaled(10_000, 350))
	cutFor := time.Duration(scaled(60, 8)) * time.Second // longer than an edge is fresh
	for _, e := range []*server{p.near, p.far} {
		p.askAll(e, func(n, status int, version string) error {
			if status != 200 || version != "1" {
				return fmt.Errorf("%d with version %q, want 200 with 1", status, version)
			}
			return nil
		})
	}
	reads := p.reads.Load()
	p.askAll(p.far, func(n, status int, _ string) error { return nil })
	if p.reads.Load() != reads {
		t.Fatalf("%d objects were not in the cache", p.reads.Load()-reads)
	}

	began := time.Now()
	p.net.cut()
	p.until("the edge that is cut off is not ready", 20*time.Second, func() error { return wantStatus(p.far.Admin+"/readyz", 503) })
	t.Logf("not ready %v after the cut", time.Since(began).Round(100*time.Millisecond))
	p.version.Store(2)
	rulings := p.rule()
	t.Logf("%d purges and revocations, %v after the cut", rulings, time.Since(began).Round(time.Second))
	p.askAll(p.near, p.obeyed) // the one that is not cut off
	old, refused := p.stale()
	t.Logf("cut off, %d of %d objects that are purged or revoked are served as before, and %d are not", old, old+refused, refused)
	<-time.After(time.Until(began.Add(cutFor))) // the length of the cut is what is tested
	if err := wantStatus(p.far.Admin+"/readyz", 503); err != nil {
		t.Errorf("still cut off: %v", err)
	}

	p.net.mend()
	mended := time.Now()
	p.until("the edge is ready again", time.Minute, func() error { return wantStatus(p.far.Admin+"/readyz", 200) })
	t.Logf("ready %v after the end of a cut of %v", time.Since(mended).Round(10*time.Millisecond), mended.Sub(began).Round(time.Second))
	reads = p.reads.Load()
	p.askAll(p.far, p.obeyed)
	t.Logf("%d objects asked of it right then: %d came from the origin, 0 purged or revoked ones were served", p.objects, p.reads.Load()-reads)
	if changed := int64(p.objects * (untouched - 2) / fates); p.reads.Load()-reads > changed+int64(fates) {
		t.Errorf("%d objects came from the origin, about %d were purged: what was not purged is lost", p.reads.Load()-reads, changed)
	}
}

// pair is two edges before one origin.
type pair struct {
	t         *testing.T
	near, far *server // far is the one whose engines can be out of reach
	net       network
	objects   int
	tickets   []string
	version   atomic.Int64
	reads     atomic.Int64
	client    *http.Client
}

func startPair(t *testing.T, objects int) *pair {
	p := &pair{t: t, objects: objects, client: &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	p.version.Store(1)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.reads.Add(1)
		w.Header().Set("Cache-Control", "max-age=86400")
		w.Header().Set("Surrogate-Key", "all "+strings.ReplaceAll(strings.Trim(r.URL.Path, "/"), "/", "-"))
		fmt.Fprint(w, p.version.Load())
	}))
	t.Cleanup(origin.Close)
	id := make([]byte, 36)
	_, _ = rand.Read(id)
	name := "cut" + hex.EncodeToString(id[:4])
	engines := map[string]string{
		"--blobs":    s3URL(t, name),
		"--cache":    withQuery(t, enginetest.Address(t, "WEIR_TEST_REDIS"), "prefix", name+":"),
		"--registry": withQuery(t, enginetest.Address(t, "WEIR_TEST_CONSUL"), "prefix", name+"/"),
	}
	start := func(reach func(string) string) *server {
		flags := []string{"--roles=edge", "--origin=" + origin.URL, "--log-level=warn", "--root-key=" + hex.EncodeToString(id[4:])}
		for flag, engine := range engines {
			flags = append(flags, flag+"="+reach(engine))
		}
		return serve(t, t.TempDir(), flags...)
	}
	p.near = start(func(engine string) string { return engine })
	p.far = start(func(engine string) string { return p.net.through(t, engine) })
	t.Cleanup(p.net.mend)
	p.sign()
	return p
}

// sign has a ticket made for each object, with a session of its own; a hundred share a viewer.
func (p *pair) sign() {
	p.tickets = make([]string, p.objects)
	p.sideBySide(16, p.objects, func(n int) error {
		var out struct{ Ticket string }
		err := p.post("/tickets", map[string]any{"prefix": object(n), "session": fmt.Sprint("s", n), "subject": viewerOf(n)}, &out)
		p.tickets[n] = out.Ticket
		return err
	})
}

// object is a path: fate, shelf, number.
func object(n int) string { return fmt.Sprintf("f%d/%d/%d", n%fates, n/700, n) }

// viewerOf is whose ticket an object's is: those who are revoked have no other objects.
func viewerOf(n int) string { return fmt.Sprintf("v%d-%d", n%fates, n/700) }

// rule purges and revokes through the edge that is not cut off, and says how many orders that took.
func (p *pair) rule() (orders int) {
	var urls, soft, prefixes, keys []string
	var sessions, subjects []int
	for n := range p.objects {
		switch n % fates {
		case purgedByURL:
			urls = append(urls, object(n))
		case purgedSoftly:
			soft = append(soft, object(n))
		case purgedByPrefix:
			if n/700 != (n-fates)/700 || n < fates {
				prefixes = append(prefixes, fmt.Sprintf("f%d/%d/", n%fates, n/700))
			}
		case purgedByKey:
			keys = append(keys, strings.ReplaceAll(object(n), "/", "-"))
		case sessionRevoked:
			sessions = append(sessions, n)
		case subjectRevoked:
			if n/700 != (n-fates)/700 || n < 2*fates {
				subjects = append(subjects, n)
			}
		}
	}
	var all []func() error
	order := func(path string, body map[string]any) {
		all = append(all, func() error { return p.post(path, body, nil) })
	}
	for by, values := range map[string][]string{"url": urls, "prefix": prefixes, "key": keys, "soft": soft} {
		for len(values) > 0 {
			some := values[:min(len(values), 1000)]
			values = values[len(some):]
			body := map[string]any{"by": by, "values": some}
			if by == "soft" {
				body["by"], body["soft"] = "url", true
			}
			order("/purge", body)
		}
	}
	for _, n := range sessions {
		order("/revoke", map[string]any{"session": fmt.Sprint("s", n)})
	}
	for _, n := range subjects {
		order("/revoke", map[string]any{"subject": viewerOf(n)})
	}
	p.sideBySide(2, len(all), func(i int) error { return all[i]() }) // each writes the log's next number: more would only wait
	if err := p.post("/revoke?wait=1", map[string]any{"session": "the-last"}, nil); err != nil {
		p.t.Fatal(err)
	}
	return len(all) + 1
}

// obeyed says what is wrong with an answer after all was ruled.
func (p *pair) obeyed(n, status int, version string) error {
	switch n % fates {
	case sessionRevoked, subjectRevoked:
		if status != 403 {
			return fmt.Errorf("revoked, but %d", status)
		}
	case untouched:
		if status != 200 {
			return fmt.Errorf("%d", status)
		}
	default:
		if status != 200 || version != "2" {
			return fmt.Errorf("purged, but %d with version %q", status, version)
		}
	}
	return nil
}

// stale counts what the edge that is cut off does with a sample of what is purged or revoked.
func (p *pair) stale() (old, refused int) {
	for n := 0; n < p.objects; n += max(p.objects/100, 1) {
		if n%fates == untouched {
			continue
		}
		status, version, err := p.get(p.far, n)
		if err == nil && status == 200 && version == "1" {
			old++
		} else {
			refused++
		}
	}
	return old, refused
}

// askAll asks an edge for every object.
func (p *pair) askAll(e *server, check func(n, status int, version string) error) {
	p.t.Helper()
	var wrong atomic.Int64
	p.sideBySide(16, p.objects, func(n int) error {
		status, version, err := p.get(e, n)
		if err != nil {
			return err
		}
		if err := check(n, status, version); err != nil {
			if wrong.Add(1) <= 10 {
				p.t.Errorf("%s: %v", object(n), err)
			}
		}
		return nil
	})
	if n := wrong.Load(); n > 0 {
		p.t.Fatalf("%d of %d objects are wrong", n, p.objects)
	}
}

func (p *pair) get(e *server, n int) (status int, body string, err error) {
	resp, err := p.client.Get(e.Edge + "/t/" + p.tickets[n] + "/" + object(n))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return resp.StatusCode, string(b), err
}

// post sends JSON to the admin listener of the edge that is not cut off.
func (p *pair) post(path string, body map[string]any, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := p.client.Post(p.near.Admin+path, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("POST %s = %d %.300s", path, resp.StatusCode, b)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(b, out)
	}
	return err
}

func (p *pair) sideBySide(width, n int, f func(i int) error) {
	p.t.Helper()
	group, ctx := errgroup.WithContext(p.t.Context())
	group.SetLimit(width)
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return f(i)
		})
	}
	if err := group.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

// until asks again and again until there is no error.
func (p *pair) until(what string, within time.Duration, ask func() error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%s: after %v still: %v\n%s", what, within, err, tail(p.far.log.String(), 3000))
		}
	}
}

func wantStatus(u string, want int) error {
	resp, err := http.Get(u)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		return fmt.Errorf("GET %s = %d %s, want %d", u, resp.StatusCode, b, want)
	}
	return nil
}

// network carries connections to servers. While it is cut nothing is refused and nothing arrives, as behind a dead switch;
// what was under way arrives when it is mended. The zero value is whole.
type network struct {
	mu   sync.Mutex // guards gate
	gate chan struct{}
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gate = make(chan struct{})
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gate != nil {
		close(n.gate)
		n.gate = nil
	}
}

// pass waits until the network is whole.
func (n *network) pass() {
	n.mu.Lock()
	gate := n.gate
	n.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// through is an engine's URL with an address of the network's in it.
func (n *network) through(t *testing.T, engine string) string {
	t.Helper()
	u, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "s3" {
		u.Host = n.listen(t, u.Host)
		return u.String()
	}
	endpoint, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint.Host = n.listen(t, endpoint.Host)
	return withQuery(t, engine, "endpoint", endpoint.String())
}

// listen carries connections to the address until the test ends.
func (n *network) listen(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var carriers sync.WaitGroup
	carriers.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			carriers.Go(func() { n.carry(in, to) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.mend()
		carriers.Wait() // their clients have been stopped before
	})
	return l.Addr().String()
}

func (n *network) carry(in net.Conn, to string) {
	defer in.Close()
	n.pass()
	out, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return
	}
	defer out.Close()
	var both sync.WaitGroup
	both.Go(func() { n.copy(out, in) })
	both.Go(func() { n.copy(in, out) })
	both.Wait()
}

// copy ends both directions when one ends.
func (n *network) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 32<<10)
	for {
		some, err := from.Read(b)
		if n.pass(); some > 0 {
			if _, err := to.Write(b[:some]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
