package nginx_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/nginx"
)

// limits: above its rate a client address gets 429, as a problem.
func limits(t *testing.T) {
	b := serve(t, nil)
	f := start(t, []*backend{b}, []*backend{b}, func(c *nginx.Config) {
		c.Limits = nginx.Limits{Login: nginx.Rate{PerMinute: 1, Burst: 3}, Playback: nginx.Rate{PerMinute: 1, Burst: 5},
			API: nginx.Rate{PerMinute: 1, Burst: 50}, Media: nginx.Rate{PerMinute: 1, Burst: 20}}
	})
	c := f.client(true)
	try := func(method, path string, times, passed int, cors string) {
		t.Helper()
		ok := 0
		for range times {
			r, err := ask(t.Context(), c, method, f.url(path), "")
			switch {
			case err != nil:
				t.Fatal(err)
			case r.status == 200:
				ok++
				continue
			}
			var p struct {
				Type, Title, Detail string
				Status              int
			}
			err = json.Unmarshal([]byte(r.body), &p)
			if r.status != 429 || err != nil || p.Status != 429 || p.Type != "https://weir.stream/problems/too-many" || p.Detail == "" ||
				r.header.Get("Content-Type") != "application/problem+json" || r.header.Get("Retry-After") == "" || r.header.Get("Access-Control-Allow-Origin") != cors {
				t.Errorf("%s %s over the limit = %d %v %s (%v)", method, path, r.status, r.header, r.body, err)
			}
		}
		if ok != passed {
			t.Errorf("%d of %d %s %s passed, want %d", ok, times, method, path, passed)
		}
	}
	try("POST", "/v1/session", 8, 4, "") // one, and the burst
	try("GET", "/v1/session", 5, 5, "")  // only trying counts
	try("POST", "/v1/playback", 10, 6, "")
	try("GET", segment(1, 1), 30, 21, "*")
	try("GET", "/livez", 3, 0, "*")
	try("GET", "/v1/titles", 60, 51-15, "") // what passed above counted too
}

func noLimits(t *testing.T) {
	b := serve(t, nil)
	f := start(t, []*backend{b}, []*backend{b}, func(c *nginx.Config) { c.Limits = nginx.Limits{Off: true, Login: nginx.Rate{PerMinute: 1, Burst: 1}} })
	c := f.client(true)
	for range 20 {
		if r, err := ask(t.Context(), c, "POST", f.url("/v1/session"), ""); err != nil || r.status != 200 {
			t.Fatalf("without limits: %d, %v", r.status, err)
		}
	}
}

// ticketsAreMasked: whatever happens to a request, no log holds more of its ticket than its public beginning.
func ticketsAreMasked(t *testing.T) {
	key := weir.TicketKey{ID: "k1", Secret: make([]byte, 32)}
	ticket, err := weir.Ticket{Session: weir.NewID(time.Unix(1, 0)), Prefix: weir.NewID(time.Unix(2, 0)) + "/", Expires: time.Unix(2_000_000_000, 0)}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	edge := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "dies") {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "bytes")
	})
	for name, edit := range map[string]func(*nginx.Config){
		"one host":  func(c *nginx.Config) { c.Limits.Media = nginx.Rate{PerMinute: 1, Burst: 12} },
		"two hosts": func(c *nginx.Config) { c.MediaNames = []string{"127.0.0.1"} },
		"no edges":  func(c *nginx.Config) { c.Edges = []string{freeAddress(t), freeAddress(t)} },
	} {
		f := start(t, []*backend{edge}, []*backend{edge}, edit)
		clients := []*http.Client{f.client(true), f.client(false)}
		paths := []string{"/asset/1/clear/v/1.m4s", "/asset/1/clear/v/dies", "/asset/a%0Ab/%C3%A9", "/asset/1/clear/" + ticket, "//asset", "", "/", "/asset/" + strings.Repeat("x", 6000)}
		n := 0
		for _, c := range clients {
			for _, p := range paths {
				f.get(c, "/t/"+ticket+p)
				n++
			}
			for _, p := range []string{"/%74/" + ticket + "/asset/1", "/x/../t/" + ticket + "/asset/1", "/asset/1/clear/v/1.m4s?ticket=" + ticket, "/livez?ticket=" + ticket,
				"/" + ticket + "/asset", "/v1/" + ticket, "/t/" + ticket + "/../../v1/titles?" + ticket, "/%ff/" + ticket} {
				f.get(c, p, "Referer", f.url("/t/"+ticket+"/"))
				n++
			}
			if _, err := ask(t.Context(), c, "POST", f.url("/t/"+ticket+"/asset/1/clear/v/1.m4s"), "body"); err != nil {
				t.Fatal(err)
			}
			n++
		}
		for _, c := range clients {
			c.CloseIdleConnections()
		}
		f.finish()
		for _, log := range []string{"access.log", "error.log"} {
			text := f.log(log)
			for i := 8; i+12 <= len(ticket); i++ {
				if strings.Contains(text, ticket[i:i+12]) {
					t.Fatalf("%s: %s holds %q of the ticket:\n%s", name, log, ticket[i:i+12], text)
				}
			}
		}
		text := f.log("access.log")
		if lines := strings.Count(text, "\n"); lines != n {
			t.Errorf("%s: %d requests are %d lines in the access log:\n%s", name, n, lines, text)
		}
		if want := fmt.Sprintf(`"path":"/t/%s/asset/1/clear/v/1.m4s"`, weir.RedactTicket(ticket)); !strings.Contains(text, want) {
			t.Errorf("%s: no %s in the access log:\n%s", name, want, text)
		}
		for line := range strings.Lines(text) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %q is no JSON", name, line)
			}
		}
	}
}
