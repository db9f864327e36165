package conformance

func validationCases() []Case {
	fresh := "Cache-Control: max-age=600"
	tag := ok("Cache-Control: max-age=1", `ETag: "a"`, "X-Count: 1", "X-Only: first")
	same := coded(304, fresh, `ETag: "a"`, "X-Count: 2")
	return []Case{
		{"validate-tag", "RFC 9111 4.3.1", Quality, answers(tag, same), steps(get(From(1)), get(Status(200), From(1), Asked(2), Saw("If-None-Match", `"a"`)).after(lapse))},
		{"validate-weak-tag", "RFC 9111 4.3.1", Quality, answers(ok("Cache-Control: max-age=1", `ETag: W/"a"`), coded(304, fresh, `ETag: W/"a"`)), steps(get(From(1)), get(Status(200), From(1), Saw("If-None-Match", `W/"a"`)).after(lapse))},
		{"validate-date", "RFC 9111 4.3.1", Quality, answers(ok("Cache-Control: max-age=1", "Last-Modified: {now-100000}"), coded(304, fresh, "Last-Modified: {now-100000}")),
			steps(get(From(1)), get(Status(200), From(1), Saw("If-Modified-Since", "{now-100000}")).after(lapse))},
		{"validate-no-cache", "RFC 9111 5.2.2.4", Quality, answers(ok("Cache-Control: no-cache", `ETag: "a"`), coded(304, "Cache-Control: no-cache", `ETag: "a"`)), steps(get(From(1)), get(From(1), Asked(2)), get(From(1), Asked(3)))},
		{"304-updates", "RFC 9111 3.2", Required, answers(tag, same), steps(get(), get(From(1).On(200), Has("X-Count", "2")).after(lapse))},
		{"304-updates-stored", "RFC 9111 3.2", Required, answers(tag, same), steps(get(), get().after(lapse), get(From(1), Has("X-Count", "2"), Has("X-Only", "first")))},
		{"304-freshens", "RFC 9111 4.3.4", Quality, answers(tag, same), steps(get(), get().after(lapse), get(From(1), Asked(2), Between("Age", 0, 9)))},
		{"304-length", "RFC 9111 3.2", Required, answers(tag, coded(304, fresh, `ETag: "a"`, "Content-Length: 3")), steps(get(), get(Status(200), From(1), Whole()).after(lapse), get(From(1), Whole()))},
		{"304-type", "RFC 9111 3.2", Required, answers(ok("Cache-Control: max-age=1", `ETag: "a"`, "Content-Type: a/b"), coded(304, fresh, `ETag: "a"`, "Content-Type: c/d")), steps(get(Has("Content-Type", "a/b")), get(From(1)).after(lapse), get(Has("Content-Type", "c/d")))},
		{"304-coding", "RFC 9111 3.2", Required, answers(ok("Cache-Control: max-age=1", `ETag: "a"`, "Content-Encoding: x-one"), coded(304, fresh, `ETag: "a"`, "Content-Encoding: x-two")), steps(get(), get(From(1)).after(lapse), get(Has("Content-Encoding", "x-one")))},
		{"304-hop", "RFC 9111 3.2", Required, answers(tag, coded(304, fresh, `ETag: "a"`, "Connection: X-Hop", "X-Hop: 1")), steps(get(), get(From(1), Lacks("X-Hop")).after(lapse), get(From(1), Lacks("X-Hop")))},
		{"304-no-store", "RFC 9111 3.2", Required, answers(tag, coded(304, "Cache-Control: no-cache", `ETag: "a"`), ok()), steps(get(), get(From(1)).after(lapse), get(From(3), Asked(3)))},
		{"304-of-another", "RFC 9111 4.3.4", Required, answers(tag, coded(304, fresh, `ETag: "b"`), ok(fresh, `ETag: "b"`)), steps(get(From(1)), get(From(3)).after(lapse))},
		{"304-shorter", "RFC 9111 4.3.4", Required, answers(tag, coded(304, "Cache-Control: max-age=0", `ETag: "a"`), ok()), steps(get(), get(From(1)).after(lapse), get(From(3)))},
		{"200-replaces", "RFC 9111 4.3.3", Required, answers(tag, ok(fresh, `ETag: "b"`)), steps(get(), get(From(2), Has("ETag", `"b"`), Lacks("X-Only")).after(lapse), get(From(2), Lacks("X-Only")))},
		{"200-replaces-unstored", "RFC 9111 4.3.3", Required, answers(tag, ok("Cache-Control: no-store"), ok()), steps(get(), get(From(2)).after(lapse), get(From(3)).with("Cache-Control: max-stale=1000"))},
		{"404-replaces", "RFC 9111 4.3.3", Required, answers(tag, coded(404)), steps(get(), get(Status(404), From(2)).after(lapse))},
		{"500-passed", "RFC 9111 4.3.3", Quality, answers(tag, coded(500)), steps(get(), get(Status(500), From(2)).after(lapse))},
		{"client-tag-is-older", "RFC 9111 4.3.2", Required, answers(tag, same), steps(get(), get(Status(200), From(1)).with(`If-None-Match: "old"`).after(lapse))},
		{"client-tag-same", "RFC 9111 4.3.2", Quality, answers(tag, same), steps(get(), get(Status(304), Asked(2)).with(`If-None-Match: "a"`).after(lapse))},
		{"client-tag-new", "RFC 9111 4.3.2", Required, answers(tag, ok(fresh, `ETag: "b"`)), steps(get(), get(Status(304, 200), From(2).On(200)).with(`If-None-Match: "b"`).after(lapse), get(Status(200), AskedAbout(2, 3)))},
		{"client-date-is-older", "RFC 9111 4.3.2", Required, answers(ok("Cache-Control: max-age=1", "Last-Modified: {now-100000}"), coded(304, fresh, "Last-Modified: {now-100000}")),
			steps(get(), get(Status(200), From(1)).with("If-Modified-Since: {now-200000}").after(lapse))},
		{"client-conditions-not-stored", "RFC 9111 4.3.2", Required, answers(ok(fresh, `ETag: "a"`)), steps(get(Status(304, 200)).with(`If-None-Match: "a"`), get(Status(200), InBody("#")))},
		{"head-freshens", "RFC 9111 4.3.5", Quality, answers(tag, Answer{Header: []string{fresh, `ETag: "a"`, "X-Count: 2", "Content-Length: 18"}}, ok()),
			steps(get(From(1)), do("HEAD", Status(200)).after(lapse), get(From(1), Has("X-Count", "2"), Asked(2)))},
		{"head-other-tag", "RFC 9111 4.3.5", Quality, answers(tag, ok(fresh, `ETag: "b"`), ok(fresh, `ETag: "b"`)), steps(get(From(1)), do("HEAD", Status(200)).after(lapse), get(From(3)).with("Cache-Control: max-stale=1000"))},
		{"head-other-length", "RFC 9111 4.3.5", Quality, answers(tag, ok(fresh, "Content-Length: 999"), ok(fresh)), steps(get(From(1)), do("HEAD", Status(200)).after(lapse), get(From(3)).with("Cache-Control: max-stale=1000"))},
		{"validate-collapsed", "RFC 9111 4.3", Quality, answers(tag, Answer{Status: 304, Header: []string{fresh, `ETag: "a"`}, Delay: pause / 8}), steps(get(), get(Status(200), From(1), Asked(2)).by(4).after(lapse))},
	}
}
