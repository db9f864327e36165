package sandbox

import (
	"bytes"
	"strings"
)

// Bounds of what is kept of stderr.
const (
	maxLine = 4 << 10
	maxTail = 16 << 10
)

// lines cuts a stream into lines and keeps the last of them. A longer line than maxLine is cut into several. The tool
// writes from one goroutine of os/exec, which is waited for before tail is called.
type lines struct {
	see  func(string) bool
	part []byte   // of a line that has not ended
	kept []string // the last lines that see did not take
	size int      // bytes in kept
}

// Write never fails: a talkative tool is not stopped for it.
func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		// A carriage return ends a line, too: tools draw progress with it.
		if end := bytes.IndexAny(b, "\r\n"); end >= 0 && end+len(l.part) <= maxLine {
			l.part = append(l.part, b[:end]...)
			l.close()
			b = b[end+1:]
			continue
		}
		take := min(len(b), maxLine-len(l.part))
		l.part = append(l.part, b[:take]...)
		b = b[take:]
		if len(l.part) == maxLine {
			l.close()
		}
	}
	return n, nil
}

// close ends the line that has begun, if any.
func (l *lines) close() {
	line := strings.ToValidUTF8(string(l.part), "?")
	l.part = l.part[:0]
	if strings.TrimSpace(line) == "" || l.see != nil && l.see(line) {
		return
	}
	l.kept = append(l.kept, line)
	for l.size += len(line) + 1; l.size > maxTail; l.kept = l.kept[1:] {
		l.size -= len(l.kept[0]) + 1
	}
}

func (l *lines) tail() string { return strings.Join(l.kept, "\n") }
