package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

// A slot moves from one node to another while its keys are used: no call fails and no value is lost, be the keys where
// they were, under way (ASK) or moved (MOVED).
func TestSlotMoves(t *testing.T) {
	url := enginetest.Address(t, "WEIR_TEST_REDIS_CLUSTER")
	c, err := redis.Open(t.Context(), url+"?prefix="+weir.NewID(time.Now())+":", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tag := "{" + weir.NewID(time.Now()) + "}"
	from, to, slot := nodes(t, url, tag)
	values := map[string]string{"small": "value", "large": strings.Repeat("large value ", 100_000)}
	put := func(stage string) {
		t.Helper()
		for name, v := range values {
			if err := c.Set(t.Context(), tag+name, []byte(v), time.Minute); err != nil {
				t.Errorf("%s: Set(%s) = %v", stage, name, err)
			}
		}
	}
	look := func(stage string) {
		t.Helper()
		for name, v := range values {
			if got, ok, err := c.Get(t.Context(), tag+name); err != nil || !ok || string(got) != v {
				t.Errorf("%s: Get(%s) = %d bytes, %v, %v", stage, name, len(got), ok, err)
			}
		}
		if err := c.Delete(t.Context(), tag+"no", tag+"nor", "elsewhere"); err != nil {
			t.Errorf("%s: Delete = %v", stage, err)
		}
	}
	put("before")
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			look("meanwhile")
		}
	})
	do(t, to.client, "cluster", "setslot", slot, "importing", from.id)
	do(t, from.client, "cluster", "setslot", slot, "migrating", to.id)
	t.Cleanup(func() {
		for _, n := range []node{to, from} { // back to where it was, or the next run finds a cluster in pieces
			do(t, n.client, "cluster", "setslot", slot, "stable")
		}
	})
	look("under way")
	move(t, from, to, slot)
	look("asked")
	put("asked")
	do(t, to.client, "cluster", "setslot", slot, "node", to.id)
	do(t, from.client, "cluster", "setslot", slot, "node", to.id)
	look("moved")
	stop()
	reading.Wait()
	put("moved")
	do(t, from.client, "cluster", "setslot", slot, "importing", to.id)
	do(t, to.client, "cluster", "setslot", slot, "migrating", from.id)
	move(t, to, from, slot)
	do(t, from.client, "cluster", "setslot", slot, "node", from.id)
	do(t, to.client, "cluster", "setslot", slot, "node", from.id)
	look("back")
}

// node is one of a cluster.
type node struct {
	id, address string
	client      *goredis.Client
}

// nodes are the owner of key's slot, and another one.
func nodes(t *testing.T, url, key string) (owner, other node, slot int64) {
	t.Helper()
	var all []node
	for _, address := range servers(url) {
		client := goredis.NewClient(&goredis.Options{Addr: address, Protocol: 2})
		t.Cleanup(func() { _ = client.Close() })
		all = append(all, node{id: do(t, client, "cluster", "myid").(string), address: address, client: client})
	}
	slot = do(t, all[0].client, "cluster", "keyslot", key).(int64)
	for i, n := range all {
		if err := n.client.Get(t.Context(), key).Err(); errors.Is(err, goredis.Nil) { // others say MOVED
			return n, all[(i+1)%len(all)], slot
		}
	}
	t.Fatalf("no node has slot %d", slot)
	return owner, other, slot
}

// move moves the keys of a slot.
func move(t *testing.T, from, to node, slot int64) {
	t.Helper()
	host, port, _ := strings.Cut(to.address, ":")
	for _, key := range do(t, from.client, "cluster", "getkeysinslot", slot, 100).([]any) {
		do(t, from.client, "migrate", host, port, key, 0, 5000)
	}
}

// do sends a command.
func do(t *testing.T, client *goredis.Client, args ...any) any {
	t.Helper()
	v, err := client.Do(context.WithoutCancel(t.Context()), args...).Result()
	if err != nil {
		t.Fatalf("%v = %v", args, err)
	}
	return v
}
