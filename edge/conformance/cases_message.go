package conformance

func messageCases() []Case {
	fresh := "Cache-Control: max-age=600"
	return []Case{
		{"hop-of-request", "RFC 9110 7.6.1", Required, answers(ok()), steps(get(NotSaw("X-Hop", ""), Saw("X-End", "2")).with("Connection: X-Hop", "X-Hop: 1", "X-End: 2"))},
		{"hop-of-response", "RFC 9110 7.6.1", Required, answers(ok("Connection: X-Hop", "X-Hop: 1", "X-End: 2")), steps(get(Lacks("X-Hop"), Has("X-End", "2")))},
		{"hop-of-stored", "RFC 9111 3.1", Required, answers(ok(fresh, "Connection: X-Hop", "X-Hop: 1", "X-End: 2")), steps(get(), get(Lacks("X-Hop"), Has("X-End", "2")))},
		{"hop-keep-alive", "RFC 9110 7.6.1", Required, answers(ok(fresh, "Keep-Alive: timeout=77")), steps(get(Without("Keep-Alive", "77")), get(Without("Keep-Alive", "77")))},
		{"hop-te", "RFC 9110 10.1.4", Required, answers(ok()), steps(get(NotSaw("TE", "gzip")).with("Connection: TE", "TE: gzip"))},
		{"hop-proxy-connection", "RFC 9110 7.6.1", Quality, answers(ok()), steps(get(NotSaw("Proxy-Connection", "")).with("Proxy-Connection: keep-alive"))},
		{"hop-upgrade", "RFC 9110 7.8", Required, answers(ok()), steps(get(Status(200), NotSaw("Upgrade", "")).with("Connection: Upgrade", "Upgrade: example/1"))},
		{"via-request", "RFC 9110 7.6.3", Required, answers(ok()), steps(get(Saw("Via", "1.1 ")))},
		{"via-appended", "RFC 9110 7.6.3", Required, answers(ok()), steps(get(Saw("Via", "1.0 fred, 1.1 ")).with("Via: 1.0 fred"))},
		{"via-response", "RFC 9110 7.6.3", Quality, answers(ok(fresh)), steps(get(Contains("Via", "1.1 ")), get(Contains("Via", "1.1 ")))},
		{"unknown-fields", "RFC 9110 5.1", Required, answers(ok(fresh, "X-Unknown: one")), steps(get(Saw("X-Strange", "two"), Has("X-Unknown", "one")).with("X-Strange: two"), get(Has("X-Unknown", "one")))},
		{"field-order", "RFC 9110 5.3", Required, answers(ok(fresh, "X-List: a", "X-List: b", "X-List: c")), steps(get(Has("X-List", "a, b, c"), Saw("X-Mine", "1, 2, 3")).with("X-Mine: 1", "X-Mine: 2", "X-Mine: 3"), get(Has("X-List", "a, b, c")))},
		{"target-unchanged", "RFC 9110 7.7", Required, answers(ok(fresh)), steps(get(SawTarget("/a%2Fb/%7Ec/d?x=%20&y&&z=")).at("a%2Fb/%7Ec/d?x=%20&y&&z="))},
		{"content-encoding-kept", "RFC 9110 8.4", Required, answers(ok(fresh, "Content-Encoding: x-own")), steps(get(Has("Content-Encoding", "x-own"), From(1)), get(Has("Content-Encoding", "x-own"), From(1).On(200)))},
		{"no-transform", "RFC 9110 7.7", Required, answers(Answer{Header: []string{"Cache-Control: max-age=600, no-transform", "Content-Type: text/html"}, Size: 5000}),
			steps(get(From(1), Lacks("Content-Encoding")).with("Accept-Encoding: gzip"), get(From(1), Lacks("Content-Encoding")).with("Accept-Encoding: gzip"))},
		{"date-added", "RFC 9110 6.6.1", Required, answers(ok(fresh, "Date:")), steps(get(Present("Date")), get(Present("Date")))},
		{"date-kept", "RFC 9110 6.6.1", Quality, answers(ok("Cache-Control: max-age=90000", "Date: {now-2000}")), steps(get(Has("Date", "{now-2000}")), get(Has("Date", "{now-2000}").On(200)))},
		{"last-modified-kept", "RFC 9110 8.8.2", Required, answers(ok(fresh, "Last-Modified: {now-100000}")), steps(get(Has("Last-Modified", "{now-100000}")), get(Has("Last-Modified", "{now-100000}")))},
		{"length-of-204", "RFC 9110 8.6", Required, answers(coded(204, fresh)), steps(get(Status(204), Lacks("Content-Length"), Body("")), get(Status(204), Lacks("Content-Length"), Body("")))},
		{"empty-body", "RFC 9110 8.6", Required, answers(Answer{Header: []string{fresh}, Body: " ", Size: 1}), steps(get(Whole(), Body(" ")), get(Whole(), Body(" ")))},
		{"chunked-body", "RFC 9110 6.4.1", Required, answers(Answer{Header: []string{fresh}, Size: 100_000, Chunks: true}), steps(get(Whole(), From(1)), get(Whole(), Status(200), InBody("chunked-body")))},
		{"old-protocol", "RFC 9110 2.5", Required, answers(Answer{Size: 60_000, Chunks: true}), steps(Step{Proto: "HTTP/1.0", Want: []Check{Status(200), From(1), Lacks("Transfer-Encoding")}})},
		{"cut-length", "RFC 9110 6.1", Required, answers(Answer{Header: []string{fresh}, Size: 100_000, Fault: Cut}), steps(get(NotWhole()))},
		{"cut-chunks", "RFC 9110 6.1", Required, answers(Answer{Header: []string{fresh}, Size: 100_000, Chunks: true, Fault: Cut}), steps(get(NotWhole()))},
		{"cut-short", "RFC 9110 6.1", Required, answers(Answer{Header: []string{fresh}, Body: tenDigits, Fault: Cut}), steps(get(NotWhole()))},
		{"cut-not-stored", "RFC 9111 3.3", Required, answers(Answer{Header: []string{fresh}, Size: 100_000, Fault: Cut}, ok(fresh)), steps(get(NotWhole()), get(Status(200), From(2)).after(pause))},
		{"cut-chunks-not-stored", "RFC 9111 3.3", Required, answers(Answer{Header: []string{fresh}, Size: 100_000, Chunks: true, Fault: Cut}, ok(fresh)), steps(get(NotWhole()), get(Status(200), From(2)).after(pause))},
		{"origin-away", "RFC 9110 15.6.3", Required, answers(Answer{Fault: Refuse}), steps(get(Failed()))},
		{"origin-back", "RFC 9110 15.6.3", Quality, answers(Answer{Fault: Refuse}, Answer{Fault: Refuse}, ok()), steps(get(), get(), get(Status(200)).after(pause))},
		{"error-passed", "RFC 9110 15.6.1", Required, answers(coded(500, "X-Why: 1")), steps(get(Status(500), From(1), Has("X-Why", "1")))},
		{"unknown-status", "RFC 9110 15", Required, answers(coded(299)), steps(get(Status(299), From(1)))},
	}
}
