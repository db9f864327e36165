//go:build !linux

package bench

import (
	"io"
	"net"
)

// truncator drops bodies without copying them, which only Linux can.
type truncator struct{}

func newTruncator(*net.TCPConn) *truncator { return nil }

func (*truncator) discard(int64) (int64, error) { return 0, io.ErrUnexpectedEOF }

// prompt acknowledges at once, which only Linux can be told.
type prompt struct{}

func newPrompt(*net.TCPConn) *prompt { return nil }

func (*prompt) set() {}
