package peer_test

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/edge/peer"
)

func edges(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("edge-%d", i))
	}
	return ids
}

func TestOwnersAreSpreadAndOnlyTheLeaversKeysMove(t *testing.T) {
	ids, owned := edges(5), map[string]int{}
	for i := range 20000 {
		key := fmt.Sprintf("media/default/a/r/%d.cmf", i)
		before, after := peer.Order(key, ids)[0], peer.Order(key, ids[1:])[0]
		owned[before]++
		if before != ids[0] && after != before {
			t.Fatalf("%s moved from %s to %s when %s left", key, before, after, ids[0])
		}
	}
	for _, id := range ids {
		if n := owned[id]; n < 3600 || n > 4400 {
			t.Errorf("%s owns %d of 20000 keys, want about 4000", id, n)
		}
	}
}

func TestLoadIsBounded(t *testing.T) {
	order, load := peer.Order("hot", edges(4)), map[string]int{}
	for range 100 {
		load[peer.Owner(order, load, 0.25)]++
	}
	for id, n := range load {
		if n > 32 { // ceil(1.25 * 100 / 4)
			t.Errorf("%s has %d reads of one hot key, want at most 32", id, n)
		}
	}
	if got := peer.Owner(order, nil, 0.25); got != order[0] {
		t.Errorf("Owner without load = %q, want %q", got, order[0])
	}
	if got := peer.Owner(nil, nil, 0.25); got != "" {
		t.Errorf("Owner of nobody = %q", got)
	}
}
