package conformance

func methodCases() []Case {
	fresh := "Cache-Control: max-age=600"
	through := func(method string, level Level) Case {
		return Case{"pass-" + method, "RFC 9110 9.1", level, answers(ok()), steps(do(method, Status(200), From(1), SawMethod(method), SawBody("the body")).sending("the body"))}
	}
	return []Case{
		through("POST", Required), through("PUT", Required), through("PATCH", Required), through("DELETE", Required), through("REPORT", Quality),
		{"pass-twice", "RFC 9111 4", Required, answers(ok(fresh)), steps(do("POST", From(1)).sending("a"), do("POST", From(2), Asked(2)).sending("a"))},
		{"put-not-for-get", "RFC 9111 4", Required, answers(ok(fresh)), steps(do("PUT", From(1)).sending("a"), get(From(2), Asked(2)))},
		{"post-not-for-get", "RFC 9110 9.3.3", Required, answers(ok(fresh)), steps(do("POST", From(1)).sending("a"), get(From(2), Asked(2)))},
		{"get-not-for-post", "RFC 9111 4", Required, answers(ok(fresh)), steps(get(From(1)), do("POST", From(2), Asked(2)).sending("a"))},
		{"options-passed", "RFC 9110 9.3.7", Required, answers(coded(204, "Allow: GET, HEAD")), steps(do("OPTIONS", Status(204), Has("Allow", "GET, HEAD"), SawMethod("OPTIONS")))},
		{"options-not-stored", "RFC 9110 9.3.7", Required, answers(ok(fresh)), steps(do("OPTIONS", Asked(1)), do("OPTIONS", Asked(2)), get(From(3)))},
		{"options-last-hop", "RFC 9110 7.6.2", Required, answers(ok()), steps(do("OPTIONS", Asked(0)).with("Max-Forwards: 0"))},
		{"options-counts-down", "RFC 9110 7.6.2", Required, answers(ok()), steps(do("OPTIONS", Asked(1), Saw("Max-Forwards", "2"), NotSaw("Max-Forwards", "3")).with("Max-Forwards: 3"))},
		{"trace-last-hop", "RFC 9110 7.6.2", Required, answers(ok()), steps(do("TRACE", Asked(0)).with("Max-Forwards: 0"))},
		{"trace-without-secrets", "RFC 9110 9.3.8", Required, answers(ok()), steps(do("TRACE", Asked(0)).with("Max-Forwards: 0", "Cookie: secret=1"))},
		{"get-ignores-max-forwards", "RFC 9110 7.6.2", Quality, answers(ok()), steps(get(Status(200), Asked(1)).with("Max-Forwards: 0"))},
		{"405-with-allow", "RFC 9110 15.5.6", Required, answers(coded(405, "Allow: GET, HEAD")), steps(do("DELETE", Status(405), Has("Allow", "GET, HEAD")))},
		{"head-from-get", "RFC 9111 4", Quality, answers(ok(fresh)), steps(get(), do("HEAD", Status(200), Body(""), Asked(1)))},
		{"head-length", "RFC 9110 9.3.2", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits}), steps(get(), do("HEAD", Status(200), Body(""), Has("Content-Length", "10")))},
		{"head-fields", "RFC 9110 9.3.2", Required, answers(ok(fresh, "Content-Type: video/mp2t", `ETag: "a"`)), steps(get(), do("HEAD", Has("Content-Type", "video/mp2t"), Has("ETag", `"a"`)))},
		{"head-miss", "RFC 9110 9.3.2", Required, answers(ok(fresh)), steps(do("HEAD", Status(200), Body("")))},
		{"head-then-get", "RFC 9111 4", Required, answers(ok(fresh)), steps(do("HEAD", Status(200), Body("")), get(Status(200), AskedAbout(1, 2), InBody("#")))},
		{"head-none-match", "RFC 9110 13.1.2", Quality, answers(ok(fresh, `ETag: "a"`)), steps(get(), do("HEAD", Status(304), Asked(1)).with(`If-None-Match: "a"`))},
		{"head-no-store", "RFC 9111 5.2.2.5", Required, answers(ok("Cache-Control: no-store")), steps(do("HEAD"), do("HEAD", Asked(2)))},
		{"expect-continue", "RFC 9110 10.1.1", Required, answers(ok()), steps(do("POST", Status(200), From(1), SawBody("later")).with("Expect: 100-continue").sending("later"))},
		{"expect-large", "RFC 9110 10.1.1", Required, answers(ok()), steps(do("PUT", Status(200), SawBody(long)).with("Expect: 100-continue").sending(long))},
		{"large-body", "RFC 9110 8.6", Required, answers(ok()), steps(do("POST", Status(200), SawBody(long)).sending(long))},
		{"get-with-body", "RFC 9110 9.3.1", Required, answers(ok(fresh)), steps(get(From(1)), get(Status(200)).sending("a"), get(Status(200)))},
	}
}

// long is a request's body of more than any buffer for headers.
var long = (&Case{ID: "long", Answers: []Answer{{Size: 200_000}}}).bodyOf(1)
