package migrate

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
)

const (
	runtimePrefix = "sole/" // of registry keys that say who runs now: nobody does, and nobody's word is worth copying
	sealedPrefix  = "keys/" // of those whose values only the root key opens
)

func values() part {
	return kind[weir.KVPair]{title: "values", one: "registry key", held: true,
		list:    listValues,
		key:     func(p weir.KVPair) string { return p.Key },
		compare: func(a, b weir.KVPair) int { return strings.Compare(a.Key, b.Key) },
		size:    func(p weir.KVPair) int64 { return sizeOf(p.Key, p.Value) },
		digest: func(_ context.Context, _ *Side, p weir.KVPair, _ bool) (digest, error) {
			return digestOf(p.Key, p.Value) // engines count versions each in their way
		},
		put: putValues,
	}
}

func listValues(ctx context.Context, s *Side, _ string) iter.Seq2[weir.KVPair, error] {
	return func(yield func(weir.KVPair, error) bool) {
		pairs, err := s.Registry.Pairs(ctx)
		if err != nil {
			yield(weir.KVPair{}, fmt.Errorf("list the registry's values of %s: %w", s.Name, err))
			return
		}
		slices.SortFunc(pairs, func(a, b weir.KVPair) int { return strings.Compare(a.Key, b.Key) })
		for _, p := range pairs {
			if !strings.HasPrefix(p.Key, runtimePrefix) && !yield(p, nil) {
				return
			}
		}
	}
}

func putValues(ctx context.Context, r *run, wanted []pair[weir.KVPair]) error {
	for _, p := range wanted {
		version := uint64(0)
		if p.to != nil {
			version = p.to.Version
		}
		if _, err := r.to.Registry.PutKV(ctx, p.from.Key, p.from.Value, version); err != nil {
			return fmt.Errorf("write the registry of %s: %w", r.to.Name, err)
		}
		r.at("migrate.put-value")
	}
	return nil
}

// checkRootKey refuses a TO that could not open what FROM has sealed.
func checkRootKey(ctx context.Context, r *run) error {
	if r.from.RootKey == r.to.RootKey || r.from.Registry == nil {
		return nil
	}
	for p, err := range listValues(ctx, r.from, "") {
		if err != nil {
			return err
		}
		if strings.HasPrefix(p.Key, sealedPrefix) {
			return weir.Errorf(weir.Conflict, "TO has another root key than FROM, and what FROM sealed with its own (%s) could never be opened there: "+
				"let TO name a data folder that does not exist yet, which gets FROM's root key, or give both the same one", p.Key)
		}
	}
	return nil
}
