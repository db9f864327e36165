package factlog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
)

const (
	trimMost       = 4000     // facts one Trim compacts, and objects it deletes
	snapshotValues = 100_000  // purged names in a snapshot; over that the oldest become a floor
	snapshotBytes  = 64 << 20 // over that nothing is compacted, and nothing lost
)

// Trim compacts facts older than KeepFacts into a snapshot, if there are many, and deletes what earlier ones left. Anyone may
// call it at any time, also at once, and may be killed in it: a snapshot counts once the base names it, which is replaced only
// by who read it last; and what the base no longer needs is deleted by whoever comes next. Who deletes by a base that was
// replaced meanwhile takes no newer snapshot: it is younger than KeepFacts was when that began.
func (l *Log) Trim(ctx context.Context) error {
	b, info, err := l.readBase(ctx)
	if err != nil {
		return err
	}
	before := l.now().Add(-or(l.KeepFacts, time.Hour))
	through := b.Through
	for through-b.Through < trimMost {
		facts, err := l.list(ctx, through)
		if err != nil {
			return err
		}
		n := 0
		for n < len(facts) && facts[n].number == through+1 && facts[n].modified.Before(before) {
			through++
			n++
		}
		if n == 0 || n < len(facts) {
			break
		}
	}
	if through-b.Through >= uint64(or(l.TrimLeast, 256)) {
		if b, err = l.compact(ctx, b, info.ETag, through); err != nil {
			return err
		}
	}
	return l.deleteBelow(ctx, b, before)
}

// compact makes a base through a number. If another was first, that is the base.
func (l *Log) compact(ctx context.Context, old base, etag string, through uint64) (base, error) {
	facts, err := l.readSnapshot(ctx, old)
	if err != nil {
		return base{}, err
	}
	more, err := l.facts(ctx, int(through-old.Through), func(i int) uint64 { return old.Through + 1 + uint64(i) })
	if err != nil {
		return base{}, err
	}
	facts = append(facts, more...)
	b := base{Version: 1, Through: through}
	facts, b.Floor = Compact(facts, old.Floor, l.now(), or(l.KeepPurges, 7*24*time.Hour), snapshotValues)
	if len(facts) > 0 {
		b.Snapshot = fmt.Sprintf("%s%016d-%s.json", snapshots, through, weir.NewID(l.now()))
		if err := l.writeSnapshot(ctx, b.Snapshot, facts); err != nil {
			return base{}, err
		}
	}
	err = l.putBase(ctx, b, weir.PutOptions{IfMatch: etag})
	if weir.KindOf(err) == weir.Precondition {
		b, _, err = l.readBase(ctx)
	}
	return b, err
}

// Compact leaves of facts, ascending, what matters still: revocations until they end, and of purges younger than keep the last
// of each name, at most limit. Purges up to the returned floor, at least the given one, are left out.
func Compact(facts []weir.Rulings, floor uint64, now time.Time, keep time.Duration, limit int) ([]weir.Rulings, uint64) {
	var out []weir.Rulings
	known := map[string]bool{}
	purged := 0
	for _, fact := range slices.Backward(facts) {
		left := fact
		left.Rulings = nil
		for _, ruling := range slices.Backward(fact.Rulings) {
			if v := ruling.Revocation; v != nil && v.Until.After(now) {
				left.Rulings = append(left.Rulings, ruling)
			}
			p := ruling.Purge
			if p == nil || fact.Number <= floor {
				continue
			}
			if now.Sub(fact.Time) > keep || purged >= limit {
				floor = fact.Number
				continue
			}
			if kept := last(p, known); kept != nil {
				left.Rulings = append(left.Rulings, weir.Ruling{Purge: kept})
				purged += max(1, len(kept.Values))
			}
		}
		if len(left.Rulings) > 0 {
			slices.Reverse(left.Rulings)
			out = append(out, left)
		}
	}
	slices.SortFunc(out, func(a, b weir.Rulings) int { return cmp.Compare(a.Number, b.Number) })
	return out, floor
}

// last is what of p no later purge repeats, or nil.
func last(p *weir.Purge, known map[string]bool) *weir.Purge {
	kept := *p
	kept.Values = nil
	name := fmt.Sprintf("%s %s %v ", p.Organisation, p.By, p.Soft)
	if p.By == weir.ByOrganisation && !known[name] {
		known[name] = true
		return &kept
	}
	for _, v := range p.Values {
		if !known[name+v] {
			known[name+v] = true
			kept.Values = append(kept.Values, v)
		}
	}
	if len(kept.Values) == 0 {
		return nil
	}
	return &kept
}

func (l *Log) writeSnapshot(ctx context.Context, key string, facts []weir.Rulings) error {
	var text bytes.Buffer
	for i := range facts {
		line, err := facts[i].Encode() // ends in a newline
		if err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		text.Write(line)
	}
	if text.Len() > snapshotBytes {
		return weir.Errorf(weir.TooLarge, "a snapshot of the log has %d bytes at most, not %d", snapshotBytes, text.Len())
	}
	return l.put(ctx, key, text.Bytes(), weir.PutOptions{CreateOnly: true})
}

func (l *Log) readSnapshot(ctx context.Context, b base) ([]weir.Rulings, error) {
	if b.Snapshot == "" {
		return nil, nil
	}
	text, _, err := l.get(ctx, b.Snapshot, snapshotBytes)
	if weir.KindOf(err) == weir.NotFound { // a newer base does not need it
		return nil, weir.Errorf(weir.Unavailable, "the log was compacted meanwhile: %w", err)
	}
	if err != nil {
		return nil, err
	}
	var facts []weir.Rulings
	for line := range bytes.Lines(text) {
		fact, err := weir.ParseRulings(line)
		if err != nil {
			return nil, weir.Errorf(weir.Internal, "%s is not understood by this program: %w", b.Snapshot, err)
		}
		facts = append(facts, fact)
	}
	return facts, nil
}

// deleteBelow deletes facts and snapshots that the base does not need, if they are old: somebody may be reading by an older base.
func (l *Log) deleteBelow(ctx context.Context, b base, before time.Time) error {
	for _, under := range []string{prefix, snapshots} {
		for round := 0; round < trimMost/page; round++ {
			n, err := l.deletePage(ctx, under, b, before)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	return nil
}

// deletePage is of the first objects under a prefix; it says how many are deleted.
func (l *Log) deletePage(ctx context.Context, under string, b base, before time.Time) (int, error) {
	within, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	infos, err := l.Blobs.List(within, under, "", page)
	if err != nil {
		return 0, fmt.Errorf("list the log: %w", err)
	}
	deleted := 0
	for _, info := range infos {
		n := numberOf(info.Key)
		over := n > 0 && n <= b.Through || strings.HasPrefix(info.Key, snapshots) && info.Key != b.Snapshot
		if !over || !info.Modified.Before(before) {
			continue
		}
		if err := l.delete(ctx, info.Key); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

func (l *Log) delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	if err := l.Blobs.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}
