package disk

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// state says what the tier may do. The zero value is on. After until it may try again everything; what it was is then
// decided by how that goes.
type state struct {
	why    trouble
	until  time.Time
	closed bool
}

// trouble is why a tier is not on.
type trouble uint8

const (
	none     trouble = iota
	full             // no room, or no quota: what is there can be read
	readOnly         // the file system was mounted so, or made itself so
	broken           // the disk fails, or something nobody thought of
)

func (s state) String() string {
	if s.closed {
		return "closed"
	}
	return [...]string{none: "on", full: "full", readOnly: "read-only", broken: "off"}[s.why]
}

func (s state) writable(now time.Time) bool {
	return !s.closed && (s.why == none || !now.Before(s.until))
}

func (s state) readable(now time.Time) bool {
	return !s.closed && (s.why != broken || !now.Before(s.until))
}

func troubleOf(err error) trouble {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return full
	case errors.Is(err, unix.EROFS):
		return readOnly
	default:
		return broken
	}
}

// fail turns the tier off for a while and drops what waits to be written. It is logged when it changes something only.
func (t *Tier) fail(err error) {
	why := troubleOf(err)
	t.mu.Lock()
	was := t.state
	if t.config.Now().Before(was.until) {
		why = max(why, was.why)
	}
	t.state.why = why
	t.state.until = t.config.Now().Add(t.config.RetryAfter)
	t.work.dropOffers(t)
	t.mu.Unlock()
	if was.why != why && !was.closed {
		t.config.Log.Error("disk tier is off", "dir", t.config.Dir, "state", state{why: why}.String(), "retry_after", t.config.RetryAfter, "error", err)
	}
}

// recovered is called when something was written whole.
func (t *Tier) recovered() {
	t.mu.Lock()
	was := t.state.why
	t.state.why = none
	t.mu.Unlock()
	if was != none {
		t.config.Log.Info("disk tier is on again", "dir", t.config.Dir)
	}
}
