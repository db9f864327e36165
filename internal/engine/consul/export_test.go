package consul

import (
	"strings"
	"time"
)

// What is decided without Consul.
var (
	Escape   = escape
	Unescape = unescape
	Next     = next
	Pieces   = pieces
)

// Parse is what the URL says of where the registry is.
func Parse(url string) (address, prefix string, err error) {
	s, err := parse(url)
	return s.address, s.prefix, err
}

// Read is the id of the instance that metadata holds.
func Read(meta map[string]string) string {
	m, _ := read(meta)
	return m.id
}

// Crowd is a crowd whose members are named by one letter each.
type Crowd struct{ crowd crowd }

// NewCrowd waits for grace after an outage.
func NewCrowd(grace time.Duration) *Crowd { return &Crowd{crowd{grace: grace}} }

// Take is crowd.take; "-" is no news.
func (c *Crowd) Take(fresh string, doubtful bool, now time.Time) (shown string, again time.Duration) {
	all := map[string]member{}
	for _, id := range strings.Split(fresh, "") {
		all[id] = member{id: id, raw: `{"id":"` + id + `"}`}
	}
	list, news, again := c.crowd.take(all, doubtful, now)
	if !news {
		return "-", again
	}
	for _, i := range list {
		shown += i.ID
	}
	return shown, again
}
