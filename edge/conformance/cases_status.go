package conformance

// statusCases are all of quality: RFC 9211 leaves it to a cache whether it sends the field.
func statusCases() []Case {
	fresh := "Cache-Control: max-age=600"
	stale := ok("Cache-Control: max-age=60", "Age: 90", `ETag: "a"`)
	slow := Answer{Header: []string{fresh}, Delay: pause / 8}
	c := func(id, section string, a []Answer, s ...Step) Case {
		return Case{id, "RFC 9211 " + section, Quality, a, s}
	}
	hit, fwd := CacheStatus, CacheStatus
	return []Case{
		c("cs-hit", "2.1", answers(ok(fresh)), get(), get(hit("hit"))),
		c("cs-hit-is-not-fwd", "2.2", answers(ok(fresh)), get(), get(hit("hit"), NoCacheStatus("fwd=uri-miss"), NoCacheStatus("stored"), NoCacheStatus("fwd-status=200"))),
		c("cs-miss", "2.2", answers(ok(fresh)), get(fwd("fwd=uri-miss"), NoCacheStatus("hit"))),
		c("cs-vary-miss", "2.2", answers(ok(fresh, "Vary: X-A")), get().with("X-A: 1"), get(fwd("fwd=vary-miss")).with("X-A: 2")),
		c("cs-stale", "2.2", answers(stale, ok(fresh)), get(), get(fwd("fwd=stale"), fwd("fwd-status=200"))),
		c("cs-stale-304", "2.3", answers(stale, coded(304, fresh, `ETag: "a"`)), get(), get(Status(200), fwd("fwd=stale"), fwd("fwd-status=304"))),
		c("cs-method", "2.2", answers(ok(fresh)), do("POST", fwd("fwd=method")).sending("x")),
		c("cs-request", "2.2", answers(ok(fresh)), get(), get(fwd("fwd=request")).with("Cache-Control: no-cache")),
		c("cs-bypass", "2.2", answers(ok(fresh)), get(), get(fwd("fwd=bypass")).with(`If-Match: "a"`)),
		c("cs-fwd-status", "2.3", answers(coded(404)), get(fwd("fwd-status=404"))),
		c("cs-stored", "2.5", answers(ok(fresh)), get(fwd("stored"))),
		c("cs-not-stored", "2.5", answers(ok("Cache-Control: no-store")), get(NoCacheStatus("stored"))),
		c("cs-ttl", "2.4", answers(ok("Cache-Control: max-age=1000000", "Age: 1")), get(), get(CacheStatusBetween("ttl", 999_980, 999_999))),
		c("cs-ttl-stale", "2.4", answers(ok("Cache-Control: max-age=60, stale-while-revalidate=600", "Age: 90")), get(), get(hit("hit"), CacheStatusBetween("ttl", -50, -30))),
		c("cs-collapsed", "2.6", answers(slow), get(Status(200)).by(3), get(Asked(1), hit("hit"))),
		c("cs-304-to-client", "2", answers(ok(fresh, `ETag: "a"`)), get(), get(Status(304), hit("hit")).with(`If-None-Match: "a"`)),
		c("cs-206", "2", answers(Answer{Header: []string{fresh}, Body: tenDigits}), get(), get(Status(206), hit("hit")).with("Range: bytes=0-1")),
		c("cs-head", "2.1", answers(ok(fresh)), get(), do("HEAD", hit("hit"))),
		c("cs-keeps-upstream", "2", answers(ok(fresh, "Cache-Status: origin-cache; hit; ttl=7")), get(Contains("Cache-Status", "origin-cache; hit; ttl=7, "), fwd("fwd=uri-miss"))),
		c("cs-keeps-upstream-stored", "2", answers(ok(fresh, "Cache-Status: origin-cache; hit; ttl=7")), get(), get(Contains("Cache-Status", "origin-cache; hit; ttl=7, "), hit("hit"))),
		c("cs-not-on-own-errors", "2", answers(Answer{Fault: Refuse}), get(Status(502), Lacks("Cache-Status"))),
	}
}
