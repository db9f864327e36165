package weir

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what went wrong in terms a caller can act on. It is set once, where the error is first known, and survives
// wrapping with %w. One table (internal/web, edge) maps kinds to HTTP statuses.
type Kind uint8

// The kinds, each with the HTTP status it becomes. The zero value is Internal: nothing of it is shown to clients.
const (
	Internal        Kind = iota // 500: a defect or a broken dependency; the text never leaves
	Invalid                     // 400: the request is malformed
	Unauthenticated             // 401: no or bad credentials
	Forbidden                   // 403: credentials that do not allow this
	NotFound                    // 404: no such thing
	Conflict                    // 409: the state does not allow this now, or a fence was lost
	Gone                        // 410: it existed and was deleted
	Precondition                // 412: If-Match or If-None-Match did not hold
	TooLarge                    // 413: more bytes than the limit
	BadRange                    // 416: no byte of the range exists (RFC 9110 section 15.5.17)
	Unprocessable               // 422: well-formed, but this content cannot be used (a refused master)
	TooMany                     // 429: over a rate
	Unavailable                 // 503: try again later
	Timeout                     // 504: a deadline passed
	Full                        // 507: below the free-space floor
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not-found", "conflict", "gone",
	"precondition", "too-large", "bad-range", "unprocessable", "too-many", "unavailable", "timeout", "full"}

// String is the kind's stable name, used in problem types and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error with a kind and a sentence for the person who caused it.
type Error struct {
	Kind   Kind
	Detail string // shown to clients, unless Kind is Internal
	Err    error  // the cause, for the log; may be nil
}

// Errorf makes an Error. The formatted text is shown to clients; a cause given with %w is kept for errors.Is and for the
// log, and its text is part of the detail only because the format says so.
func Errorf(kind Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// Error is the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the outermost Error in err's chain; context errors are Timeout or Unavailable; all else, and nil,
// is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Unavailable
	}
	return Internal
}

// Detail is what a client may read of err: the outermost Error's own sentence, or "" when it is Internal.
func Detail(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Kind != Internal {
		return e.Detail
	}
	return ""
}
