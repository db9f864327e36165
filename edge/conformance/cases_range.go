package conformance

// tenDigits is a body whose ranges are easy to read.
const tenDigits = "0123456789"

func digitsFor(header ...string) []Answer {
	return answers(Answer{Header: header, Body: tenDigits}, Answer{Header: header, Body: tenDigits, Ranges: true})
}

// ranged is a pair of cases about a Range on a stored response: what is sent must be right, and should be the range, without
// asking again.
func ranged(id, spec string, first, last int) []Case {
	header := "Range: bytes=" + spec
	return []Case{
		{id, "RFC 9110 14.2", Required, digitsFor("Cache-Control: max-age=600"), steps(get(From(1)), get(Partial(1, first, last)).with(header))},
		{id + "-served", "RFC 9110 15.3.7", Quality, digitsFor("Cache-Control: max-age=600"),
			steps(get(From(1)), get(Status(206), Part(1, first, last), Asked(1)).with(header))},
	}
}

func rangeCases() []Case {
	fresh := "Cache-Control: max-age=600"
	all := []Case{
		{"range-none-left", "RFC 9110 15.5.17", Required, digitsFor(fresh), steps(get(), get(Status(416, 200), From(1).On(200), Contains("Content-Range", "*/10").On(416)).with("Range: bytes=10-"))},
		{"range-none-left-416", "RFC 9110 15.5.17", Quality, digitsFor(fresh), steps(get(), get(Status(416), Has("Content-Range", "bytes */10"), Asked(1)).with("Range: bytes=10-12"))},
		{"range-suffix-of-nothing", "RFC 9110 14.1.2", Required, digitsFor(fresh), steps(get(), get(Status(416, 200), From(1).On(200)).with("Range: bytes=-0"))},
		{"range-backwards", "RFC 9110 14.1.1", Required, digitsFor(fresh), steps(get(), get(Status(200, 416), From(1).On(200)).with("Range: bytes=5-2"))},
		{"range-garbage", "RFC 9110 14.2", Required, digitsFor(fresh), steps(get(), get(Status(200, 416), From(1).On(200)).with("Range: bytes=one-two"))},
		{"range-unknown-unit", "RFC 9110 14.2", Required, digitsFor(fresh), steps(get(), get(Status(200), From(1)).with("Range: chapters=1-2"))},
		{"range-head", "RFC 9110 14.2", Required, digitsFor(fresh), steps(get(), do("HEAD", Status(200), Body("")).with("Range: bytes=0-1"))},
		{"range-not-of-404", "RFC 9110 14.2", Required, answers(Answer{Status: 404, Header: []string{fresh}, Body: tenDigits}), steps(get(Status(404)), get(Status(404), From(1)).with("Range: bytes=0-1"))},
		{"range-several", "RFC 9110 14.6", Quality, digitsFor(fresh), steps(get(), get(Status(206), Contains("Content-Type", "multipart/byteranges; boundary="), Lacks("Content-Range"),
			InBody("Content-Range: bytes 0-1/10\r\n"), InBody("Content-Range: bytes 8-9/10\r\n"), InBody("\r\n\r\n01\r\n--"), InBody("\r\n\r\n89\r\n--")).with("Range: bytes=0-1, -2"))},
		{"range-several-no-content-range", "RFC 9110 15.3.7.2", Required, digitsFor(fresh), steps(get(), get(Status(206, 200), From(1).On(200), Lacks("Content-Range").On(206), Contains("Content-Type", "multipart/byteranges").On(206)).with("Range: bytes=0-1,5-6"))},
		{"range-several-one-left", "RFC 9110 14.2", Required, digitsFor(fresh), steps(get(), get(Status(206, 200), From(1).On(200), InBody("45").On(206)).with("Range: bytes=4-5,70-80"))},
		{"range-miss", "RFC 9110 14.2", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits, Ranges: true}), steps(get(Partial(1, 2, 4)).with("Range: bytes=2-4"))},
		{"range-miss-ignored-by-origin", "RFC 9110 14.2", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits}), steps(get(Partial(1, 2, 4)).with("Range: bytes=2-4"))},
		{"range-miss-then-whole", "RFC 9111 3.3", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits, Ranges: true}), steps(get(Partial(1, 2, 4)).with("Range: bytes=2-4"), get(Status(200), Body(tenDigits)))},
		{"range-miss-then-other", "RFC 9111 3.3", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits, Ranges: true}), steps(get(Partial(1, 2, 4)).with("Range: bytes=2-4"), get(Partial(1, 6, 9)).with("Range: bytes=6-"))},
		{"range-miss-fills", "RFC 9111 3", Quality, answers(Answer{Header: []string{fresh}, Body: tenDigits, Ranges: true}), steps(get(Partial(1, 2, 4)).with("Range: bytes=2-4"), get(From(1), Asked(1)))},
		{"range-of-chunked", "RFC 9110 14.2", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits, Chunks: true}), steps(get(From(1)), get(Partial(1, 3, 5)).with("Range: bytes=3-5"))},
		{"range-of-large", "RFC 9110 14.2", Required, answers(Answer{Header: []string{fresh}, Size: 300_000}), steps(get(From(1)), get(Partial(1, 100_000, 199_999)).with("Range: bytes=100000-199999"))},
		{"if-range-tag", "RFC 9110 13.1.5", Quality, digitsFor(fresh, `ETag: "a"`), steps(get(), get(Status(206), Part(1, 0, 1), Asked(1)).with("Range: bytes=0-1", `If-Range: "a"`))},
		{"if-range-other-tag", "RFC 9110 13.1.5", Required, digitsFor(fresh, `ETag: "a"`), steps(get(), get(Status(200), From(1)).with("Range: bytes=0-1", `If-Range: "b"`))},
		{"if-range-weak-tag", "RFC 9110 13.1.5", Required, digitsFor(fresh, `ETag: W/"a"`), steps(get(), get(Status(200), From(1)).with("Range: bytes=0-1", `If-Range: W/"a"`))},
		{"if-range-date", "RFC 9110 13.1.5", Quality, digitsFor(fresh, "Last-Modified: {now-100000}"), steps(get(), get(Status(206), Part(1, 0, 1), Asked(1)).with("Range: bytes=0-1", "If-Range: {now-100000}"))},
		{"if-range-later-date", "RFC 9110 13.1.5", Required, digitsFor(fresh, "Last-Modified: {now-100000}"), steps(get(), get(Status(200), From(1)).with("Range: bytes=0-1", "If-Range: {now-90000}"))},
		{"if-range-earlier-date", "RFC 9110 13.1.5", Required, digitsFor(fresh, "Last-Modified: {now-100000}"), steps(get(), get(Status(200), From(1)).with("Range: bytes=0-1", "If-Range: {now-110000}"))},
		{"if-range-weak-date", "RFC 9110 8.8.2.2", Required, digitsFor(fresh, "Date: {now-2000}", "Cache-Control: max-age=60000", "Last-Modified: {now-2000}"),
			steps(get(), get(Status(200), From(1)).with("Range: bytes=0-1", "If-Range: {now-2000}"))},
		{"if-range-without-range", "RFC 9110 13.1.5", Required, digitsFor(fresh, `ETag: "a"`), steps(get(), get(Status(200), From(1)).with(`If-Range: "a"`))},
		{"if-range-after-none-match", "RFC 9110 13.2.2", Required, digitsFor(fresh, `ETag: "a"`), steps(get(), get(Partial(1, 0, 1)).with("Range: bytes=0-1", `If-Range: "a"`, `If-None-Match: "b"`))},
		{"none-match-before-range", "RFC 9110 13.2.2", Quality, digitsFor(fresh, `ETag: "a"`), steps(get(), get(Status(304)).with("Range: bytes=0-1", `If-None-Match: "a"`))},
		{"range-keeps-fields", "RFC 9110 15.3.7", Required, digitsFor("Cache-Control: max-age=600, public", `ETag: "a"`, "Vary: X-A", "Expires: {now+9000}", "Content-Location: /elsewhere"), steps(get(), get(Has("ETag", `"a"`).On(206),
			Contains("Cache-Control", "max-age=600").On(206), Contains("Vary", "X-A").On(206), Present("Expires").On(206), Present("Content-Location").On(206), Present("Date").On(206)).with("Range: bytes=0-1"))},
	}
	for _, pair := range [][]Case{ranged("range-first", "0-4", 0, 4), ranged("range-middle", "3-6", 3, 6), ranged("range-open", "5-", 5, 9), ranged("range-suffix", "-4", 6, 9),
		ranged("range-long-suffix", "-9999", 0, 9), ranged("range-long-end", "4-9999", 4, 9), ranged("range-one", "9-9", 9, 9)} {
		all = append(all, pair...)
	}
	return all
}
