package edge

import (
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
)

// ParseTarget describes what a request target means, or its error.
func ParseTarget(raw []byte) (string, error) {
	t, err := parseTarget(raw)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s ticket=%s asset=%s rev=%d form=%s rendition=%s n=%d", classes[t.what], t.path, t.ticket,
		t.asset, t.revision, t.form, t.rendition, t.number), nil
}

// ParseRange returns the spans as [offset, length], and how the field was taken: "ignored", "ok" or "none".
func ParseRange(field string, size int64) (spans [][2]int64, result string) {
	s, r := parseRange(nil, []byte(field), size)
	for _, s := range s {
		spans = append(spans, [2]int64{s.off, s.n})
	}
	return spans, [...]string{"ignored", "ok", "none"}[r]
}

// Matches and AcceptsGzip are the conditions of a request.
var (
	Matches     = func(field, etag string, weak bool) bool { return matches([][]byte{[]byte(field)}, []byte(etag), weak) }
	AcceptsGzip = func(field string) bool { return acceptsGzip([]byte(field)) }
)

// TicketVerifier is what remembers good tickets.
func TicketVerifier(keys func(string) (weir.TicketKey, bool)) func(text []byte, now time.Time) error {
	v := &tickets{keys: keys}
	return func(text []byte, now time.Time) error { _, err := v.verify(text, now); return err }
}
