package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

func TestParseRoles(t *testing.T) {
	f := func(list string, want ...string) {
		t.Helper()
		has := map[string]bool{}
		for _, name := range want {
			has[name] = true
		}
		got, err := parseRoles(list)
		if diff := cmp.Diff(has, got); err != nil || diff != "" {
			t.Errorf("parseRoles(%q): %v (-want +got):\n%s", list, err, diff)
		}
	}
	f("all", "edge", "transcode", "control")
	f("edge", "edge")
	f("edge, control", "edge", "control")
	f("edge,edge", "edge")
	f("control,all", "edge", "transcode", "control")

	for _, list := range []string{"", "edge,", "Edge", "edge;control", "worker"} {
		if got, err := parseRoles(list); weir.KindOf(err) != weir.Invalid || !strings.Contains(err.Error(), "is no role; there are") {
			t.Errorf("parseRoles(%q) = %v, %v, want Invalid", list, got, err)
		}
	}
}

func TestPrintAddresses(t *testing.T) {
	f := func(json bool, has map[string]bool, want string) {
		t.Helper()
		p := newTestProcess(io.Discard, func(c *serveCmd) { c.JSON, c.Data = json, "/srv/weir" })
		if err := p.listen(has); err != nil {
			t.Fatal(err)
		}
		defer p.closeListeners()
		var out bytes.Buffer
		p.printAddresses(&out)
		got := strings.ReplaceAll(out.String(), p.admin.Addr().String(), "ADMIN")
		if p.pages != nil {
			got = strings.ReplaceAll(got, strings.TrimPrefix(pageURL(p.pages.Addr()), "http://"), "PAGES")
		}
		if p.media != nil {
			got = strings.ReplaceAll(got, p.media.Addr().String(), "MEDIA")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("addresses of %v (-want +got):\n%s", has, diff)
		}
	}
	f(true, everything, `{"listen":"http://PAGES","edge":"http://MEDIA","admin":"http://ADMIN"}`+"\n")
	f(true, map[string]bool{"transcode": true}, `{"admin":"http://ADMIN"}`+"\n")
	f(false, everything, "Weir runs on /srv/weir\n  pages   http://PAGES\n  media   http://MEDIA\n  admin   http://ADMIN\nCtrl-C stops it.\n")
	f(false, map[string]bool{"edge": true}, "Weir runs on /srv/weir\n  media   http://MEDIA\n  admin   http://ADMIN\nCtrl-C stops it.\n")
}

func TestLogger(t *testing.T) {
	f := func(level string, json bool, want string) {
		t.Helper()
		var out, log bytes.Buffer
		l := (&serveCmd{LogLevel: level, JSON: json}).logger(env{out: &out, errOut: &log})
		l.Debug("small", slog.Int("n", 1))
		l.Error("large", slog.Int("n", 2))
		if got := strings.Count(log.String(), "\n"); !strings.Contains(log.String(), want) || got != map[string]int{"debug": 2, "error": 1}[level] || out.Len() > 0 {
			t.Errorf("logger(%s, %v) wrote %q and to standard output %q", level, json, log.String(), out.String())
		}
	}
	f("debug", false, "level=DEBUG msg=small n=1")
	f("error", false, "level=ERROR msg=large n=2")
	f("error", true, `"level":"ERROR","msg":"large","n":2`)
}
