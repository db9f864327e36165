package conformance

func conditionCases() []Case {
	tagged := answers(ok("Cache-Control: max-age=600", `ETag: "a"`), ok("Cache-Control: max-age=600", `ETag: "a"`))
	weak := answers(ok("Cache-Control: max-age=600", `ETag: W/"a"`))
	dated := answers(ok("Cache-Control: max-age=600", "Last-Modified: {now-100000}"))
	both := answers(ok("Cache-Control: max-age=600", `ETag: "a"`, "Last-Modified: {now-100000}"))
	// hit is a stored response, then a request with conditions that the cache answers.
	hit := func(id, section string, level Level, a []Answer, status int, header ...string) Case {
		want := []Check{Status(status), Asked(1), Body("").On(304), From(1).On(200)}
		if level == Required { // it may ask again, if what it sends is right
			want = []Check{Status(status), Body("").On(304)}
		}
		return Case{id, section, level, a, steps(get(Status(200), From(1)), get(want...).with(header...))}
	}
	return []Case{
		hit("none-match", "RFC 9110 13.1.2", Quality, tagged, 304, `If-None-Match: "a"`),
		hit("none-match-other", "RFC 9110 13.1.2", Required, tagged, 200, `If-None-Match: "b"`),
		hit("none-match-weak", "RFC 9110 8.8.3.2", Quality, tagged, 304, `If-None-Match: W/"a"`),
		hit("none-match-of-weak", "RFC 9110 8.8.3.2", Quality, weak, 304, `If-None-Match: "a"`),
		hit("none-match-list", "RFC 9110 13.1.2", Quality, tagged, 304, `If-None-Match: "x", W/"y" ,, "a"`),
		hit("none-match-lines", "RFC 9110 5.3", Quality, tagged, 304, `If-None-Match: "x"`, `If-None-Match: "a"`),
		hit("none-match-any", "RFC 9110 13.1.2", Quality, tagged, 304, "If-None-Match: *"),
		hit("none-match-comma-in-tag", "RFC 9110 8.8.3", Required, tagged, 200, `If-None-Match: "x,a", "y"`),
		hit("none-match-over-since", "RFC 9110 13.1.3", Required, both, 200, `If-None-Match: "b"`, "If-Modified-Since: {now-1000}"),
		hit("none-match-over-old-since", "RFC 9110 13.2.2", Quality, both, 304, `If-None-Match: "a"`, "If-Modified-Since: {now-200000}"),
		hit("since-same", "RFC 9110 13.1.3", Quality, dated, 304, "If-Modified-Since: {now-100000}"),
		hit("since-later", "RFC 9110 13.1.3", Quality, dated, 304, "If-Modified-Since: {now-50000}"),
		hit("since-earlier", "RFC 9110 13.1.3", Required, dated, 200, "If-Modified-Since: {now-100001}"),
		hit("since-malformed", "RFC 9110 13.1.3", Required, dated, 200, "If-Modified-Since: yesterday"),
		hit("since-rfc850", "RFC 9110 5.6.7", Quality, dated, 304, "If-Modified-Since: {now-100000:rfc850}"),
		hit("since-asctime", "RFC 9110 5.6.7", Quality, dated, 304, "If-Modified-Since: {now-100000:asctime}"),
		hit("since-by-date", "RFC 9111 4.3.2", Quality, answers(ok("Cache-Control: max-age=9000", "Date: {now-2000}")), 304, "If-Modified-Since: {now-2000}"),
		{"304-fields", "RFC 9110 15.4.5", Required, answers(ok("Cache-Control: max-age=600, public", `ETag: "a"`, "Vary: X-A", "Expires: {now+9000}", "Content-Location: /elsewhere")),
			steps(get(), get(Contains("Cache-Control", "max-age=600").On(304), Has("ETag", `"a"`).On(304), Contains("Vary", "X-A").On(304), Present("Expires").On(304), Present("Content-Location").On(304),
				Present("Date").On(304), Body("").On(304)).with(`If-None-Match: "a"`))},
		{"none-match-of-404", "RFC 9110 13.2.1", Required, answers(coded(404, "Cache-Control: max-age=600", `ETag: "a"`)), steps(get(Status(404)), get(Status(404)).with(`If-None-Match: "a"`))},
		{"since-of-404", "RFC 9110 13.2.1", Required, answers(coded(404, "Cache-Control: max-age=600", "Last-Modified: {now-100000}")), steps(get(Status(404)), get(Status(404)).with("If-Modified-Since: {now-50000}"))},
		{"match-is-the-origins", "RFC 9111 4.3.2", Required, answers(ok("Cache-Control: max-age=600", `ETag: "a"`), coded(412)),
			steps(get(), get(Status(200, 412), Asked(2).On(412)).with(`If-Match: "b"`))},
		{"unmodified-is-the-origins", "RFC 9111 4.3.2", Required, answers(ok("Cache-Control: max-age=600", "Last-Modified: {now-100000}"), coded(412)),
			steps(get(), get(Status(200, 412), Asked(2).On(412)).with("If-Unmodified-Since: {now-200000}"))},
		{"match-of-put", "RFC 9111 4.3.2", Required, answers(ok("Cache-Control: max-age=600", `ETag: "a"`), coded(412)),
			steps(get(), do("PUT", Status(412), Asked(2), Saw("If-Match", `"b"`)).with(`If-Match: "b"`).sending("x"))},
		{"none-match-of-put", "RFC 9111 4.3.2", Required, answers(ok("Cache-Control: max-age=600", `ETag: "a"`), coded(412)),
			steps(get(), do("PUT", Status(412), Asked(2), Saw("If-None-Match", `*`)).with(`If-None-Match: *`).sending("x"))},
		{"none-match-nothing-stored", "RFC 9111 4.3.2", Required, answers(coded(304, `ETag: "a"`, "Cache-Control: max-age=600")),
			steps(get(Status(304, 200), From(1).On(200)).with(`If-None-Match: "a"`), get(Status(200)))},
	}
}
