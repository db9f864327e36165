package consul

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirstream/weir"
)

const maxValue = 512 << 10

// KV implements [weir.Registry]. The version is Consul's ModifyIndex.
func (r *Registry) KV(ctx context.Context, key string) (weir.KVPair, error) {
	if key == "" {
		return weir.KVPair{}, weir.Errorf(weir.Invalid, "a registry key is not empty")
	}
	call, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	found, _, err := r.client.KV().Get(r.prefix+escape(key), options(call))
	if err != nil {
		return weir.KVPair{}, failed(ctx, err, "read registry key %q", key)
	}
	return pair(key, found), nil
}

// pair is version 0 if found is nil.
func pair(key string, found *api.KVPair) weir.KVPair {
	if found == nil {
		return weir.KVPair{Key: key}
	}
	return weir.KVPair{Key: key, Value: found.Value, Version: found.ModifyIndex}
}

// PutKV implements [weir.Registry]. After an error other than Conflict, TooLarge and Invalid the value may have been
// written.
func (r *Registry) PutKV(ctx context.Context, key string, value []byte, version uint64) (uint64, error) {
	switch {
	case key == "":
		return 0, weir.Errorf(weir.Invalid, "a registry key is not empty")
	case len(value) > maxValue:
		return 0, weir.Errorf(weir.TooLarge, "a registry value of %d bytes is larger than %d", len(value), maxValue)
	}
	call, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	put := &api.KVPair{Key: r.prefix + escape(key), Value: value, ModifyIndex: version}
	ok, _, err := r.client.KV().CAS(put, (&api.WriteOptions{}).WithContext(call))
	if err != nil {
		return 0, failed(ctx, err, "write registry key %q", key)
	}
	if !ok {
		return 0, fmt.Errorf("write registry key %q: %w", key, changed(key, version))
	}
	// Consul does not say which version it made. (A transaction would, but takes no value over 384 KiB.)
	found, err := r.KV(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case found.Version == 0:
		return 0, fmt.Errorf("write registry key %q: %w", key, changed(key, version))
	case !bytes.Equal(found.Value, value):
		return found.Version - 1, nil // somebody wrote since; ours is a version before, and no version there will be
	}
	return found.Version, nil
}

func changed(key string, version uint64) error {
	return weir.Errorf(weir.Conflict, "registry key %q is no longer at version %d", key, version)
}

// WatchKV implements [weir.Registry]. It returns nil when ctx has ended. While Consul is away f is not called. A Consul that
// lost its data may give a version lower than the one before.
func (r *Registry) WatchKV(ctx context.Context, key string, f func(weir.KVPair)) error {
	if key == "" {
		return weir.Errorf(weir.Invalid, "a registry key is not empty")
	}
	started, shown := false, weir.KVPair{}
	follow(ctx, r, "value of "+key,
		func(q *api.QueryOptions) (*api.KVPair, *api.QueryMeta, error) {
			return r.client.KV().Get(r.prefix+escape(key), q)
		},
		func(found *api.KVPair, _ bool) time.Duration {
			now := pair(key, found)
			if !started || now.Version != shown.Version || !bytes.Equal(now.Value, shown.Value) {
				started, shown = true, weir.KVPair{Version: now.Version, Value: bytes.Clone(now.Value)}
				f(now)
			}
			return 0
		})
	return nil
}

// Pairs lists all values of this registry, sorted by key. Keys under its prefix that it did not write are left out.
func (r *Registry) Pairs(ctx context.Context) ([]weir.KVPair, error) {
	call, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	found, _, err := r.client.KV().List(r.prefix, options(call))
	if err != nil {
		return nil, failed(ctx, err, "list registry keys")
	}
	var all []weir.KVPair
	for _, p := range found {
		if key, ok := unescape(strings.TrimPrefix(p.Key, r.prefix)); ok {
			all = append(all, pair(key, p))
		}
	}
	slices.SortFunc(all, func(a, b weir.KVPair) int { return cmp.Compare(a.Key, b.Key) })
	return all, nil
}
