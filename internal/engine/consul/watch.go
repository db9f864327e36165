package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirstream/weir"
)

// Watch implements [weir.Registry]. It returns nil when ctx has ended. While Consul is away f is not called: the last good
// set stands; see Open for the grace after.
func (r *Registry) Watch(ctx context.Context, service string, f func([]weir.Instance)) error {
	there := crowd{grace: r.grace}
	name := r.serviceName(service)
	follow(ctx, r, "instances of "+service,
		func(q *api.QueryOptions) ([]*api.ServiceEntry, *api.QueryMeta, error) {
			return r.client.Health().Service(name, "", true, q)
		},
		func(entries []*api.ServiceEntry, doubtful bool) time.Duration {
			list, news, again := there.take(r.members(service, entries), doubtful, time.Now())
			if news {
				f(list)
			}
			return again
		})
	return nil
}

// follow asks by blocking queries, one after the other, until ctx ends, and hands each answer to take. doubtful says that
// Consul was away or began anew since the last one. take says when it wants an answer at the latest; 0 is no matter.
func follow[T any](ctx context.Context, r *Registry, what string,
	ask func(*api.QueryOptions) (T, *api.QueryMeta, error), take func(answer T, doubtful bool) time.Duration) {
	away := outage{log: r.log.With("watch", what), max: lastRetry}
	index, doubtful, soon := uint64(0), false, time.Duration(0)
	for ctx.Err() == nil {
		answer, meta, err := query(ctx, index, soon, ask)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			// What comes back may be younger than the index: the next question does not wait for it.
			index, doubtful = 0, true
			sleep(ctx, away.failed(err))
			continue
		}
		away.over()
		if meta.LastIndex < index { // Consul lost its data
			doubtful = true
		}
		soon = take(answer, doubtful)
		index, doubtful = next(index, meta.LastIndex), false
		sleep(ctx, jitter(watchPause))
	}
}

// next is the index to ask with after an answer: an index that went backwards begins anew, and 0 would not block.
func next(asked, answered uint64) uint64 {
	if answered < asked {
		return 0
	}
	return max(answered, 1)
}

// query asks once: at once if index is 0, else Consul waits for a change, for soon or a bounded time.
func query[T any](ctx context.Context, index uint64, soon time.Duration,
	ask func(*api.QueryOptions) (T, *api.QueryMeta, error)) (T, *api.QueryMeta, error) {
	limit, wait := callWithin, time.Duration(0)
	if index > 0 {
		wait = watchWait + jitter(watchWait/4)
		if soon > 0 {
			wait = min(wait, soon+time.Millisecond) // Consul reads whole milliseconds
		}
		limit += wait + wait/8 // Consul adds up to a sixteenth
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	q := options(ctx)
	q.WaitIndex, q.WaitTime = index, wait
	return ask(q)
}
