package conformance

import "fmt"

func staleCases() []Case {
	// A response that has been stale for about a second when the next request comes.
	stale := func(more string) Answer { return ok("Cache-Control: max-age=1, "+more, `ETag: "a"`) }
	fresh := "Cache-Control: max-age=600"
	used := func(id, section string, level Level, directives string, want ...Check) Case {
		return Case{id, section, level, answers(stale(directives), ok(fresh)), steps(get(From(1)), get(want...).after(lapse))}
	}
	onError := func(id string, level Level, directives string, answer Answer, want ...Check) Case {
		return Case{id, "RFC 5861 4", level, answers(stale(directives), answer), steps(get(From(1)), get(want...).after(lapse))}
	}
	all := []Case{
		used("swr-used", "RFC 5861 3", Quality, "stale-while-revalidate=60", From(1)),
		used("swr-age", "RFC 5861 3", Quality, "stale-while-revalidate=60", From(1), Between("Age", 2, 20)),
		{"swr-over", "RFC 5861 3", Required, answers(stale("stale-while-revalidate=1"), ok(fresh)), steps(get(From(1)), get(From(2)).after(lapse+pause))},
		used("swr-zero", "RFC 5861 3", Required, "stale-while-revalidate=0", From(2)),
		used("swr-malformed", "RFC 5861 3", Required, "stale-while-revalidate=often", From(2)),
		used("swr-must-revalidate", "RFC 9111 5.2.2.2", Required, "must-revalidate, stale-while-revalidate=60", From(2)),
		used("swr-no-cache", "RFC 9111 5.2.2.4", Required, "no-cache, stale-while-revalidate=60", From(2)),
		used("sie-not-while-well", "RFC 5861 4", Required, "stale-if-error=60", From(2)),
		{"swr-validates", "RFC 5861 3", Quality, answers(stale("stale-while-revalidate=60"), ok(fresh)), steps(get(From(1)), get(From(1), Eventually(2)).after(lapse), get(From(2)).after(pause))},
		{"swr-validates-by-condition", "RFC 5861 3", Quality, answers(stale("stale-while-revalidate=60"), coded(304, fresh, `ETag: "a"`)),
			steps(get(From(1)), get(From(1), Eventually(2), Saw("If-None-Match", `"a"`)).after(lapse), get(From(1), Asked(2), Between("Age", 0, 9)).after(pause))},
		{"swr-once", "RFC 5861 3", Quality, answers(stale("stale-while-revalidate=60"), Answer{Header: []string{fresh}, Delay: pause / 5}),
			steps(get(From(1)), get(From(1)).by(4).after(lapse), get(Eventually(2), Asked(2)))},
		{"swr-with-max-age-zero", "RFC 9111 5.2.1.1", Quality, answers(stale("stale-while-revalidate=60"), ok(fresh)), steps(get(From(1)), get(From(2)).with("Cache-Control: max-age=0").after(lapse))},
		onError("sie-away", Quality, "stale-if-error=60", Answer{Fault: Refuse}, Status(200), From(1)),
		{"sie-over", "RFC 5861 4", Required, answers(stale("stale-if-error=1"), coded(503)), steps(get(From(1)), get(Failed()).after(lapse+pause))},
		onError("sie-not-404", Required, "stale-if-error=60", coded(404), Status(404)),
		onError("sie-must-revalidate", Required, "stale-if-error=60, must-revalidate", coded(503), Failed()),
		onError("sie-no-cache", Required, "stale-if-error=60, no-cache", coded(503), Failed()),
		onError("sie-malformed", Required, "stale-if-error=ever", coded(503), Failed()),
		onError("sie-age", Quality, "stale-if-error=60", coded(503), From(1), Between("Age", 2, 20)),
		{"sie-of-request", "RFC 5861 4", Quality, answers(ok("Cache-Control: max-age=1", `ETag: "a"`), coded(503)), steps(get(From(1)), get(From(1)).with("Cache-Control: stale-if-error=600").after(lapse))},
		{"sie-then-well", "RFC 5861 4", Required, answers(stale("stale-if-error=60"), coded(503), ok(fresh)), steps(get(From(1)), get().after(lapse), get(From(3)).after(pause))},
	}
	for _, status := range []int{500, 502, 503, 504} {
		all = append(all, onError(fmt.Sprintf("sie-%d", status), Quality, "stale-if-error=60", coded(status), Status(200), From(1)))
	}
	return all
}
