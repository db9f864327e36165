package migrate

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
)

const (
	hashAtOnce = 8       // large entries hashed side by side
	batchMost  = 256     // entries of a batch
	batchHeld  = 4 << 20 // bytes of a batch whose entries are in memory; its last one may pass it
	batchBytes = 1 << 28 // and of others: what is hashed or copied between two notes of progress
	differMost = 5       // keys named of a part that differs
)

// part is one kind of what an engine set holds.
type part interface {
	name() string
	// count says how much FROM holds.
	count(ctx context.Context, r *run) (Amount, error)
	// foreign names something that TO holds and FROM does not hold so, or is "".
	foreign(ctx context.Context, r *run) (string, error)
	// copy brings TO what it lacks. It may be stopped anywhere and called again.
	copy(ctx context.Context, r *run) error
	// verify reads both sides back.
	verify(ctx context.Context, r *run) (Line, error)
}

// kind is a part whose entries have keys, in one order on both sides.
type kind[T any] struct {
	title   string
	one     string // the word for an entry: "object"
	workers int    // how many entries are hashed side by side
	resumes bool   // copying starts again behind the last key noted
	list    func(ctx context.Context, s *Side, after string) iter.Seq2[T, error]
	key     func(T) string // for people, and to resume behind
	compare func(a, b T) int
	held    bool // an entry's bytes are in memory
	size    func(T) int64
	// digest hashes an entry; with full unset, of what is large the size will do.
	digest func(ctx context.Context, s *Side, v T, full bool) (digest, error)
	put    func(ctx context.Context, r *run, wanted []pair[T]) error
}

func (k kind[T]) name() string { return k.title }

// walk merges both sides and hands the pairs on in batches.
func (k kind[T]) walk(ctx context.Context, r *run, after string, f func([]pair[T]) error) error {
	most := int64(batchBytes)
	if k.held {
		most = batchHeld
	}
	var batch []pair[T]
	var bytes int64
	flush := func() error {
		defer func() { batch, bytes = nil, 0 }()
		if len(batch) == 0 {
			return nil
		}
		return f(batch)
	}
	err := merge(k.list(ctx, r.from, after), k.list(ctx, r.to, after), k.compare, func(p pair[T]) error {
		for _, v := range []*T{p.from, p.to} {
			if v != nil {
				bytes += k.size(*v)
			}
		}
		if batch = append(batch, p); len(batch) < batchMost && bytes < most {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", k.title, err)
	}
	return nil
}

// judged is the digests of a pair.
type judged struct{ from, to digest }

// judge hashes pairs, several side by side. Before verification only those that both sides have matter, and they are hashed
// in full.
func (k kind[T]) judge(ctx context.Context, r *run, batch []pair[T], verify bool) ([]judged, error) {
	full := !verify || !r.sizes
	out := make([]judged, len(batch))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, k.workers))
	for i, p := range batch {
		if !verify && (p.from == nil || p.to == nil) {
			continue
		}
		g.Go(func() (err error) {
			if p.from != nil {
				out[i].from, err = k.digest(ctx, r.from, *p.from, full)
			}
			if p.to != nil && err == nil {
				out[i].to, err = k.digest(ctx, r.to, *p.to, full)
			}
			return err
		})
	}
	return out, g.Wait()
}

func (k kind[T]) count(ctx context.Context, r *run) (n Amount, err error) {
	for v, err := range k.list(ctx, r.from, "") {
		if err != nil {
			return n, fmt.Errorf("%s: %w", k.title, err)
		}
		n.add(k.size(v))
	}
	return n, nil
}

// errEnd ends a walk early.
var errEnd = errors.New("end of the walk")

func (k kind[T]) foreign(ctx context.Context, r *run) (what string, err error) {
	if none, err := empty(k.list(ctx, r.to, "")); none || err != nil {
		return "", err // the usual case, and FROM need not be walked
	}
	err = k.walk(ctx, r, "", func(batch []pair[T]) error {
		found, err := k.judge(ctx, r, batch, false)
		if err != nil {
			return err
		}
		for i, p := range batch {
			switch {
			case p.to != nil && p.from == nil:
				what = fmt.Sprintf("the %s %s, which FROM has not", k.one, k.key(*p.to))
				return errEnd
			case found[i].from != found[i].to:
				what = fmt.Sprintf("another %s %s than FROM", k.one, k.key(*p.to))
				return errEnd
			}
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		err = nil
	}
	return what, err
}

func empty[T any](s iter.Seq2[T, error]) (bool, error) {
	for _, err := range s {
		return false, err
	}
	return true, nil
}

func (k kind[T]) copy(ctx context.Context, r *run) error {
	after := ""
	if k.resumes {
		after = r.state.After[k.title]
	}
	var done Amount
	return k.walk(ctx, r, after, func(batch []pair[T]) error {
		found, err := k.judge(ctx, r, batch, false)
		if err != nil {
			return err
		}
		var wanted []pair[T]
		for i, p := range batch {
			if p.from == nil {
				continue // it is left for verify to name
			}
			done.add(k.size(*p.from))
			if p.to == nil || found[i].from != found[i].to {
				wanted = append(wanted, p)
			}
		}
		if len(wanted) > 0 {
			if err := k.put(ctx, r, wanted); err != nil {
				return err
			}
			r.at("migrate.put-" + k.title)
		}
		r.tell(Step{Part: k.title, Act: "copy", Done: done})
		last := batch[len(batch)-1]
		if !k.resumes || last.from == nil {
			return nil
		}
		r.state.After[k.title] = k.key(*last.from)
		return r.save()
	})
}

func (k kind[T]) verify(ctx context.Context, r *run) (Line, error) {
	line := Line{Part: k.title, Equal: true}
	var from, to sum
	differ := func(how, key string) {
		line.Equal = false
		if len(line.Differ) < differMost {
			line.Differ = append(line.Differ, how+" "+key)
		}
	}
	err := k.walk(ctx, r, "", func(batch []pair[T]) error {
		found, err := k.judge(ctx, r, batch, true)
		if err != nil {
			return err
		}
		for i, p := range batch {
			if p.from != nil {
				line.From.add(k.size(*p.from))
				from.add(found[i].from)
			}
			if p.to != nil {
				line.To.add(k.size(*p.to))
				to.add(found[i].to)
			}
			switch {
			case p.to == nil:
				differ("only FROM has", k.key(*p.from))
			case p.from == nil:
				differ("only TO has", k.key(*p.to))
			case found[i].from != found[i].to:
				differ("differs:", k.key(*p.from))
			}
		}
		r.tell(Step{Part: k.title, Act: "verify", Done: line.From})
		return nil
	})
	line.FromHash, line.ToHash = from.String(), to.String()
	return line, err
}
