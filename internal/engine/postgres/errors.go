package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	weir "github.com/weirstream/weir"
)

// errLost marks what happened to a connection, not to a statement: nothing of its transaction is left, unless it was
// committing.
var errLost = errors.New("the connection is lost")

func lost(err error) error {
	var known *weir.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// refused is true of an error of COMMIT that says that nothing was committed. All others leave it open: even "conn closed"
// is what the library says of an answer that did not come.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.Is(err, pgx.ErrTxCommitRollback) ||
		errors.As(err, &e) && e.SeverityUnlocalized == "ERROR" && class(e.Code) != "08" && e.Code != "40003"
}

// passing is true of a failure that another try may not meet.
func passing(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return errors.Is(err, errLost)
	}
	switch e.Code {
	case "40001", "40P01", // serialisation failure, deadlock
		"57P01", "57P02", "57P03", "53300", // shutdown, crash, not yet up, too many connections
		"25P03", "25P04", "57P05": // the session was idle for too long: this process was paused
		return true
	}
	return class(e.Code) == "08"
}

// storeError gives an error of the server or of the connection to it its kind, unless it has one: Unavailable, Timeout (of
// a statement or a lock), Full, Conflict for a key that exists, Invalid for text that cannot be stored; the rest, and
// pgx.ErrNoRows, stay as they are.
func storeError(err error) error {
	var known *weir.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var connect *pgconn.ConnectError
		if errors.Is(err, errLost) || errors.As(err, &connect) {
			return &weir.Error{Kind: weir.Unavailable, Detail: "the store cannot be reached; try again", Err: err}
		}
		return err
	}
	kind, detail := kindOf(e.Code)
	if kind == weir.Internal {
		return err
	}
	return &weir.Error{Kind: kind, Detail: detail, Err: err}
}

func kindOf(code string) (weir.Kind, string) {
	switch {
	case code == "23505":
		return weir.Conflict, "it exists already"
	case code == "53100":
		return weir.Full, "the store has no room left"
	case code == "57014" || code == "55P03":
		return weir.Timeout, "the store took too long"
	case code == "22021" || code == "22P05":
		return weir.Invalid, "a text holds bytes that cannot be stored: it is not UTF-8, or has a zero byte"
	case code == "54000":
		return weir.TooLarge, "a text is too long to be found again"
	case slices.Contains([]string{"08", "40", "53", "57"}, class(code)), code == "25006", code == "25P03", code == "25P04":
		return weir.Unavailable, "the store is not available; try again"
	}
	return weir.Internal, ""
}

// class is the first two characters of an SQLSTATE.
func class(code string) string { return code[:min(2, len(code))] }

// valid is s without what a text cannot hold.
func valid(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "") }

// sleep says whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jitter is between half of d and d, so that those who failed together do not try together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
