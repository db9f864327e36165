// Package sole sees to it that there is only one of what may not be there twice, such as a process whose embedded store
// nobody shares, among all who share a registry. It is no lock: who holds a name holds it until somebody takes the value
// out of the registry by hand, also while the holder is not running.
package sole

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir"
)

// between two tries of a registry that is away.
const between = 500 * time.Millisecond

// Hold writes holder at key if nobody holds it, and returns nil if holder has it now or had it before. Conflict, naming both: another
// one has it. A registry that is away is tried for at most within; then it is Unavailable.
func Hold(ctx context.Context, r weir.Registry, key, holder string, within time.Duration) error {
	if holder == "" {
		return weir.Errorf(weir.Invalid, "who holds %s needs a name", key)
	}
	call, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(between)
	defer tick.Stop()
	var last error // the registry's own word says more than that time is up
	for {
		err := hold(call, r, key, holder)
		kind := weir.KindOf(err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("hold %s: %w", key, ctx.Err())
		case err == nil || kind != weir.Unavailable && kind != weir.Timeout:
			return err
		case call.Err() == nil:
			last = err
		default:
			if last == nil {
				last = err
			}
			return weir.Errorf(weir.Unavailable, "the registry did not say within %s who holds %s: %w", within, key, last)
		}
		select {
		case <-call.Done():
		case <-tick.C:
		}
	}
}

func hold(ctx context.Context, r weir.Registry, key, holder string) error {
	pair, err := r.KV(ctx, key)
	if err == nil && pair.Version == 0 {
		_, err = r.PutKV(ctx, key, []byte(holder), 0)
		if weir.KindOf(err) == weir.Conflict { // another one was quicker, or this one in a try whose answer was lost
			pair, err = r.KV(ctx, key)
		} else {
			pair.Value = []byte(holder)
		}
	}
	if err != nil {
		return fmt.Errorf("hold %s: %w", key, err)
	}
	if other := string(pair.Value); other != holder {
		return weir.Errorf(weir.Conflict, "%s is held by %q, and there can be only one: this one is %q. Stop this one, or, if %q will never "+
			"run again, delete the key %s from the registry", key, other, holder, other, key)
	}
	return nil
}
