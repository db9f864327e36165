package embed

import "database/sql"

// LedgerQueries are the ones that run often, with arguments.
func LedgerQueries() map[string][]any {
	now := sql.Named("now", 0)
	return map[string][]any{
		claim:             {now, sql.Named("until", 0), sql.Named("worker", "w"), sql.Named("tools", "[]"), sql.Named("masters", "[]")},
		countClaimable:    {now},
		selectUnassembled: {1},
		selectFailed:      {0, 1},
		selectStranded:    {now, sql.Named("before", 0)},
		"UPDATE task SET progress = 0 WHERE " + held: {"job", 1, 1},
		selectTask + " WHERE job = ? ORDER BY n":     {"job"},
	}
}
