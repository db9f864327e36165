package bench

import (
	"bytes"

	weir "github.com/weirstream/weir"
)

// maxHead bounds the status line and fields of an answer.
const maxHead = 32 << 10

// Head is what a client must know of an answer to read its body (RFC 9112 sections 4 and 6).
type Head struct {
	Status   int
	Length   int64 // of the body; -1 is chunked or until the connection closes
	Chunked  bool
	Close    bool   // the connection ends after this answer
	Location string // of a redirect
}

// ParseHead reads a status line and fields from the start of b. n is their length, 0 if b does not hold all of them yet.
// It looks at the fields that frame the body and refuses, as Unprocessable, what two readers could frame differently.
func ParseHead(b []byte) (h Head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return h, 0, weir.Errorf(weir.Unprocessable, "the answer's head is longer than %d bytes", maxHead)
		}
		return h, 0, nil
	}
	if end > maxHead {
		return h, 0, weir.Errorf(weir.Unprocessable, "the answer's head is longer than %d bytes", maxHead)
	}
	if bytes.Count(b[:end], []byte("\n")) != bytes.Count(b[:end], []byte("\r\n")) {
		return h, 0, weir.Errorf(weir.Unprocessable, "a line ends without CR, where others would begin another field")
	}
	line, rest, _ := bytes.Cut(b[:end], []byte("\r\n"))
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return h, 0, weir.Errorf(weir.Unprocessable, "this is not a status line")
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return h, 0, weir.Errorf(weir.Unprocessable, "this is not a status line")
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	h.Close = line[7] == '0'
	h.Length = -1
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if err := h.field(line); err != nil {
			return h, 0, err
		}
	}
	return h, end + 4, h.frame()
}

// frame says how the body ends, once all fields are read.
func (h *Head) frame() error {
	switch {
	case h.Status < 100 || h.Status > 599:
		return weir.Errorf(weir.Unprocessable, "%d is not a status", h.Status)
	case h.Chunked && h.Length >= 0:
		return weir.Errorf(weir.Unprocessable, "Content-Length and Transfer-Encoding at once")
	case h.Status < 200 || h.Status == 204 || h.Status == 304:
		h.Length, h.Chunked = 0, false
	case h.Length < 0 && !h.Chunked:
		h.Close = true
	}
	return nil
}

func (h *Head) field(line []byte) error {
	i := bytes.IndexByte(line, ':')
	if i <= 0 || line[0] == ' ' || line[0] == '\t' {
		return weir.Errorf(weir.Unprocessable, "a field has no name")
	}
	name := line[:i]
	switch {
	case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
		n, ok := decimal(bytes.TrimSpace(line[i+1:]))
		if !ok || h.Length >= 0 && h.Length != n {
			return weir.Errorf(weir.Unprocessable, "this is not a Content-Length")
		}
		h.Length = n
	case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if !bytes.EqualFold(bytes.TrimSpace(line[i+1:]), []byte("chunked")) || h.Chunked {
			return weir.Errorf(weir.Unprocessable, "a transfer coding that was not asked for")
		}
		h.Chunked = true
	case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")):
		if bytes.EqualFold(bytes.TrimSpace(line[i+1:]), []byte("close")) {
			h.Close = true
		}
	case len(name) == 8 && bytes.EqualFold(name, []byte("Location")):
		h.Location = string(bytes.TrimSpace(line[i+1:]))
	}
	return nil
}

func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// chunkSize reads a chunk's size line (RFC 9112 section 7.1) without its end.
func chunkSize(line []byte) (int64, bool) {
	line, _, _ = bytes.Cut(line, []byte(";"))
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 8 {
		return 0, false
	}
	var n int64
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 + int64(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 + int64(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return n, true
}
