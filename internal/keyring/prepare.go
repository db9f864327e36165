package keyring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	weir "github.com/weirstream/weir"
)

// Delays between tries of a registry that is away, less up to a half.
const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// Prepare makes sure that each organisation has a key: the registry's, or a new one. While the registry is away it takes
// those of the last run, if Copies has them; without, it tries for at most within, and is then Unavailable. Other errors
// are those of Current, and come at once: a set that was sealed with another root key stays so.
func (k *Keys) Prepare(ctx context.Context, within time.Duration) error {
	call, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, organisation := range k.Organisations {
		if err := k.prepare(call, organisation); err != nil {
			if ctx.Err() == nil && call.Err() != nil {
				return weir.Errorf(weir.Unavailable, "the registry did not give the ticket keys of organisation %s within %s: %w", organisation, within, err)
			}
			return fmt.Errorf("ticket keys of organisation %s: %w", organisation, err)
		}
	}
	return nil
}

func (k *Keys) prepare(ctx context.Context, organisation string) error {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		_, err := k.Current(ctx, organisation)
		if kind := weir.KindOf(err); err == nil || kind != weir.Unavailable && kind != weir.Timeout {
			return err
		}
		if k.recall(organisation) {
			k.log().Warn("the registry is away; ticket keys are those of the last run", "organisation", organisation, "error", err)
			return nil
		}
		if delay == firstDelay {
			k.log().Warn("the registry is away; waiting for ticket keys", "organisation", organisation, "error", err)
		}
		timer := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
