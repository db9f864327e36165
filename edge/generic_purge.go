package edge

import (
	"slices"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/freshness"
	"github.com/weirstream/weir/edge/rulings"
)

// look finds what there is for a request and was not purged since it was asked for. A purge that comes after this call
// makes what is being fetched now purged, too.
func (g *generic) look(x *exchange, now time.Time) look {
	x.stamp = g.rulings.Number()
	l := g.index.look(x.key, x.header, now)
	if l.chosen != nil && g.dropPurged(x, l.chosen) {
		l.chosen = nil
	}
	l.others = slices.DeleteFunc(slices.Clone(l.others), func(s *stored) bool { return g.dropPurged(x, s) })
	return l
}

// dropPurged forgets s if it is purged, so that it can be neither sent nor validated.
func (g *generic) dropPurged(x *exchange, s *stored) bool {
	hard, _ := g.purged(x, s)
	if hard {
		g.index.drop(x.key, s)
		if s.key.Object != "" {
			g.cache.Forget(s.key, s.stamp)
		}
	}
	return hard
}

// purged says whether s must not be served, or only after it was validated.
func (g *generic) purged(x *exchange, s *stored) (hard, soft bool) {
	return g.rulings.Purged(&rulings.Object{Organisation: weir.DefaultOrganisation, Path: []byte(strings.TrimPrefix(x.target.Opaque, "/")),
		Keys: []byte(strings.Join(s.Header["Surrogate-Key"], " "))}, s.stamp)
}

// reusable is Response.Reuse of what may be purged softly: then it is stale, and must be validated.
func (g *generic) reusable(x *exchange, s *stored, now time.Time) (use freshness.Use, demanded bool) {
	if _, soft := g.purged(x, s); soft {
		return freshness.Validate, false
	}
	return s.Reuse(x.demand, now)
}
