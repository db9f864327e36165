package freshness

import (
	"net/http"
	"strings"
	"time"
)

// ParseDate reads an HTTP-date in any of its three forms (RFC 9110 section 5.6.7), without regard to case as RFC 9111
// section 4.2 asks. A zone other than GMT is invalid.
func ParseDate(s string) (time.Time, bool) {
	s = strings.ToUpper(strings.Trim(s, " \t"))
	if t, err := time.Parse(http.TimeFormat, s); err == nil {
		return t, true
	}
	if t, err := time.Parse("Monday, 02-Jan-06 15:04:05 GMT", s); err == nil {
		return t, true
	}
	t, err := time.Parse(time.ANSIC, s)
	return t, err == nil
}

// date is the date in a field that has one value. ok is false if there is none, or it is malformed.
func date(h http.Header, name string) (t time.Time, ok bool) {
	lines := h[name]
	if len(lines) == 0 {
		return t, false
	}
	return ParseDate(lines[0])
}

// ageField is the first value of Age; a malformed field is ignored (RFC 9111 section 5.1).
func ageField(h http.Header) time.Duration {
	lines := h["Age"]
	if len(lines) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(lines[0], ",")
	n, _ := delta(strings.Trim(first, " \t"))
	return n
}
