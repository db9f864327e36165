package token

import (
	"slices"
	"strings"
)

// carrier says under which names a format's token travels; an empty name: not there.
type carrier struct{ parameter, cookie, header string }

// carried is a token that was found, and the request without it.
type carried struct {
	text        string
	place       Place
	path, query string
}

// find looks in the query, the last segments' parameters (";name=token"), the header and the cookie, in that order: what
// a person can see and paste decides before what a browser adds. A token given twice in the query or in header fields is refused.
func (c carrier) find(r Request, format string) (carried, error) {
	found := carried{path: r.Path, query: r.RawQuery}
	if len(r.Path)+len(r.RawQuery) > maxText || !plainHost(r.Host) {
		return found, malformed(format)
	}
	if c.parameter != "" {
		values, rest := cutQuery(r.RawQuery, c.parameter)
		if len(values) > 1 {
			return found, malformed(format)
		}
		if len(values) == 1 {
			found.text, found.query = values[0], rest
			return found.bounded(format)
		}
		if before, after, ok := strings.Cut(r.Path, ";"+c.parameter+"="); ok {
			text, tail, slash := strings.Cut(after, "/")
			if slash {
				before += "/" + tail
			}
			found.text, found.path, found.place = text, before, InPath
			return found.bounded(format)
		}
	}
	if c.header != "" && r.Header != nil {
		if values := r.Header(c.header); len(values) > 1 {
			return found, malformed(format)
		} else if len(values) == 1 {
			found.text, found.place = values[0], InHeader
			return found.bounded(format)
		}
	}
	if c.cookie != "" && r.Cookie != nil {
		if found.text = r.Cookie(c.cookie); found.text != "" {
			found.place = InCookie
			return found.bounded(format)
		}
	}
	return found, ErrNone
}

func (c carried) bounded(format string) (carried, error) {
	if c.text == "" || len(c.text) > maxText {
		return c, malformed(format)
	}
	return c, nil
}

// cutQuery returns the values of the named parameters, undecoded, and the query without them. A name is compared as
// sent: an escaped name is another name.
func cutQuery(query string, names ...string) (values []string, rest string) {
	if query == "" {
		return nil, ""
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if slices.Contains(names, name) {
			values = append(values, value)
		} else {
			kept = append(kept, pair)
		}
	}
	return values, strings.Join(kept, "&")
}

// grant starts a Grant for what was found.
func (c carried) grant(format string, k *key) Grant {
	g := Grant{Format: format, Path: c.path, Query: c.query, FromCookie: c.place == InCookie}
	g.KeyID, g.Organisation = k.id, k.organisation
	return g
}
