package conformance

import "fmt"

func invalidationCases() []Case {
	fresh := "Cache-Control: max-age=600"
	var all []Case
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "FROBNICATE"} {
		all = append(all, Case{"invalidate-" + method, "RFC 9111 4.4", Required, answers(ok(fresh)),
			steps(get(From(1)), do(method, From(2)).sending("x"), get(From(3), Asked(3)))})
	}
	for _, status := range []int{201, 204, 303} {
		all = append(all, Case{fmt.Sprintf("invalidate-%d", status), "RFC 9111 4.4", Required, answers(ok(fresh), coded(status, "Location: /elsewhere"), ok(fresh)),
			steps(get(From(1)), do("POST", Status(status)).sending("x"), get(From(3), Asked(3)))})
	}
	for _, status := range []int{400, 500} {
		all = append(all, Case{fmt.Sprintf("no-invalidation-%d", status), "RFC 9111 4.4", Quality, answers(ok(fresh), coded(status)),
			steps(get(From(1)), do("POST", Status(status)).sending("x"), get(From(1), Asked(2)))})
	}
	return append(all, []Case{
		{"invalidate-variants", "RFC 9111 4.4", Required, answers(ok(fresh, "Vary: X-A")), steps(get(From(1)).with("X-A: 1"), get(From(2)).with("X-A: 2"), do("PUT", From(3)).sending("x").with("X-A: 1"), get(From(4)).with("X-A: 2"), get(From(5)).with("X-A: 1"))},
		{"invalidate-query", "RFC 9111 4.4", Required, answers(ok(fresh)), steps(get(From(1)).at("a?b=1"), do("POST", From(2)).at("a?b=1").sending("x"), get(From(3)).at("a?b=1"))},
		{"invalidate-location", "RFC 9111 4.4", Quality, answers(ok(fresh), ok("Location: b"), ok(fresh)), steps(get(From(1)).at("b"), do("POST", From(2)).at("a").sending("x"), get(From(3)).at("b"))},
		{"invalidate-content-location", "RFC 9111 4.4", Quality, answers(ok(fresh), ok("Content-Location: b"), ok(fresh)), steps(get(From(1)).at("b"), do("POST", From(2)).at("a").sending("x"), get(From(3)).at("b"))},
		{"no-invalidation-elsewhere", "RFC 9111 4.4", Required, answers(ok(fresh), ok("Location: http://other.test/b"), ok(fresh)), steps(get(From(1)).at("b"), do("POST", From(2)).at("a").sending("x"), get(Status(200), AskedAbout(2, 3)).at("b"))},
		{"no-invalidation-neighbour", "RFC 9111 4.4", Quality, answers(ok(fresh)), steps(get(From(1)).at("b"), do("POST", From(2)).at("a").sending("x"), get(From(1), Asked(2)).at("b"))},
		{"no-invalidation-by-options", "RFC 9111 4.4", Quality, answers(ok(fresh)), steps(get(From(1)), do("OPTIONS"), get(From(1), Asked(2)))},
		{"no-invalidation-when-away", "RFC 9111 4.4", Quality, answers(ok(fresh), Answer{Fault: Refuse}), steps(get(From(1)), do("POST", Status(502, 504)).sending("x"), get(From(1)))},
	}...)
}
