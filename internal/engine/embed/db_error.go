package embed

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	weir "github.com/weirstream/weir"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// storeError gives an error of SQLite or the file system its kind, unless it has one: Full, Unavailable, Conflict for a
// key that exists; the rest, and sql.ErrNoRows, stay as they are.
func storeError(err error) error {
	var known *weir.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &weir.Error{Kind: weir.Full, Detail: "the disk is full", Err: err}
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch code := e.Code(); {
	case code == sqlite3.SQLITE_IOERR_SHMSIZE, code&0xff == sqlite3.SQLITE_FULL:
		return &weir.Error{Kind: weir.Full, Detail: "the disk is full", Err: err}
	case code&0xff == sqlite3.SQLITE_BUSY, code&0xff == sqlite3.SQLITE_LOCKED:
		return &weir.Error{Kind: weir.Unavailable, Detail: "the store is busy; try again", Err: err}
	case code == sqlite3.SQLITE_CONSTRAINT_UNIQUE, code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return &weir.Error{Kind: weir.Conflict, Detail: "it exists already", Err: err}
	}
	return err
}

// cutShort says that ctx ended, whatever came of that: database/sql takes the transaction back behind whoever uses it.
func cutShort(ctx context.Context, err error) error {
	var known *weir.Error
	if err == nil || ctx.Err() == nil || errors.As(err, &known) || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}
