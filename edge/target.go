package edge

import (
	"bytes"

	weir "github.com/weirstream/weir"
)

// Bounds of a request target.
const (
	maxTarget         = 12 << 10 // bytes of the whole target with ticket and query, which may be a foreign token
	maxPathWithTicket = 4096     // bytes of a path with its ticket
	maxPath           = 512      // bytes of a canonical path
	maxNumber         = 1 << 40
	maxRevision       = 1 << 30
)

// what is the kind of thing a canonical path names.
type what uint8

const (
	nothing what = iota
	hlsMultivariant
	hlsMedia
	dashMPD
	initSegment
	mediaSegment
	wholeTrack
	poster
	livez
	generically // anything, of the generic origin mode
	peerRead    // a part of an object, for another edge
)

// target is a parsed request target. Its slices point into the bytes it was parsed from.
type target struct {
	ticket         []byte // of the path, or else of the query; may be empty
	ticketInPath   bool
	ticketInCookie bool
	ticketHidden   bool   // it came in a header field, so that others may send the same target without it
	path           []byte // canonical, without a leading slash: "<asset>/<rev>/<form>/..."; nil if it names nothing
	asset          []byte
	revision       int
	form           []byte
	what           what
	rendition      []byte
	number         int64 // of the segment; of the init segment, from 1
}

// parseTarget reads the raw target of a request line, before anything has normalised it. A path is made of plain
// segments of [A-Za-z0-9._-]: nothing is ever decoded, so nothing can mean something else after decoding. Errors:
// Invalid for what no client of ours sends; NotFound for a well-formed path that names no kind of thing.
func parseTarget(raw []byte) (target, error) {
	var t target
	if len(raw) > maxTarget {
		return t, weir.Errorf(weir.Invalid, "the request target is longer than %d bytes", maxTarget)
	}
	path, query, _ := bytes.Cut(withoutOrigin(raw), []byte{'?'})
	if len(path) > maxPathWithTicket {
		return t, weir.Errorf(weir.Invalid, "the path is longer than %d bytes", maxPathWithTicket)
	}
	if string(path) == "/livez" {
		t.what = livez
		return t, nil
	}
	if len(path) == 0 || path[0] != '/' {
		return t, weir.Errorf(weir.Invalid, "the path does not start with a slash")
	}
	path = path[1:]
	if err := checkPath(path); err != nil {
		return t, err
	}
	if rest, ok := bytes.CutPrefix(path, []byte("t/")); ok {
		t.ticket, path, _ = bytes.Cut(rest, []byte{'/'})
		t.ticketInPath = true
	} else {
		t.ticket = queryValue(query, "ticket")
	}
	if len(path) > maxPath {
		return t, weir.Errorf(weir.Invalid, "the path is longer than %d bytes", maxPath)
	}
	if t.path = path; !t.split() {
		t.path = nil // it may hold a ticket at another place, and is not to be logged
		return t, weir.Errorf(weir.NotFound, "nothing has this address")
	}
	return t, nil
}

// withoutOrigin cuts "http://host" off an absolute-form target (RFC 9112 section 3.2.2).
func withoutOrigin(raw []byte) []byte {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(raw) > len(scheme) && bytes.EqualFold(raw[:len(scheme)], []byte(scheme)) {
			if i := bytes.IndexByte(raw[len(scheme):], '/'); i >= 0 {
				return raw[len(scheme)+i:]
			}
		}
	}
	return raw
}

func checkPath(path []byte) error {
	start := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if !plain(path[i]) {
				return weir.Errorf(weir.Invalid, "the path holds a character that no address here has")
			}
			continue
		}
		switch part := path[start:i]; {
		case len(part) == 0:
			return weir.Errorf(weir.Invalid, "the path holds an empty segment")
		case part[0] == '.':
			return weir.Errorf(weir.Invalid, "the path holds a segment that starts with a dot")
		}
		start = i + 1
	}
	return nil
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// split takes the canonical path apart and says whether it names a kind of thing.
func (t *target) split() bool {
	var rev, rest []byte
	var ok bool
	if t.asset, rest, ok = bytes.Cut(t.path, []byte{'/'}); !ok || !validID(t.asset) {
		return false
	}
	if rev, rest, ok = bytes.Cut(rest, []byte{'/'}); !ok {
		return false
	}
	n, ok := number(rev, maxRevision)
	if !ok {
		return false
	}
	t.revision = int(n)
	if t.form, rest, ok = bytes.Cut(rest, []byte{'/'}); !ok || !validID(t.form) {
		return false
	}
	dir, name, ok := bytes.Cut(rest, []byte{'/'})
	if !ok {
		t.what = poster
		return string(dir) == "poster.jpg"
	}
	return t.file(dir, name)
}

// file fills in what dir/name is.
func (t *target) file(dir, name []byte) bool {
	base, playlist := bytes.CutSuffix(name, []byte(".m3u8"))
	switch {
	case string(dir) == "hls" && string(name) == "main.m3u8":
		t.what = hlsMultivariant
		return true
	case string(dir) == "hls" && playlist:
		t.what, t.rendition = hlsMedia, base
		return validID(base)
	case string(dir) == "dash":
		t.what = dashMPD
		return string(name) == "main.mpd"
	}
	t.rendition = dir
	if !validID(dir) {
		return false
	}
	switch {
	case string(name) == "track.mp4":
		t.what = wholeTrack
		return true
	case string(name) == "init.mp4":
		t.what, t.number = initSegment, 1
		return true
	}
	var ok bool
	if n, isInit := cutBoth(name, "init-", ".mp4"); isInit {
		t.what = initSegment
		t.number, ok = number(n, maxNumber)
		return ok && t.number > 1
	}
	n, isSegment := bytes.CutSuffix(name, []byte(".m4s"))
	if !isSegment {
		return false
	}
	t.what = mediaSegment
	t.number, ok = number(n, maxNumber)
	return ok
}

func cutBoth(b []byte, prefix, suffix string) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(b, []byte(prefix))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(rest, []byte(suffix))
}

// number reads a positive decimal without leading zeros, at most limit.
func number(b []byte, limit int64) (int64, bool) {
	if len(b) == 0 || len(b) > 15 || b[0] == '0' {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= limit
}

// validID is weir.ValidID of bytes.
func validID(b []byte) bool {
	return weir.ValidID(string(b)) // the conversion does not escape
}

// queryValue is the value of the first parameter of that name, undecoded: a ticket needs no escapes.
func queryValue(query []byte, name string) []byte {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if key, value, _ := bytes.Cut(pair, []byte{'='}); string(key) == name {
			return value
		}
	}
	return nil
}
