package transcode_test

import (
	"context"
	"testing"

	kafkago "github.com/segmentio/kafka-go"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/transcode"
)

// wakeBus hands over what is published, a Publish at a time. It stands still if hang is set, like a bus whose brokers are
// away, until its caller has waited for long enough.
type wakeBus struct {
	weir.Bus
	published chan []weir.Message
	hang      bool
}

func (b *wakeBus) Publish(ctx context.Context, messages ...weir.Message) error {
	select {
	case b.published <- messages:
	default: // one is enough
	}
	if b.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// TestWakeUpsReachTheOthers: one announcement has a message for each of a few workers, however Kafka deals out the partitions
// of a topic as it is made by default.
func TestWakeUpsReachTheOthers(t *testing.T) {
	const partitions = 12
	h := newHouse(t)
	bus := &wakeBus{Bus: h.bus, published: make(chan []weir.Message, 1)}
	h.planned(t, "film")
	h.serve(t, func(s *transcode.Service) { s.Bus, s.Tool = bus, "none" })
	hit := map[int]bool{}
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	for _, m := range <-bus.published {
		if m.Topic != weir.TopicWake {
			t.Errorf("message %+v was published, want wake-ups", m)
		}
		hit[kafkago.Murmur2Balancer{Consistent: true}.Balance(kafkago.Message{Key: []byte(m.Key)}, all...)] = true
	}
	for members := 1; members <= 4; members++ {
		heard := map[int]bool{}
		for p := range hit {
			heard[p*members/partitions] = true // each has a range of them
		}
		if len(heard) != members {
			t.Errorf("%d of %d workers hear an announcement on partitions %v", len(heard), members, hit)
		}
	}
}

// TestBusAwayDoesNotHoldUpTheWork: the process that announces goes on with what it has.
func TestBusAwayDoesNotHoldUpTheWork(t *testing.T) {
	h := newHouse(t)
	bus := &wakeBus{Bus: h.bus, published: make(chan []weir.Message, 1), hang: true}
	h.serve(t, func(s *transcode.Service) { s.Bus = bus })
	film := h.film(t, "film", "160x90")
	h.say(t, weir.FactMasterReady, weir.Asset{ID: "gone", Organisation: "default", Master: weir.Master{ID: "gone"}}, 1)
	h.say(t, weir.FactMasterReady, film, 1)
	h.await(t, "film", weir.FactAssetComplete)
}
