package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
)

// BrokenOrigin is the client's side of broken origin reads: bench's origin (`weir bench origin --faults ...`) stands behind the cache under
// test, and every body that the cache hands out whole must be the right one. An answer that visibly breaks off, or a 5xx,
// is honest; a body that is shorter than it was and says nothing is not.
type BrokenOrigin struct{}

// Name is faults.
func (BrokenOrigin) Name() string { return "faults" }

// Load asks for the targets in turn.
func (BrokenOrigin) Load(ctx context.Context, r *Run, targets []Target) error {
	for _, t := range targets {
		if _, ours := ownSize(t.URL.Path); !ours {
			return weir.Errorf(weir.Invalid, "%s is no body of `weir bench origin`: what is right of it is not known", Redact(t.URL.String()))
		}
	}
	r.checkBodies()
	r.loop(ctx, false, func(worker, n int) Target { return targets[(worker*7919+n)%len(targets)] })
	r.Recorder.mu.Lock()
	defer r.Recorder.mu.Unlock()
	var honest []string
	for _, name := range slices.Sorted(maps.Keys(r.errors)) {
		if name != errCorrupt.Error() && name != errSilent.Error() {
			honest = append(honest, fmt.Sprintf("%d x %s", r.errors[name], name))
		}
	}
	var right int64
	for _, k := range r.kinds {
		right += k.requests
	}
	corrupt, silent := r.errors[errCorrupt.Error()], r.errors[errSilent.Error()]
	r.Demand(right > 0, "right bodies come through", "%d", right)
	r.Demand(corrupt == 0, "no body is corrupt", "%d", corrupt)
	r.Demand(silent == 0, "no body is silently short", "%d", silent)
	if len(honest) > 0 {
		r.Note("The client could see that these went wrong: %s", strings.Join(honest, ", "))
	}
	return nil
}
