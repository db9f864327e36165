package embed

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir"
)

// Registry is [weir.Registry] of one process: instances are in memory and healthy while their Register call runs, values
// are in the table kv of DB.
type Registry struct {
	DB *DB

	mu       sync.Mutex
	services map[string]map[string]*weir.Instance // guarded by mu: by service, then id

	// Room for one is enough for news: it says "look again", and what comes between a look and the wait is kept.
	news fanOut[struct{}]
}

var _ weir.Registry = (*Registry)(nil)

// Register implements [weir.Registry]. It returns nil when ctx has ended and the instance is withdrawn. An instance of the
// same id replaces the earlier one.
func (r *Registry) Register(ctx context.Context, instance weir.Instance, ttl time.Duration) error {
	if err := instance.Check(); err != nil {
		return err
	}
	if ttl <= 0 {
		return weir.Errorf(weir.Invalid, "an instance cannot live for %s", ttl)
	}
	instance.Meta = maps.Clone(instance.Meta)
	mine := &instance
	r.mu.Lock()
	if r.services == nil {
		r.services = map[string]map[string]*weir.Instance{}
	}
	if r.services[mine.Service] == nil {
		r.services[mine.Service] = map[string]*weir.Instance{}
	}
	r.services[mine.Service][mine.ID] = mine
	r.mu.Unlock()
	r.news.send(instanceNews(mine.Service), struct{}{})
	<-ctx.Done()
	r.withdraw(mine)
	return nil
}

func (r *Registry) withdraw(mine *weir.Instance) {
	r.mu.Lock()
	if r.services[mine.Service][mine.ID] == mine { // not replaced since
		delete(r.services[mine.Service], mine.ID)
	}
	r.mu.Unlock()
	r.news.send(instanceNews(mine.Service), struct{}{})
}

// Watch implements [weir.Registry]. It returns nil when ctx has ended. Of changes that follow each other closely f may see
// the result only.
func (r *Registry) Watch(ctx context.Context, service string, f func([]weir.Instance)) error {
	news, leave := r.news.join(instanceNews(service), 1)
	defer leave()
	for first, seen := true, []weir.Instance(nil); ; first = false {
		now := r.instances(service)
		if first || !slices.EqualFunc(now, seen, equal) { // news may be of what the last look saw already
			f(copies(now))
		}
		seen = now
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
	}
}

// instances is sorted by ID. Nobody changes their metadata.
func (r *Registry) instances(service string) []weir.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]weir.Instance, 0, len(r.services[service]))
	for _, i := range r.services[service] {
		list = append(list, *i)
	}
	slices.SortFunc(list, func(a, b weir.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func equal(a, b weir.Instance) bool {
	return a.Service == b.Service && a.ID == b.ID && a.Address == b.Address && maps.Equal(a.Meta, b.Meta)
}

// copies are the watcher's to keep and to change.
func copies(list []weir.Instance) []weir.Instance {
	list = slices.Clone(list)
	for n := range list {
		list[n].Meta = maps.Clone(list[n].Meta)
	}
	return list
}

func instanceNews(service string) string { return "instances/" + service }

func valueNews(key string) string { return "values/" + key }
