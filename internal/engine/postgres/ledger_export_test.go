package postgres

// LedgerQueries are the ones that run often, with arguments.
func LedgerQueries() map[string][]any {
	return map[string][]any{
		claim:             {0, []string{}, []string{}, "w", 0},
		selectUnassembled: {1},
		selectFailed:      {0, 1},
		countClaimable:    {0},
		selectStranded:    {0, 0},
		"UPDATE task SET progress = 0 WHERE " + held: {"job", 1, 1},
		selectTask + " WHERE job = $1 ORDER BY n":    {"job"},
	}
}
