package conformance

// targeted is a response with CDN-Cache-Control, used again or not.
func targeted(id, section string, yes bool, header ...string) Case {
	return reused("cdn-"+id, "RFC 9213 "+section, yes, header...)
}

func targetedCases() []Case {
	fresh := "Cache-Control: max-age=600"
	swr := ok("CDN-Cache-Control: max-age=60, stale-while-revalidate=600", "Age: 90", `ETag: "a"`)
	return []Case{
		targeted("first", "2.2", true, "Cache-Control: max-age=0", "CDN-Cache-Control: max-age=600"),
		targeted("first-shorter", "2.2", false, fresh, "CDN-Cache-Control: max-age=0"),
		targeted("over-no-store", "2.2", true, "Cache-Control: no-store", "CDN-Cache-Control: max-age=600"),
		targeted("over-private", "2.2", true, "Cache-Control: private, max-age=0", "CDN-Cache-Control: max-age=600"),
		targeted("over-s-maxage", "2.2", false, "Cache-Control: s-maxage=600", "CDN-Cache-Control: max-age=0"),
		targeted("over-expires", "2.2", true, "Expires: 0", "CDN-Cache-Control: max-age=600"),
		targeted("no-expires", "2.2", false, "Expires: {now+900}", "CDN-Cache-Control: max-age=0"),
		targeted("no-store", "3.1", false, fresh, "CDN-Cache-Control: no-store"),
		targeted("private", "3.1", false, fresh, "CDN-Cache-Control: private, max-age=600"),
		targeted("no-cache", "3.1", false, fresh, "CDN-Cache-Control: no-cache, max-age=600"),
		targeted("malformed", "2.1", false, "Cache-Control: no-store", "CDN-Cache-Control: max-age=600, &&&"),
		targeted("malformed-then-fresh", "2.1", true, fresh, "CDN-Cache-Control: no-store, &&&"),
		targeted("empty", "2.1", false, "Cache-Control: no-store", "CDN-Cache-Control: "),
		targeted("upper-case-key", "2.1", false, "Cache-Control: no-store", "CDN-Cache-Control: Max-Age=600"),
		targeted("parameters", "2.1", true, "Cache-Control: no-store", "CDN-Cache-Control: max-age=600;why=1"),
		targeted("unknown-member", "2.1", true, "Cache-Control: no-store", `CDN-Cache-Control: max-age=600, other="x, no-store"`),
		optional(targeted("wrong-type", "2.1", false, "Cache-Control: no-store", `CDN-Cache-Control: max-age="600"`)),
		targeted("false", "2.1", true, "Cache-Control: no-store", "CDN-Cache-Control: max-age=600, no-store=?0"),
		targeted("lines", "2.1", false, fresh, "CDN-Cache-Control: max-age=600", "CDN-Cache-Control: no-store"),
		targeted("last-member", "2.1", false, fresh, "CDN-Cache-Control: max-age=600, max-age=0"),
		targeted("age", "2.1", false, "CDN-Cache-Control: max-age=600", "Age: 700"),
		targeted("other-target", "3.2", false, "Cache-Control: no-store", "Other-CDN-Cache-Control: max-age=600"),
		reusedFor("cdn-authorization", "RFC 9213 2.1", true, []string{"Authorization: Basic eDp5"}, "Cache-Control: no-store", "CDN-Cache-Control: max-age=600, public"),
		{"cdn-swr", "RFC 9213 2.1", Quality, answers(swr, ok()), steps(get(From(1)), get(From(1), Eventually(2)))},
		{"cdn-must-revalidate", "RFC 9213 2.1", Required, answers(ok("CDN-Cache-Control: max-age=1, must-revalidate", `ETag: "a"`), Answer{Fault: Refuse}), steps(get(From(1)), get(Failed()).after(lapse))},
		{"cdn-passed-on", "RFC 9213 2.2", Quality, answers(ok(fresh, "CDN-Cache-Control: max-age=600")), steps(get(Has("Cache-Control", "max-age=600"), Has("CDN-Cache-Control", "max-age=600")))},
	}
}
