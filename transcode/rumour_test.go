package transcode_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// rumour is a bus at its worst: it loses wake-ups and says the others twice; it loses what lose says; it hands a message
// over late, twice, and with old ones again after it, as a bus does whose groups rebalance.
type rumour struct {
	weir.Bus
	lose func(weir.Message) bool

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	wakes  int
	lost   chan weir.Message
}

func (r *rumour) Publish(ctx context.Context, messages ...weir.Message) error {
	r.mu.Lock()
	r.wakes++
	n := r.wakes % 3
	r.mu.Unlock()
	for range n { // never, once or twice
		if err := r.Bus.Publish(ctx, messages...); err != nil {
			return err
		}
	}
	return nil
}

func (r *rumour) Consume(ctx context.Context, topic, group string, handle func(context.Context, weir.Message) error) error {
	var old []weir.Message
	late := map[string]bool{}
	return r.Bus.Consume(ctx, topic, group, func(ctx context.Context, m weir.Message) error {
		if r.lose(m) {
			r.lost <- m
			return nil
		}
		if place := fmt.Sprint(m.Partition, ":", m.Offset); !late[place] {
			late[place] = true
			return errors.New("later")
		}
		old = append(old, m)
		r.mu.Lock()
		again := []weir.Message{m, m}
		for range 3 {
			again = append(again, old[r.random.IntN(len(old))])
		}
		r.mu.Unlock()
		for _, m := range again {
			if err := handle(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// tally counts what the ledger took as done.
type tally struct {
	transcode.Claims

	mu   sync.Mutex // guards done
	done map[string]int
}

func (c *tally) Planned(ctx context.Context, claim weir.Claim, plan []byte, tasks []weir.Task) error {
	return c.count(claim, true, c.Claims.Planned(ctx, claim, plan, tasks))
}

func (c *tally) Record(ctx context.Context, claim weir.Claim, r weir.Record, final bool) error {
	return c.count(claim, final, c.Claims.Record(ctx, claim, r, final))
}

func (c *tally) count(claim weir.Claim, final bool, err error) error {
	if err == nil && final {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done[fmt.Sprintf("%s/%d", claim.Job.Asset, claim.Task.N)]++
	}
	return err
}

// TestLedgerIsTheQueuesTruth: over a bus that loses, doubles and delays wake-ups and says facts twice, late and again when they
// are stale, a film is encoded whole, every task of it is done once, and a deleted one stays deleted. A process that takes
// part leaves in mid-job and another comes. Of what is lost only a master's fact needs to be said again, which ingest does.
func TestLedgerIsTheQueuesTruth(t *testing.T) {
	h := newHouse(t)
	claims := &tally{Claims: h.ledger, done: map[string]int{}}
	var once sync.Once
	bus := &rumour{Bus: h.bus, random: rand.New(rand.NewPCG(3, 4)), lost: make(chan weir.Message, 1)}
	bus.lose = func(m weir.Message) (lost bool) {
		var f weir.Fact
		if json.Unmarshal(m.Value, &f) == nil && f.Type == weir.FactMasterReady && f.Subject == "film" {
			once.Do(func() { lost = true })
		}
		return lost
	}
	serve := func(id string, at func(string)) (stop func()) {
		return h.serve(t, func(s *transcode.Service) {
			s.ID, s.Bus, s.Claims, s.Slots, s.At = id, bus, claims, 1, at
			s.Dir = filepath.Join(t.TempDir(), id)
		})
	}
	encoded, leave := make(chan struct{}), make(chan struct{})
	var first sync.Once
	stop := serve("leaves", when("worker.encoded", func() { first.Do(func() { close(encoded) }); <-leave }))
	gone := weir.Asset{ID: "gone", Organisation: "default", Master: weir.Master{ID: "gone"}}
	h.say(t, weir.FactMasterReady, gone, 1)
	h.say(t, weir.FactAssetDeleted, gone, 2)
	film := h.film(t, "film", "160x90")
	h.say(t, weir.FactMasterReady, film, 1)
	<-bus.lost
	h.say(t, weir.FactMasterReady, film, 2)
	<-encoded
	serve("stays", nil)
	serve("comes", nil)
	close(leave)
	stop()
	h.await(t, "film", weir.FactAssetComplete)
	head := headOf(t, h.blobs, "film", 1)
	if head.State != weir.Complete || head.Segments != 6 || len(head.Tracks) != 2 {
		t.Errorf("head is %s with %d segments of %d tracks", head.State, head.Segments, len(head.Tracks))
	}
	for _, tr := range head.Tracks {
		if tr.Kind == weir.Video {
			h.decode(t, head, tr.Rendition, 150)
		}
	}
	job, tasks := h.job(t, "film")
	if job.State != weir.JobDone {
		t.Errorf("job is %s, want done", job.State)
	}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	for _, task := range tasks {
		if n := claims.done[fmt.Sprintf("film/%d", task.N)]; n != 1 || task.State != weir.TaskDone {
			t.Errorf("task %d is %s and was done %d times, want once", task.N, task.State, n)
		}
	}
	if job, _ := h.job(t, "gone"); job.State != weir.JobCancelled {
		t.Errorf("job of the deleted asset is %s, want cancelled", job.State)
	}
}
