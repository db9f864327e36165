package rulings_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// scaled is n at full size, less in CI.
func scaled(n int) int {
	scale, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		scale = 0.01
	}
	return max(int(float64(n)*scale), 1)
}

func purge(number uint64, by weir.PurgeBy, soft bool, values ...string) weir.Rulings {
	return weir.Rulings{Version: 1, Number: number, Time: noon, Rulings: []weir.Ruling{{Purge: &weir.Purge{Organisation: "default", By: by, Values: values, Soft: soft}}}}
}

func revoke(number uint64, v weir.Revocation) weir.Rulings {
	if v.Organisation == "" {
		v.Organisation = "default"
	}
	if v.Until.IsZero() {
		v.Until = weir.RevokeUntil(noon)
	}
	return weir.Rulings{Version: 1, Number: number, Time: noon, Rulings: []weir.Ruling{{Revocation: &v}}}
}

func TestPurged(t *testing.T) {
	object := rulings.Object{Organisation: "default", Asset: []byte("a1"), Revision: 3, Path: []byte("a1/3/clear/x.m4s?v=1"), Keys: []byte("film:1  row:2")}
	f := func(by weir.PurgeBy, value string, want bool) {
		t.Helper()
		var values []string
		if value != "" {
			values = []string{value}
		}
		for _, soft := range []bool{false, true} {
			r := rulings.New()
			r.Apply(purge(7, by, soft, values...))
			for stamp := range uint64(10) {
				hard, stale := r.Purged(&object, stamp)
				if was := want && stamp < 7; hard != (was && !soft) || stale != was {
					t.Errorf("purged by %s %q (soft %v) at 7: Purged at %d = %v, %v, want %v", by, value, soft, stamp, hard, stale, was)
				}
			}
		}
	}
	f(weir.ByOrganisation, "", true)
	f(weir.ByAsset, "a1", true)
	f(weir.ByAsset, "a", false)
	f(weir.ByRevision, "a1/3", true)
	f(weir.ByRevision, "a1/33", false)
	f(weir.ByRevision, "a1/2", false)
	f(weir.ByURL, "a1/3/clear/x.m4s?v=1", true)
	f(weir.ByURL, "a1/3/clear/x.m4s", true)
	f(weir.ByURL, "a1/3/clear/x.m4s?v=2", false)
	f(weir.ByURL, "a1/3/clear/", false)
	f(weir.ByURL, "a1", false)
	f(weir.ByPrefix, "a", true)
	f(weir.ByPrefix, "a1/3/clear/x.m4s?v=1", true)
	f(weir.ByPrefix, "a1/3/clear/x.m4s?v=11", false)
	f(weir.ByPrefix, "b", false)
	f(weir.ByKey, "film:1", true)
	f(weir.ByKey, "row:2", true)
	f(weir.ByKey, "film:", false)
	f(weir.ByKey, "a1", false)
	object.Organisation = "other"
	f(weir.ByOrganisation, "", false)
	f(weir.ByAsset, "a1", false)
	object.Organisation, object.Revision = "default", 0
	f(weir.ByRevision, "a1/2", true) // it may be of that one
	object = rulings.Object{Organisation: "default"}
	f(weir.ByPrefix, "a", false)
	f(weir.ByOrganisation, "", true)
}

func TestRaise(t *testing.T) {
	r := rulings.New()
	r.Raise(100)
	r.Raise(50)
	o := rulings.Object{Organisation: "whatever"}
	if hard, _ := r.Purged(&o, 99); !hard {
		t.Error("what is older than the floor is not purged")
	}
	if hard, soft := r.Purged(&o, 100); hard || soft || r.Number() != 100 {
		t.Errorf("what is as young as the floor is purged, or Number = %d", r.Number())
	}
	r.Apply(purge(7, weir.ByOrganisation, false)) // comes again
	if hard, _ := r.Purged(&o, 100); hard || r.Number() != 100 {
		t.Errorf("an old fact purges what is new, or Number = %d", r.Number())
	}
}

func TestRevoked(t *testing.T) {
	ticket := weir.Ticket{Organisation: "default", Session: "s1", Subject: "p7", Issued: noon}
	f := func(v weir.Revocation, ticket weir.Ticket, want bool) {
		t.Helper()
		r := rulings.New()
		r.Apply(revoke(1, v))
		if got := r.Revoked(&ticket); got != want {
			t.Errorf("after %+v Revoked(%+v) = %v, want %v", v, ticket, got, want)
		}
		r.Sweep(weir.RevokeUntil(noon).Add(-time.Second))
		if got := r.Revoked(&ticket); got != want {
			t.Errorf("a second before its end Revoked = %v, want %v", got, want)
		}
		r.Sweep(weir.RevokeUntil(noon))
		if r.Revoked(&ticket) {
			t.Error("revoked after the end")
		}
	}
	f(weir.Revocation{Session: "s1"}, ticket, true)
	f(weir.Revocation{Session: "p7"}, ticket, false)
	f(weir.Revocation{Subject: "p7"}, ticket, true)
	f(weir.Revocation{Subject: "s1"}, ticket, false)
	f(weir.Revocation{Session: "s1", Organisation: "other"}, ticket, false)
	f(weir.Revocation{Epoch: noon}, ticket, false)
	f(weir.Revocation{Epoch: weir.NewEpoch(noon)}, ticket, true)
	f(weir.Revocation{Epoch: noon.Add(-time.Hour)}, weir.Ticket{Organisation: "default"}, true) // version 1
	if rulings.New().Revoked(&ticket) {
		t.Error("a ticket is revoked by nothing")
	}
}

// model is the definition: a list, looked through each time.
type model struct {
	facts []weir.Rulings
	floor uint64
}

func (m *model) purged(o *rulings.Object, stamp uint64) (hard, soft bool) {
	if stamp < m.floor {
		return true, true
	}
	for _, fact := range m.facts {
		for _, ruling := range fact.Rulings {
			if p := ruling.Purge; p != nil && fact.Number > stamp && p.Organisation == o.Organisation && names(p, o) {
				hard, soft = hard || !p.Soft, true
			}
		}
	}
	return hard, soft
}

func names(p *weir.Purge, o *rulings.Object) bool {
	path := string(o.Path)
	bare, _, _ := strings.Cut(path, "?")
	for _, v := range p.Values {
		asset, _, _ := strings.Cut(v, "/")
		switch {
		case p.By == weir.ByURL && (v == path || v == bare),
			p.By == weir.ByPrefix && strings.HasPrefix(path, v),
			p.By == weir.ByKey && strings.Contains(" "+string(o.Keys)+" ", " "+v+" "),
			p.By == weir.ByAsset && v == string(o.Asset),
			p.By == weir.ByRevision && v == fmt.Sprintf("%s/%d", o.Asset, o.Revision),
			p.By == weir.ByRevision && o.Revision == 0 && asset == string(o.Asset):
			return true
		}
	}
	return p.By == weir.ByOrganisation
}

func (m *model) revoked(t *weir.Ticket, now time.Time) bool {
	for _, fact := range m.facts {
		for _, ruling := range fact.Rulings {
			if v := ruling.Revocation; v != nil && v.Until.After(now) && v.Revokes(t) {
				return true
			}
		}
	}
	return false
}

// random makes facts and questions of few names, so that they meet.
type random struct{ *rand.Rand }

func (r random) organisation() string { return []string{"o1", "o2", "o3"}[r.IntN(3)] }
func (r random) asset() string        { return fmt.Sprintf("a%d", r.IntN(12)) }
func (r random) path() string {
	path := fmt.Sprintf("%s/%d/x%d", r.asset(), 1+r.IntN(3), r.IntN(5))
	if r.IntN(3) == 0 {
		path += fmt.Sprintf("?q=%d", r.IntN(2))
	}
	return path
}

func (r random) ruling(now time.Time) weir.Ruling {
	if r.IntN(3) == 0 {
		v := weir.Revocation{Organisation: r.organisation(), Until: now.Add(time.Duration(r.IntN(100)) * time.Second)}
		switch n := r.IntN(20); {
		case n == 0 && r.IntN(5) == 0:
			v.Epoch = now.Add(-time.Duration(r.IntN(50)) * time.Second)
			v.Until = now.Add(100 * time.Second) // of epochs one end is kept, the latest: to compare, they end in order
		case n < 10:
			v.Session = fmt.Sprintf("s%d", r.IntN(50))
		default:
			v.Subject = fmt.Sprintf("p%d", r.IntN(50))
		}
		return weir.Ruling{Revocation: &v}
	}
	p := weir.Purge{Organisation: r.organisation(), Soft: r.IntN(2) == 0, By: weir.ByOrganisation}
	if r.IntN(50) > 0 {
		p.By = []weir.PurgeBy{weir.ByURL, weir.ByPrefix, weir.ByKey, weir.ByAsset, weir.ByRevision}[r.IntN(5)]
		for range 1 + r.IntN(3) {
			switch path := r.path(); p.By {
			case weir.ByPrefix:
				p.Values = append(p.Values, path[:1+r.IntN(len(path))])
			case weir.ByKey:
				p.Values = append(p.Values, fmt.Sprintf("k%d", r.IntN(20)))
			case weir.ByAsset:
				p.Values = append(p.Values, r.asset())
			case weir.ByRevision:
				p.Values = append(p.Values, fmt.Sprintf("%s/%d", r.asset(), 1+r.IntN(3)))
			default:
				p.Values = append(p.Values, path)
			}
		}
	}
	return weir.Ruling{Purge: &p}
}

func (r random) object() *rulings.Object {
	o := &rulings.Object{Organisation: r.organisation(), Path: []byte(r.path())}
	if r.IntN(2) == 0 {
		o.Asset, o.Revision = []byte(r.asset()), r.IntN(4)
	}
	for range r.IntN(3) {
		o.Keys = append(append(o.Keys, ' '), fmt.Sprintf("k%d", r.IntN(20))...)
	}
	o.Keys = bytes.TrimSpace(o.Keys)
	return o
}

// The maps answer as the list does: 100,000 random questions and facts at full size.
func TestModel(t *testing.T) {
	r, rng, now := rulings.New(), random{rand.New(rand.NewPCG(5, 8))}, noon
	var m model
	for op := range scaled(100_000) {
		number := uint64(len(m.facts) + 1)
		switch rng.IntN(8) {
		case 0:
			if len(m.facts) > 400 { // the list is slow: begin anew
				r, m = rulings.New(), model{}
				number = 1
			}
			fact := weir.Rulings{Version: 1, Number: number, Time: now}
			for range 1 + rng.IntN(3) {
				fact.Rulings = append(fact.Rulings, rng.ruling(now))
			}
			if err := fact.Check(); err != nil {
				t.Fatal(err)
			}
			m.facts = append(m.facts, fact)
			r.Apply(fact)
		case 1:
			now = now.Add(time.Duration(rng.IntN(3)) * time.Second)
			r.Sweep(now)
		case 2:
			if rng.IntN(100) == 0 && number > 1 {
				m.floor = max(m.floor, rng.Uint64N(number))
				r.Raise(m.floor)
			}
		case 3, 4:
			r.Sweep(now)
			ticket := weir.Ticket{Organisation: rng.organisation(), Session: fmt.Sprintf("s%d", rng.IntN(50)), Issued: now.Add(-time.Duration(rng.IntN(60)) * time.Second)}
			if rng.IntN(2) == 0 {
				ticket.Subject = fmt.Sprintf("p%d", rng.IntN(50))
			}
			if got, want := r.Revoked(&ticket), m.revoked(&ticket, now); got != want {
				t.Fatalf("operation %d: Revoked(%+v) = %v, want %v", op, ticket, got, want)
			}
		default:
			o, stamp := rng.object(), rng.Uint64N(number+1)
			hard, soft := r.Purged(o, stamp)
			wantHard, wantSoft := m.purged(o, stamp)
			if hard != wantHard || soft != wantSoft {
				t.Fatalf("operation %d: Purged(%+v, %d) = %v, %v, want %v, %v", op, o, stamp, hard, soft, wantHard, wantSoft)
			}
		}
	}
}

// Requests ask while facts come.
func TestConcurrency(t *testing.T) {
	r := rulings.New()
	var asking sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		asking.Go(func() {
			rng := random{rand.New(rand.NewPCG(1, rand.Uint64()))}
			for {
				select {
				case <-done:
					return
				default:
				}
				before := r.Number()
				if hard, _ := r.Purged(&rulings.Object{Organisation: "default", Asset: []byte("a")}, before); hard && r.Number() == before {
					t.Errorf("what is as new as number %d is purged by something that is not known yet", before)
				}
				r.Revoked(&weir.Ticket{Organisation: rng.organisation(), Session: "s1"})
			}
		})
	}
	for n := range uint64(2000) {
		r.Apply(purge(n+1, weir.ByAsset, false, "a"))
		r.Apply(revoke(n+1, weir.Revocation{Session: fmt.Sprintf("s%d", n)}))
		r.Sweep(noon)
	}
	close(done)
	asking.Wait()
}
