package conformance

func reuseCases() []Case {
	fresh := "Cache-Control: max-age=600"
	stale := func(more string) Answer { return ok("Cache-Control: max-age=1"+more, `ETag: "a"`) }
	away := func(id, section string, header ...string) Case {
		return Case{id, section, Required, answers(ok(header...), Answer{Fault: Refuse}), steps(get(From(1)), get(Failed()).after(lapse))}
	}
	return []Case{
		{"stale-not-used", "RFC 9111 4.2.4", Required, answers(stale(""), ok()), steps(get(From(1)), get(From(2), Asked(2)).after(lapse))},
		{"stale-while-away", "RFC 9111 4.2.4", Quality, answers(stale(""), Answer{Fault: Refuse}), steps(get(From(1)), get(Status(200), From(1), Between("Age", 2, 20)).after(lapse))},
		{"no-warning", "RFC 9111 5.5", Quality, answers(stale(""), Answer{Fault: Refuse}), steps(get(From(1)), get(Status(200), From(1), Lacks("Warning")).after(lapse))},
		away("must-revalidate-away", "RFC 9111 5.2.2.2", "Cache-Control: max-age=1, must-revalidate", `ETag: "a"`),
		away("proxy-revalidate-away", "RFC 9111 5.2.2.8", "Cache-Control: max-age=1, proxy-revalidate", `ETag: "a"`),
		away("s-maxage-away", "RFC 9111 5.2.2.10", "Cache-Control: s-maxage=1", `ETag: "a"`),
		away("no-cache-away", "RFC 9111 5.2.2.4", "Cache-Control: no-cache", `ETag: "a"`),
		{"must-revalidate-504", "RFC 9111 5.2.2.2", Quality, answers(stale(", must-revalidate"), Answer{Fault: Refuse}), steps(get(From(1)), get(Status(504)).after(lapse))},
		{"must-revalidate-fresh", "RFC 9111 5.2.2.2", Quality, answers(ok("Cache-Control: max-age=600, must-revalidate")), steps(get(From(1)), get(From(1), Asked(1)))},
		{"request-no-cache", "RFC 9111 5.2.1.4", Quality, answers(ok(fresh)), steps(get(From(1)), get(From(2)).with("Cache-Control: no-cache"))},
		{"request-no-cache-replaces", "RFC 9111 4", Quality, answers(ok(fresh)), steps(get(From(1)), get(From(2)).with("Cache-Control: no-cache"), get(From(2), Asked(2)))},
		{"request-max-age-zero", "RFC 9111 5.2.1.1", Quality, answers(ok(fresh, "Age: 5")), steps(get(From(1)), get(From(2)).with("Cache-Control: max-age=0"))},
		{"request-max-age-less", "RFC 9111 5.2.1.1", Quality, answers(ok(fresh, "Age: 50")), steps(get(From(1)), get(From(2)).with("Cache-Control: max-age=20"))},
		{"request-max-age-more", "RFC 9111 5.2.1.1", Quality, answers(ok(fresh, "Age: 50")), steps(get(From(1)), get(From(1), Asked(1)).with("Cache-Control: max-age=200"))},
		{"request-max-age-is-no-permission", "RFC 9111 5.2.1.1", Required, answers(stale(""), ok()), steps(get(From(1)), get(From(2)).with("Cache-Control: max-age=1000").after(lapse))},
		{"request-min-fresh-more", "RFC 9111 5.2.1.3", Quality, answers(ok(fresh)), steps(get(From(1)), get(From(2)).with("Cache-Control: min-fresh=1000"))},
		{"request-min-fresh-less", "RFC 9111 5.2.1.3", Quality, answers(ok(fresh)), steps(get(From(1)), get(From(1), Asked(1)).with("Cache-Control: min-fresh=100"))},
		{"request-max-stale", "RFC 9111 5.2.1.2", Quality, answers(stale(""), ok()), steps(get(From(1)), get(From(1), Asked(1)).with("Cache-Control: max-stale=1000").after(lapse))},
		{"request-max-stale-any", "RFC 9111 5.2.1.2", Quality, answers(stale(""), ok()), steps(get(From(1)), get(From(1), Asked(1)).with("Cache-Control: max-stale").after(lapse))},
		{"request-max-stale-exceeded", "RFC 9111 5.2.1.2", Required, answers(stale(""), ok()), steps(get(From(1)), get(From(2)).with("Cache-Control: max-stale=0").after(lapse))},
		{"request-max-stale-forbidden", "RFC 9111 4.2.4", Required, answers(stale(", must-revalidate"), ok()), steps(get(From(1)), get(From(2)).with("Cache-Control: max-stale=1000").after(lapse))},
		{"request-max-stale-no-cache", "RFC 9111 4.2.4", Required, answers(ok("Cache-Control: no-cache", `ETag: "a"`), ok()), steps(get(From(1)), get(From(2)).with("Cache-Control: max-stale=1000"))},
		{"request-max-stale-s-maxage", "RFC 9111 5.2.2.10", Required, answers(ok("Cache-Control: s-maxage=1", `ETag: "a"`), ok()), steps(get(From(1)), get(From(2)).with("Cache-Control: max-stale=1000").after(lapse))},
		{"only-if-cached-miss", "RFC 9111 5.2.1.7", Quality, answers(ok(fresh)), steps(get(Status(504), Asked(0)).with("Cache-Control: only-if-cached"))},
		{"only-if-cached-hit", "RFC 9111 5.2.1.7", Quality, answers(ok(fresh)), steps(get(From(1)), get(Status(200), From(1), Asked(1)).with("Cache-Control: only-if-cached"))},
	}
}
