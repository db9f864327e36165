// Package factlog is the numbered log of purges and revocations that every edge follows: objects of the store all edges have,
// written once, each under the next number. Fan-out only says that there is something new; the objects are the truth.
//
//	edge/log/<number, 16 digits>.json   one fact (weir.Rulings); create-only, so a number is written once
//	edge/log/base.json                  what was compacted: followers begin here
//	edge/log/snapshots/<number>-<id>    facts up to that number without what no longer matters, one a line
//
// The invariant: a follower obeys number n+1 only after n, and is fresh only if it lately saw the log's end. The numbers of a
// log begin at the milliseconds since 1970 at which it was made, so those of a log that was lost and made anew are above all
// that anybody stamped by the old one. (An older copy of the store brought back is not noticed: delete edge/log/ then.)
package factlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	weir "github.com/weirstream/weir"
)

const (
	prefix     = "edge/log/"
	baseKey    = prefix + "base.json"
	snapshots  = prefix + "snapshots/"
	channel    = "edge-log"      // of the cache; messages are numbers
	callWithin = 5 * time.Second // of a write
	lookWithin = 2 * time.Second // of a read: one that hangs must not cost the freshness
	longWithin = time.Minute     // of a snapshot
	trimWithin = 5 * time.Minute // of all that compacting takes
)

// Sink obeys what a follower reads. Its methods are called by one goroutine.
type Sink interface {
	Apply(fact weir.Rulings)
	Raise(floor uint64)  // purges up to floor are not known one by one: all older than it counts as purged
	Sweep(now time.Time) // forgets what has ended; called about once a minute
}

// Log is the log as one process writes and follows it. Blobs must be set; Run needs Sink too. The fields are not changed
// after the first call. Safe for concurrent use.
type Log struct {
	Blobs weir.Blobs
	Cache weir.Cache // fan-out; nil is none: then followers see what is new within Poll
	Sink  Sink
	Log   *slog.Logger     // nil is nowhere
	Now   func() time.Time // nil is time.Now

	Poll       time.Duration // between two looks for what is new; 0 is 1s
	FreshFor   time.Duration // how long after a look that reached the end it counts as known; 0 is 5s
	KeepPurges time.Duration // 0 is 7 days: what was cached longer ago is then purged where single purges are not known
	KeepFacts  time.Duration // age below which no object is compacted or deleted; 0 is an hour. Far longer than any Append
	TrimLeast  int           // so many facts make a new snapshot worth its while; 0 is 256

	kicked chan struct{} // made under mu; holds one
	mu     sync.Mutex    // guards what follows
	pos    uint64        // everything up to here is obeyed; 0 before the first catch-up
	seen   time.Time     // begin of the last look that reached the end
	based  time.Time     // when base was last read; of the follower only
	failed error         // of the last look; nil if it reached the end
	moved  chan struct{} // closed when pos or seen changes
}

// base says where followers begin.
type base struct {
	Version  int    `json:"version"`
	Floor    uint64 `json:"floor"`    // purges up to here are not in the snapshot one by one
	Through  uint64 `json:"through"`  // facts up to here are in the snapshot, or over
	Snapshot string `json:"snapshot"` // key; "" if there is nothing to know
}

func keyOf(number uint64) string { return fmt.Sprintf("%s%016d.json", prefix, number) }

// numberOf is the number in the key of a fact; 0 for other keys.
func numberOf(key string) uint64 {
	digits, ok := strings.CutSuffix(strings.TrimPrefix(key, prefix), ".json")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || len(digits) != 16 {
		return 0
	}
	return n
}

// Append writes rulings and returns the number of the last fact of them once it is durable. If it fails, some or all may have
// been written; to append them again is harmless. Errors: Invalid, or the store's.
func (l *Log) Append(ctx context.Context, rulings ...weir.Ruling) (uint64, error) {
	if len(rulings) == 0 {
		return 0, weir.Errorf(weir.Invalid, "there is nothing to append")
	}
	var number uint64
	for len(rulings) > 0 {
		n, err := l.fit(rulings)
		if err != nil {
			return 0, err
		}
		if number, err = l.append(ctx, rulings[:n]); err != nil {
			return 0, fmt.Errorf("append to the edges' log: %w", err)
		}
		rulings = rulings[n:]
	}
	if l.Cache != nil { // those who miss this look for themselves
		within, cancel := context.WithTimeout(ctx, callWithin)
		defer cancel()
		if err := l.Cache.Publish(within, channel, strconv.AppendUint(nil, number, 10)); err != nil {
			l.log().Warn("edges not told of what is new in their log; they look themselves", "number", number, "error", err)
		}
	}
	l.kick()
	return number, nil
}

// fit is how many of the rulings one fact takes.
func (l *Log) fit(rulings []weir.Ruling) (int, error) {
	size := 0
	for i := range rulings {
		one := weir.Rulings{Version: weir.RulingsVersion, Number: 1, Time: l.now().UTC(), Rulings: rulings[i : i+1]}
		b, err := one.Encode()
		if err != nil {
			return 0, err
		}
		if size += len(b); i > 0 && (size > weir.MaxRulingsBytes || i == weir.MaxRulings) {
			return i, nil
		}
	}
	return len(rulings), nil
}

// maxRaces bounds how many others may be faster, one after the other.
const maxRaces = 1000

func (l *Log) append(ctx context.Context, rulings []weir.Ruling) (uint64, error) {
	for range 10 {
		last, err := l.last(ctx)
		if err != nil {
			return 0, err
		}
		number, err := l.create(ctx, last+1, rulings)
		if err != nil {
			return 0, err
		}
		// Somebody may have compacted past this number before the object was there, if this process was stopped that long. Then
		// nobody would read it.
		b, _, err := l.readBase(ctx)
		if err != nil {
			return 0, err
		}
		if b.Through < number {
			return number, nil
		}
	}
	return 0, weir.Errorf(weir.Unavailable, "the log is compacted faster than written to")
}

// create writes the fact under the first free number from number on. All before it are taken, so there is never a gap.
func (l *Log) create(ctx context.Context, number uint64, rulings []weir.Ruling) (uint64, error) {
	for range maxRaces {
		fact := weir.Rulings{Version: weir.RulingsVersion, Number: number, Time: l.now().UTC(), Rulings: rulings}
		b, err := fact.Encode()
		if err != nil {
			return 0, err
		}
		err = l.put(ctx, keyOf(number), b, weir.PutOptions{CreateOnly: true})
		if err == nil {
			return number, nil
		}
		if weir.KindOf(err) != weir.Precondition {
			return 0, err
		}
		number++
	}
	return 0, weir.Errorf(weir.Unavailable, "too many others append to the log")
}

// last is the number of the newest fact.
func (l *Log) last(ctx context.Context) (uint64, error) {
	for range 3 {
		b, _, err := l.readBase(ctx)
		if err != nil {
			return 0, err
		}
		last, whole := max(b.Through, l.Number()), true // what is obeyed was there: an hour of facts need not be listed for each
		for whole {
			facts, err := l.list(ctx, last)
			if err != nil {
				return 0, err
			}
			if len(facts) == 0 {
				return last, nil
			}
			for _, f := range facts {
				whole = whole && f.number == last+1
				last = f.number
			}
		}
		// A gap: what comes first was compacted since the base was read.
	}
	return 0, weir.Errorf(weir.Unavailable, "the log has a gap")
}

// listed is a fact in a listing.
type listed struct {
	number   uint64
	modified time.Time
}

// page is how many facts are listed at a time.
const page = 1000

// list is the next facts after a number, at most a page.
func (l *Log) list(ctx context.Context, after uint64) ([]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	infos, err := l.Blobs.List(ctx, prefix, keyOf(after), page)
	if err != nil {
		return nil, fmt.Errorf("list the log: %w", err)
	}
	var out []listed
	for _, info := range infos {
		n := numberOf(info.Key)
		if n == 0 {
			break // base.json and snapshots come after all digits
		}
		out = append(out, listed{n, info.Modified})
	}
	return out, nil
}

// readBase reads where the log begins, and begins one if there is none.
func (l *Log) readBase(ctx context.Context) (base, weir.ObjectInfo, error) {
	for range 3 {
		text, info, err := l.get(ctx, baseKey, 1<<16)
		if err == nil {
			var b base
			if err := json.Unmarshal(text, &b); err != nil || b.Version != 1 || b.Through == 0 || b.Floor > b.Through {
				return base{}, info, weir.Errorf(weir.Internal, "%s is not understood by this program: %.200q", baseKey, text)
			}
			return b, info, nil
		}
		if weir.KindOf(err) != weir.NotFound {
			return base{}, info, fmt.Errorf("read the log's base: %w", err)
		}
		l.mu.Lock()
		first := max(uint64(l.now().UnixMilli()), l.pos+1)
		l.mu.Unlock()
		err = l.putBase(ctx, base{Version: 1, Floor: first, Through: first}, weir.PutOptions{CreateOnly: true})
		if err != nil && weir.KindOf(err) != weir.Precondition {
			return base{}, info, err
		}
	}
	return base{}, weir.ObjectInfo{}, weir.Errorf(weir.Unavailable, "%s comes and goes", baseKey)
}

func (l *Log) putBase(ctx context.Context, b base, opts weir.PutOptions) error {
	text, err := json.Marshal(b)
	if err != nil {
		return weir.Errorf(weir.Internal, "encode the log's base: %w", err)
	}
	return l.put(ctx, baseKey, text, opts)
}

func (l *Log) put(ctx context.Context, key string, text []byte, opts weir.PutOptions) error {
	within := callWithin
	if len(text) > 1<<20 {
		within = longWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if _, err := l.Blobs.Put(ctx, key, bytes.NewReader(text), opts); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// get is a whole object of at most limit bytes.
func (l *Log) get(ctx context.Context, key string, limit int64) ([]byte, weir.ObjectInfo, error) {
	within := lookWithin
	if limit > 1<<20 {
		within = longWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	body, info, err := l.Blobs.Get(ctx, key, 0, -1, "")
	if err != nil {
		return nil, info, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, info, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(text)) > limit {
		return nil, info, weir.Errorf(weir.Internal, "%s has more than %d bytes", key, limit)
	}
	return text, info, nil
}

func (l *Log) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

func (l *Log) log() *slog.Logger {
	if l.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Log
}

func or[T int | time.Duration](d, otherwise T) T {
	if d == 0 {
		return otherwise
	}
	return d
}
