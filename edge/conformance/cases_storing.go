package conformance

import "time"

// pause is longer than a cache may remember that the origin failed.
const pause = 1500 * time.Millisecond

// lapse is longer than a lifetime of a second: caches that do not add Age up are shown stale responses by waiting.
const lapse = 2200 * time.Millisecond

// reused is a case of one answer that must, or must not, be used for a second request.
func reused(id, section string, yes bool, header ...string) Case {
	return reusedFor(id, section, yes, nil, header...)
}

// reusedFor is reused with request fields. That something may be used again is no duty, so that is quality.
func reusedFor(id, section string, yes bool, request []string, header ...string) Case {
	level, want := Required, []Check{Status(200), From(2), Asked(2)}
	if yes {
		level, want = Quality, []Check{Status(200), From(1), Asked(1)}
	}
	return Case{id, section, level, answers(ok(header...)), steps(get(From(1)).with(request...), get(want...).with(request...))}
}

// optional makes a case one of quality: the text encourages, or says SHOULD.
func optional(c Case) Case {
	c.Level = Quality
	return c
}

// storedStatus is a case of a status.
func storedStatus(id, section string, status int, yes bool, header ...string) Case {
	c := reused(id, section, yes, header...)
	c.Answers = answers(coded(status, header...))
	want := []Check{Status(status), Asked(2)}
	if yes {
		want = []Check{Status(status), Asked(1)}
	}
	c.Steps = steps(get(Status(status)), get(want...))
	return c
}

func storingCases() []Case {
	key := []string{"Authorization: Basic eDp5"}
	return []Case{
		reused("store-max-age", "RFC 9111 3", true, "Cache-Control: max-age=600"),
		reused("store-s-maxage", "RFC 9111 3", true, "Cache-Control: s-maxage=600"),
		reused("store-expires", "RFC 9111 3", true, "Expires: {now+900}"),
		reused("store-heuristic", "RFC 9111 4.2.2", true, "Last-Modified: {now-2000000}"),
		reused("store-public-heuristic", "RFC 9111 4.2.2", true, "Cache-Control: public", "Last-Modified: {now-2000000}"),
		reused("no-store", "RFC 9111 5.2.2.5", false, "Cache-Control: no-store"),
		reused("no-store-over-max-age", "RFC 9111 5.2.2.5", false, "Cache-Control: max-age=600, no-store"),
		reused("no-store-case", "RFC 9111 5.2", false, "Cache-Control: max-age=600, No-StoRe"),
		reused("no-store-second-line", "RFC 9111 5.2", false, "Cache-Control: max-age=600", "Cache-Control: no-store"),
		reused("no-store-after-quotes", "RFC 9111 5.2", false, `Cache-Control: max-age=600, ext="a, b", no-store`),
		reused("no-store-in-quotes", "RFC 9111 5.2", true, `Cache-Control: max-age=600, ext="no-store"`),
		reused("unknown-directive", "RFC 9111 5.2.3", true, "Cache-Control: max-age=600, something, other=1"),
		reused("private", "RFC 9111 5.2.2.7", false, "Cache-Control: private, max-age=600"),
		reused("private-over-public", "RFC 9111 5.2.2.7", false, "Cache-Control: public, private, max-age=600"),
		reused("no-cache", "RFC 9111 5.2.2.4", false, "Cache-Control: no-cache, max-age=600"),
		{"private-field", "RFC 9111 5.2.2.7", Required, answers(ok(`Cache-Control: max-age=600, private="X-Secret"`, "X-Secret: one"), ok()),
			steps(get(Has("X-Secret", "one")), get(Lacks("X-Secret")))},
		{"no-cache-field", "RFC 9111 5.2.2.4", Required, answers(ok(`Cache-Control: max-age=600, no-cache="X-Secret, X-Other"`, "X-Secret: one", "X-Other: two"), ok()),
			steps(get(Has("X-Secret", "one")), get(Lacks("X-Secret"), Lacks("X-Other")))},
		reusedFor("authorization", "RFC 9111 3.5", false, key, "Cache-Control: max-age=600"),
		reusedFor("authorization-expires", "RFC 9111 3.5", false, key, "Expires: {now+900}"),
		reusedFor("authorization-public", "RFC 9111 3.5", true, key, "Cache-Control: max-age=600, public"),
		reusedFor("authorization-s-maxage", "RFC 9111 3.5", true, key, "Cache-Control: s-maxage=600"),
		reusedFor("authorization-must-revalidate", "RFC 9111 3.5", true, key, "Cache-Control: max-age=600, must-revalidate"),
		{"authorization-not-for-others", "RFC 9111 3.5", Required, answers(ok("Cache-Control: max-age=600")), steps(get(From(1)).with(key...), get(From(2), Asked(2)))},
		reusedFor("request-no-store", "RFC 9111 5.2.1.5", false, []string{"Cache-Control: no-store"}, "Cache-Control: max-age=600"),
		storedStatus("store-404", "RFC 9111 3", 404, true, "Cache-Control: max-age=600"),
		storedStatus("store-410", "RFC 9111 3", 410, true, "Cache-Control: max-age=600"),
		storedStatus("store-301", "RFC 9111 3", 301, true, "Cache-Control: max-age=600", "Location: /x"),
		storedStatus("store-302", "RFC 9111 3", 302, true, "Cache-Control: max-age=600", "Location: /x"),
		storedStatus("store-308", "RFC 9111 3", 308, true, "Cache-Control: max-age=600", "Location: /x"),
		storedStatus("store-204", "RFC 9111 3", 204, true, "Cache-Control: max-age=600"),
		storedStatus("store-400", "RFC 9111 3", 400, true, "Cache-Control: max-age=600"),
		storedStatus("store-503", "RFC 9111 3", 503, true, "Cache-Control: max-age=600"),
		storedStatus("302-no-heuristic", "RFC 9111 4.2.2", 302, false, "Last-Modified: {now-2000000}", "Location: /x"),
		storedStatus("500-no-heuristic", "RFC 9111 4.2.2", 500, false, "Last-Modified: {now-2000000}"),
		storedStatus("403-no-heuristic", "RFC 9111 4.2.2", 403, false, "Last-Modified: {now-2000000}"),
		storedStatus("must-understand-unknown", "RFC 9111 5.2.2.3", 299, false, "Cache-Control: max-age=600, must-understand"),
		reused("must-understand-no-store", "RFC 9111 5.2.2.3", true, "Cache-Control: max-age=600, must-understand, no-store"),
		{"206-not-for-whole", "RFC 9111 3.3", Required, answers(coded(206, "Cache-Control: max-age=600", "Content-Range: bytes 0-9/100"), ok()), steps(get(), get(Status(200), From(2)))},
		{"set-cookie-not-shared", "RFC 9111 7.3", Quality, answers(ok("Cache-Control: max-age=600", "Set-Cookie: session=1"), ok("Cache-Control: max-age=600", "Set-Cookie: session=2")),
			steps(get(Contains("Set-Cookie", "session=1")), get(Without("Set-Cookie", "session=1")))},
		{"key-query", "RFC 9111 2", Required, answers(ok("Cache-Control: max-age=600")), steps(get(From(1)).at("a?x=1"), get(From(2)).at("a?x=2"), get(From(3)).at("a"))},
		{"key-path-case", "RFC 9111 2", Required, answers(ok("Cache-Control: max-age=600")), steps(get(From(1)).at("a"), get(From(2)).at("A"))},
		{"key-escaped-slash", "RFC 9111 2", Required, answers(ok("Cache-Control: max-age=600")), steps(get(From(1)).at("a/b"), get(From(2)).at("a%2Fb"))},
		{"key-host", "RFC 9111 2", Required, answers(ok("Cache-Control: max-age=600")), steps(get(From(1)).with("Host: one.test"), get(From(2), Saw("Host", "two.test")).with("Host: two.test"))},
		{"collapse", "RFC 9111 4", Quality, answers(Answer{Header: []string{"Cache-Control: max-age=600"}, Delay: 200 * time.Millisecond}), steps(get(Status(200), From(1), Asked(1)).by(5))},
		{"collapse-large", "RFC 9111 4", Quality, answers(Answer{Header: []string{"Cache-Control: max-age=600"}, Size: 500_000, Delay: 200 * time.Millisecond}), steps(get(Status(200), From(1), Asked(1)).by(5))},
		{"collapse-not-private", "RFC 9111 4", Required, answers(Answer{Header: []string{"Cache-Control: private"}, Delay: 100 * time.Millisecond}), steps(get(Status(200), Asked(4)).by(4))},
		{"collapse-not-no-store", "RFC 9111 4", Required, answers(Answer{Header: []string{"Cache-Control: no-store"}, Delay: 100 * time.Millisecond}), steps(get(Status(200), Asked(4)).by(4))},
		{"collapse-not-no-cache", "RFC 9111 4", Required, answers(Answer{Header: []string{"Cache-Control: no-cache", `ETag: "a"`}, Delay: 100 * time.Millisecond}), steps(get(Status(200), Asked(4)).by(4))},
	}
}
