package migrate

import (
	"iter"

	weir "github.com/weirstream/weir"
)

// pair is what the two sides hold of one key; nil is nothing.
type pair[T any] struct{ from, to *T }

// merge walks two sequences that ascend by compare side by side and calls f once a key. Internal: one does not ascend, and
// then nothing that it would say could be relied on.
func merge[T any](from, to iter.Seq2[T, error], compare func(a, b T) int, f func(pair[T]) error) error {
	nextFrom, stopFrom := ascending(from, compare)
	defer stopFrom()
	nextTo, stopTo := ascending(to, compare)
	defer stopTo()
	a, err := nextFrom()
	if err != nil {
		return err
	}
	b, err := nextTo()
	for err == nil && (a != nil || b != nil) {
		p := pair[T]{a, b}
		switch {
		case a == nil:
		case b == nil:
		default:
			if order := compare(*a, *b); order < 0 {
				p.to = nil
			} else if order > 0 {
				p.from = nil
			}
		}
		if err := f(p); err != nil {
			return err
		}
		if p.from != nil {
			if a, err = nextFrom(); err != nil {
				return err
			}
		}
		if p.to != nil {
			b, err = nextTo()
		}
	}
	return err
}

// ascending pulls a sequence's values, nil at its end, and holds it to its order.
func ascending[T any](s iter.Seq2[T, error], compare func(a, b T) int) (next func() (*T, error), stop func()) {
	pull, stop := iter.Pull2(s)
	var last *T
	return func() (*T, error) {
		v, err, ok := pull()
		if !ok || err != nil {
			return nil, err
		}
		if last != nil && compare(*last, v) >= 0 {
			return nil, weir.Errorf(weir.Internal, "an engine lists %v behind %v", v, *last)
		}
		last = &v
		return last, nil
	}, stop
}
