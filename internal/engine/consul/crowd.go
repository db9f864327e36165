package consul

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/weirstream/weir"
)

// crowd is the instances that one watcher believes to be there. The zero value with a grace has shown nobody yet.
//
// Consul that was away knows less for a while than before: an agent without its data has forgotten all, and one with them
// calls everybody critical until the next heartbeat. So after an outage those that were there and are not yet again stay,
// for the grace; but who is seen again and goes then, goes at once.
type crowd struct {
	grace   time.Duration
	started bool
	shown   map[string]member
	held    map[string]member // part of shown: not seen since the outage
	until   time.Time         // when those held go
}

// take brings what Consul says now; doubtful says that Consul was away before. It is who is there, sorted by id, whether
// that is news, and after which time to take anew even if Consul says nothing; 0 is never.
func (c *crowd) take(fresh map[string]member, doubtful bool, now time.Time) (list []weir.Instance, news bool, again time.Duration) {
	if doubtful {
		c.held, c.until = maps.Clone(c.shown), now.Add(c.grace)
	}
	maps.DeleteFunc(c.held, func(id string, _ member) bool { _, seen := fresh[id]; return seen || !now.Before(c.until) })
	all := maps.Clone(fresh)
	maps.Copy(all, c.held)
	same := maps.EqualFunc(all, c.shown, func(a, b member) bool { return a.raw == b.raw })
	news = !same || !c.started
	c.started, c.shown = true, all
	if len(c.held) > 0 {
		again = c.until.Sub(now)
	}
	if !news {
		return nil, false, again
	}
	for _, m := range all {
		list = append(list, m.instance())
	}
	slices.SortFunc(list, func(a, b weir.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list, true, again
}
