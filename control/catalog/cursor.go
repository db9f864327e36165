package catalog

import (
	"encoding/base64"
	"strings"

	weir "github.com/weirstream/weir"
)

// cursorMark starts a cursor's bytes, so that one of another list or time is told apart.
const cursorMark = "t1:"

// cursorAfter is the opaque cursor of what follows the title of that id.
func cursorAfter(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + id))
}

// parseCursor is the id a cursor holds; "" is the beginning. Invalid: not a cursor of this list.
func parseCursor(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if strings.ContainsAny(cursor, "\r\n") { // which the decoder passes over: a cursor is written in one way
		err = base64.CorruptInputError(0)
	}
	if err != nil || len(b) <= len(cursorMark) || string(b[:len(cursorMark)]) != cursorMark || !weir.ValidID(string(b[len(cursorMark):])) {
		return "", weir.Errorf(weir.Invalid, "This is not a cursor of the list of titles.")
	}
	return string(b[len(cursorMark):]), nil
}
