package migrate

import (
	"context"
	"errors"
	"fmt"

	weir "github.com/weirstream/weir"
)

const (
	factsMost  = 500     // messages of one publish, and of one note of progress
	factsBytes = 1 << 20 // of their values
	absentMost = 1 << 20 // digests in memory: about 50 MB
)

// facts is the messages of the facts' topic: all there are, since who has consumed what is not known across engines, and
// consumers skip what is not newer than what they have. Wake-ups are not copied: they may be lost anyway.
type facts struct{}

func (facts) name() string { return "facts" }

func (facts) count(ctx context.Context, r *run) (n Amount, err error) {
	err = scan(ctx, r.from, func(m weir.Message) error {
		n.add(factSize(m))
		return nil
	})
	return n, err
}

// copy publishes in order of scanning, which keeps the order of each key. A crash between a publish and its note publishes
// those messages once more.
func (f facts) copy(ctx context.Context, r *run) error {
	var batch []weir.Message
	var bytes int64
	var done Amount
	next := map[int]int64{}
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := r.to.Bus.Publish(ctx, batch...); err != nil {
			return fmt.Errorf("publish facts to %s: %w", r.to.Name, err)
		}
		r.at("migrate.published")
		for partition, offset := range next {
			r.state.Facts[partition] = offset
		}
		batch, bytes = nil, 0
		r.tell(Step{Part: f.name(), Act: "copy", Done: done})
		return r.save()
	}
	err := scan(ctx, r.from, func(m weir.Message) error {
		if m.Offset < r.state.Facts[m.Partition] {
			return nil
		}
		// Without its time: where age alone drops messages, an old one would be gone before anybody read it.
		batch = append(batch, weir.Message{Topic: weir.TopicFacts, Key: m.Key, Value: m.Value})
		bytes += factSize(m)
		done.add(factSize(m))
		next[m.Partition] = m.Offset + 1
		if len(batch) < factsMost && bytes < factsBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (f facts) foreign(ctx context.Context, r *run) (string, error) {
	n, first, err := absent(ctx, r.to, r.from, absentMost)
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("%d facts which FROM has not, such as one of %s", n, first.Key), nil
}

func (f facts) verify(ctx context.Context, r *run) (line Line, err error) {
	line.Part = f.name()
	if line.From, line.FromHash, err = factSum(ctx, r.from); err != nil {
		return line, err
	}
	if line.To, line.ToHash, err = factSum(ctx, r.to); err != nil {
		return line, err
	}
	r.tell(Step{Part: f.name(), Act: "verify", Done: line.From})
	if line.Equal = line.FromHash == line.ToHash; line.Equal {
		return line, nil
	}
	// Some may be there twice, which is no difference that matters.
	line.Equal = true
	for _, side := range []struct {
		of, in *Side
		name   string
	}{{r.from, r.to, "FROM"}, {r.to, r.from, "TO"}} {
		n, first, err := absent(ctx, side.of, side.in, absentMost)
		if err != nil {
			return line, err
		}
		if n > 0 {
			line.Equal = false
			line.Differ = append(line.Differ, fmt.Sprintf("only %s has %d facts, such as one of %s", side.name, n, first.Key))
		}
	}
	return line, nil
}

func factSum(ctx context.Context, s *Side) (n Amount, hash string, err error) {
	var total sum
	err = scan(ctx, s, func(m weir.Message) error {
		n.add(factSize(m))
		d, err := digestOf(m.Key, m.Value)
		total.add(d)
		return err
	})
	return n, total.String(), err
}

func factSize(m weir.Message) int64 { return sizeOf(m.Key, m.Value) }

func scan(ctx context.Context, s *Side, f func(weir.Message) error) error {
	if err := s.Bus.Scan(ctx, weir.TopicFacts, f); err != nil {
		return fmt.Errorf("read the facts of %s: %w", s.Name, err)
	}
	return nil
}

// absent counts the different messages that one side has and the other has not, whatever their order, and tells one of
// them. It holds about most digests in memory: where there are more, it looks several times, each time at some of them.
func absent(ctx context.Context, of, in *Side, most int) (n int, first weir.Message, err error) {
	total := 0
	if err := scan(ctx, of, func(weir.Message) error { total++; return nil }); err != nil || total == 0 {
		return 0, first, err
	}
	passes := 1 + total/most
	for pass := range passes {
		left := map[[16]byte]bool{}
		each := func(s *Side, f func(weir.Message, [16]byte) error) error {
			return scan(ctx, s, func(m weir.Message) error {
				d, err := digestOf(m.Key, m.Value)
				if err != nil || (int(d[16])<<8|int(d[17]))%passes != pass {
					return err
				}
				return f(m, [16]byte(d[:16]))
			})
		}
		err := each(of, func(_ weir.Message, d [16]byte) error { left[d] = true; return nil })
		if err == nil {
			err = each(in, func(_ weir.Message, d [16]byte) error { delete(left, d); return nil })
		}
		if n += len(left); err == nil && first.Key == "" && len(left) > 0 {
			err = each(of, func(m weir.Message, d [16]byte) error {
				if left[d] {
					first = m
					return errEnd
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errEnd) {
			return n, first, err
		}
	}
	return n, first, nil
}
