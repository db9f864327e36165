package catalog

// ParseCursor reads a cursor of the list of titles, CursorAfter writes it.
var (
	ParseCursor = parseCursor
	CursorAfter = cursorAfter
)
