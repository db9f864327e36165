package accesslog

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/weirstream/weir/edge/cmcd"
)

// Record is one answered request. Its slices are read by Log.Record and not kept.
type Record struct {
	Time         time.Time // when the request had been read
	Method       []byte
	Path         []byte // canonical: without a ticket and without a query
	Status       int
	Bytes        int64         // of content handed to the connection
	FirstByte    time.Duration // from Time until the answer began
	Took         time.Duration // until its last byte was handed over
	Cache        string        // "hit", or what gave the bytes: "disk", "shared", "peer", "origin"; "" is nothing of the kind
	Client       netip.Addr    // zero is unknown
	Session      string        // of the ticket, as the next three
	Organisation string
	Asset        string
	Revision     int64
	Range        []byte     // as the client wrote it; what is behind 128 bytes is not logged
	CMCD         *cmcd.Data // nil is none
	TLS          string     // "1.3"; "" is none
}

const (
	maxPath   = 1024
	maxMethod = 32
	maxRange  = 128
	minTicket = 32 // bytes; no ticket is shorter
)

// appendLine writes r as slog's JSON handler would, and a line feed.
func (r *Record) appendLine(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = r.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"access"`...)
	b = appendText(b, "method", cut(r.Method, maxMethod))
	b = appendPath(b, r.Path)
	b = appendNumber(b, "status", int64(r.Status))
	b = appendNumber(b, "bytes", r.Bytes)
	b = appendNumber(b, "ttfb_us", r.FirstByte.Microseconds())
	b = appendNumber(b, "took_us", r.Took.Microseconds())
	b = appendWord(b, "cache", r.Cache)
	if r.Client.IsValid() {
		b = append(b, `,"client":"`...)
		b = r.Client.WithZone("").AppendTo(b)
		b = append(b, '"')
	}
	b = appendWord(b, "session", r.Session)
	b = appendWord(b, "organisation", r.Organisation)
	b = appendWord(b, "asset", r.Asset)
	if r.Revision != 0 {
		b = appendNumber(b, "rev", r.Revision)
	}
	if len(r.Range) > 0 {
		b = appendText(b, "range", cut(r.Range, maxRange))
	}
	if r.CMCD != nil && r.CMCD.Any() {
		b = append(b, `,"cmcd":`...)
		b = r.CMCD.AppendJSON(b)
	}
	b = appendWord(b, "tls", r.TLS)
	return append(b, '}', '\n')
}

// appendPath writes the path. That it holds neither ticket nor query is the caller's promise, and made sure of here.
func appendPath(b, path []byte) []byte {
	path, _, _ = bytes.Cut(path, []byte("?"))
	path = cut(path, maxPath)
	b = append(b, `,"path":"`...)
	behind := false // a part that names a ticket
	for len(path) > 0 {
		part, _, more := bytes.Cut(path, []byte("/"))
		path = path[len(part):]
		if behind && len(part) >= minTicket {
			b = append(b, '-')
		} else {
			b = appendEscaped(b, part)
		}
		behind = len(part) == 1 && part[0]|0x20 == 't'
		if more {
			b, path = append(b, '/'), path[1:]
		}
	}
	return append(b, '"')
}

func cut(b []byte, n int) []byte { return b[:min(len(b), n)] }

func appendNumber(b []byte, name string, n int64) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, n, 10)
}

// appendWord writes a text that is not empty.
func appendWord(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(b, name, s)
}

func appendText[T string | []byte](b []byte, name string, s T) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(appendEscaped(b, s), '"')
}

// appendEscaped writes any bytes as the inside of a JSON string (RFC 8259 section 7); those that are not UTF-8 as U+FFFD,
// and what encoding/json escapes as that does, so that a fact is not longer than the lines in it.
func appendEscaped[T string | []byte](b []byte, s T) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			i += n
			if r == '\u2028' || r == '\u2029' {
				b = append(b, `\u202`...)
				b = append(b, byte('8'+r-'\u2028'))
				continue
			}
			b = utf8.AppendRune(b, r)
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f || c == '<' || c == '>' || c == '&':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return b
}
