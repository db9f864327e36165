package bench

import (
	"container/list"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

// Replay asks for a trace's segments in its order, and compares the bytes that the origin sent with those that clients got:
// the byte hit ratio. The target is what stands before /bench/. All caches should begin empty and be of one size.
type Replay struct {
	Origin   *url.URL // bench's origin
	Trace    string   // a name of Trace
	Requests int
	Scale    int64 // segments are so many times a trace's; 1 to 64
	Cache    int64 // bytes of the LRU that the same requests are played to; 0 plays none
}

// maxReplay bounds the requests of a replay.
const maxReplay = 10_000_000

// Name is replay.
func (Replay) Name() string { return "replay" }

// Load plays the trace once. The time of the run must suffice, else what was asked for is not the trace.
func (p Replay) Load(ctx context.Context, r *Run, targets []Target) error {
	switch {
	case p.Origin == nil || len(targets) != 1:
		return weir.Errorf(weir.Invalid, "a replay needs one URL and its origin: --origin")
	case p.Requests < 1 || p.Requests > maxReplay || p.Scale < 1 || p.Scale > 64 || p.Cache < 0:
		return weir.Errorf(weir.Invalid, "a replay is 1 to %d requests of segments scaled by 1 to 64", maxReplay)
	}
	trace, err := Trace(p.Trace, p.Requests)
	if err != nil {
		return err
	}
	before, err := askReads(ctx, p.Origin, "-")
	if err != nil {
		return err
	}
	asked, reference := p.play(ctx, r, targets[0], trace)
	after, err := askReads(ctx, p.Origin, "-")
	if err != nil {
		return err
	}
	r.Demand(asked == p.Requests, "the whole trace is asked for", "%d of %d requests", asked, p.Requests)
	r.demandAnswers()
	r.Recorder.mu.Lock()
	var got int64
	for _, k := range r.kinds {
		got += k.bytes
	}
	r.Recorder.mu.Unlock()
	r.Setting("trace", p.Trace)
	r.Setting("origin bytes", after.Sent-before.Sent)
	r.Setting("byte hit ratio", fmt.Sprintf("%.4f", 1-ratio(float64(after.Sent-before.Sent), float64(got))))
	if p.Cache > 0 {
		r.Setting("byte hit ratio of LRU", fmt.Sprintf("%.4f", ratio(float64(reference.hits), float64(reference.asked))))
	}
	return nil
}

// play asks for all over the run's connections, each taking the next request of the trace.
func (p Replay) play(ctx context.Context, r *Run, base Target, trace iter.Seq[Wanted]) (asked int, reference *lruBytes) {
	next, stop := iter.Pull(trace)
	defer stop()
	var mu sync.Mutex // guards next, asked and reference
	reference = newLRUBytes(p.Cache)
	workers(r.Connections, func(int) {
		a := asker{run: r}
		defer a.close()
		for ctx.Err() == nil {
			mu.Lock()
			w, ok := next()
			if !ok {
				mu.Unlock()
				return
			}
			asked++
			w.Size *= p.Scale
			path := w.path()
			reference.ask(path, w.Size)
			mu.Unlock()
			_, _ = a.ask(ctx, base.at(path), time.Now(), nil) // it is recorded
		}
	})
	return asked, reference
}

// path is the body of bench's origin that stands for a segment.
func (w Wanted) path() string {
	class := "vod"
	if w.Live {
		class = "live"
	}
	return fmt.Sprintf("%s%d/%s/%d.m4s", own, w.Size, class, w.ID)
}

// at is the target of a path below the URL of t, whose query it keeps.
func (t Target) at(path string) Target {
	u := *t.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+path, ""
	return newTarget(&u, t.Addr)
}

// askReads asks bench's origin how often it was read; only one path is told apart.
func askReads(ctx context.Context, origin *url.URL, path string) (got Reads, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // the run may be over
	defer cancel()
	ask := origin.JoinPath("/-/reads")
	ask.RawQuery = url.Values{"path": {path}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ask.String(), nil)
	if err != nil {
		return got, fmt.Errorf("ask the origin: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got, weir.Errorf(weir.Unavailable, "ask the origin how often it was read: %w", err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&got); err != nil {
		return got, weir.Errorf(weir.Unavailable, "the origin does not count its reads: %w", err)
	}
	return got, nil
}

// lruBytes is the reference that caches are compared with: the least recently used goes first, and bookkeeping costs nothing.
type lruBytes struct {
	budget, bytes int64
	hits, asked   int64
	order         *list.List // of paths
	there         map[string]lruPlace
}

type lruPlace struct {
	at   *list.Element
	size int64
}

func newLRUBytes(budget int64) *lruBytes {
	return &lruBytes{budget: budget, order: list.New(), there: map[string]lruPlace{}}
}

func (l *lruBytes) ask(path string, size int64) {
	l.asked += size
	if p, ok := l.there[path]; ok {
		l.hits += size
		l.order.MoveToFront(p.at)
		return
	}
	if size > l.budget {
		return
	}
	l.there[path] = lruPlace{l.order.PushFront(path), size}
	for l.bytes += size; l.bytes > l.budget; {
		old := l.order.Remove(l.order.Back()).(string)
		l.bytes -= l.there[old].size
		delete(l.there, old)
	}
}
