package bench

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// truncator drops what a socket has received without copying it out of the kernel: recv with MSG_TRUNC, tcp(7).
type truncator struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // bound once: a closure a call would be an allocation a call
	want int64
	got  int64
	errn syscall.Errno
	none [1]byte // where the kernel is told to write, and does not
}

// newTruncator is nil if the connection has no socket of its own.
func newTruncator(c *net.TCPConn) *truncator {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	t := &truncator{raw: raw}
	t.call = t.recv
	return t
}

// discard drops at least one and at most n bytes. The error is io.EOF if the peer has closed.
func (t *truncator) discard(n int64) (int64, error) {
	t.want, t.got, t.errn = n, 0, 0
	if err := t.raw.Read(t.call); err != nil {
		return 0, err
	}
	switch {
	case t.errn != 0:
		return 0, os.NewSyscallError("recv", t.errn)
	case t.got == 0:
		return 0, io.EOF
	}
	return t.got, nil
}

func (t *truncator) recv(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&t.none[0])), uintptr(t.want), unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false // the runtime waits until there is something
		}
		t.got, t.errn = int64(n), errno
		return true
	}
}

// prompt has the kernel acknowledge at once what comes next (TCP_QUICKACK, which does not last: tcp(7)). On loopback a segment
// is 64 KB, and so is the window at first: a server that fills it stands still until a delayed acknowledgement, 40 ms, which
// no player with segments of 1.5 KB meets: nginx gave 190 answers of 64 KB a second over 8 connections without, and as few to
// wrk. It is set for every answer, to all servers alike; what 1 MB answers cost a server stayed the same within the noise.
type prompt struct {
	raw  syscall.RawConn
	call func(fd uintptr) // bound once, as above
}

// newPrompt is nil if the connection has no socket of its own.
func newPrompt(c *net.TCPConn) *prompt {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return &prompt{raw: raw, call: quick}
}

func quick(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) // without it all is as right, but slower
}

func (p *prompt) set() {
	if p != nil {
		_ = p.raw.Control(p.call) // a closed socket is found by the read
	}
}
