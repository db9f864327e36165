package conformance

func varyCases() []Case {
	fresh := "Cache-Control: max-age=600"
	// second is a stored response with Vary, then a request with other fields.
	second := func(id string, yes bool, vary string, first, then []string) Case {
		c := Case{id, "RFC 9111 4.1", Required, answers(ok(fresh, vary)), steps(get(From(1)).with(first...), get(From(2), Asked(2)).with(then...))}
		if yes {
			c.Level, c.Steps[1].Want = Quality, []Check{From(1), Asked(1)}
		}
		return c
	}
	return []Case{
		second("vary-same", true, "Vary: X-A", []string{"X-A: 1"}, []string{"X-A: 1"}),
		second("vary-other", false, "Vary: X-A", []string{"X-A: 1"}, []string{"X-A: 2"}),
		second("vary-missing", false, "Vary: X-A", []string{"X-A: 1"}, nil),
		second("vary-new", false, "Vary: X-A", nil, []string{"X-A: 1"}),
		second("vary-both-missing", true, "Vary: X-A", nil, nil),
		second("vary-unrelated", true, "Vary: X-A", []string{"X-A: 1", "X-B: 1"}, []string{"X-A: 1", "X-B: 2"}),
		second("vary-case", false, "vary: x-a", []string{"X-A: 1"}, []string{"X-A: 2"}),
		second("vary-list-second", false, "Vary: X-A, X-B", []string{"X-A: 1", "X-B: 1"}, []string{"X-A: 1", "X-B: 2"}),
		second("vary-list-same", true, "Vary: X-A, X-B", []string{"X-A: 1", "X-B: 1"}, []string{"X-B: 1", "X-A: 1"}),
		second("vary-value-case", false, "Vary: X-A", []string{"X-A: a"}, []string{"X-A: A"}),
		second("vary-white-space", true, "Vary: X-A", []string{"X-A: a,b"}, []string{"X-A: a , b"}),
		second("vary-lines", true, "Vary: X-A", []string{"X-A: a, b"}, []string{"X-A: a", "X-A: b"}),
		second("vary-order", false, "Vary: X-A", []string{"X-A: a, b"}, []string{"X-A: b, a"}),
		second("vary-coding-case", true, "Vary: Accept-Encoding", []string{"Accept-Encoding: gzip, br"}, []string{"Accept-Encoding: GZIP,BR"}),
		second("vary-all", false, "Vary: *", nil, nil),
		second("vary-all-in-list", false, "Vary: X-A, *", []string{"X-A: 1"}, []string{"X-A: 1"}),
		second("vary-cookie", false, "Vary: Cookie", []string{"Cookie: a=1"}, []string{"Cookie: a=2"}),
		{"vary-two-lines", "RFC 9111 4.1", Required, answers(ok(fresh, "Vary: X-A", "Vary: X-B")), steps(get(From(1)).with("X-A: 1", "X-B: 1"), get(From(2), Asked(2)).with("X-A: 1", "X-B: 2"))},
		{"vary-keeps-both", "RFC 9111 4.1", Quality, answers(ok(fresh, "Vary: X-A")), steps(get(From(1)).with("X-A: 1"), get(From(2)).with("X-A: 2"), get(From(1), Asked(2)).with("X-A: 1"), get(From(2), Asked(2)).with("X-A: 2"))},
		{"vary-not-mixed", "RFC 9111 4.1", Required, answers(ok(fresh, "Vary: X-A")), steps(get(From(1)).with("X-A: 1"), get(From(2)).with("X-A: 2"), get(From(3)).with("X-A: 3"), get(From(3)).with("X-A: 3"))},
		{"vary-changes", "RFC 9111 4.1", Required, answers(ok(fresh, "Vary: X-A"), ok(fresh, "Vary: X-B")),
			steps(get(From(1)).with("X-A: 1", "X-B: 1"), get(From(2)).with("X-A: 2", "X-B: 1"), get(From(3)).with("X-A: 3", "X-B: 2"))},
		{"vary-validates-others", "RFC 9111 4.3.1", Quality, answers(ok(fresh, "Vary: X-A", `ETag: "one"`), coded(304, fresh, "Vary: X-A", `ETag: "one"`)),
			steps(get(From(1)).with("X-A: 1"), get(Status(200), From(1), Saw("If-None-Match", `"one"`)).with("X-A: 2"), get(From(1), Asked(2)).with("X-A: 2"))},
		{"vary-prefers-varying", "RFC 9111 4.1", Quality, answers(ok(fresh, "Vary: X-A"), ok(fresh)), steps(get(From(1)).with("X-A: 1"), get(From(2)).with("X-A: 2"), get(From(1), Asked(2)).with("X-A: 1"))},
	}
}
