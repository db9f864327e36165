package cmcd_test

import (
	"strings"
	"testing"

	"github.com/weirstream/weir/edge/cmcd"
)

func TestResolve(t *testing.T) {
	f := func(next, want string) {
		t.Helper()
		got, ok := cmcd.Resolve("/asset/1/clear/v1/3.m4s", "/asset/1", next)
		if got = map[bool]string{true: got}[ok]; got != want {
			t.Errorf("Resolve(%q) = %q, want %q", next, got, want)
		}
	}
	f("4.m4s", "/asset/1/clear/v1/4.m4s")
	f("./4.m4s", "/asset/1/clear/v1/4.m4s")
	f("../v2/4.m4s", "/asset/1/clear/v2/4.m4s")
	f("../../../1/clear/v2/4.m4s", "/asset/1/clear/v2/4.m4s")
	f("", "/asset/1/clear/v1/3.m4s")
	f("x/y:z", "/asset/1/clear/v1/x/y:z")
	f("a@b,c;d=e", "/asset/1/clear/v1/a@b,c;d=e")
	for _, bad := range []string{"/asset/1/4.m4s", "//host/4.m4s", "http://host/4.m4s", "x:y", "../../../2/clear/v1/4.m4s", "../../../12/x", "../../../../x", "../../../../../x",
		"../../../../../../asset/1/x", "a//b", "a/", "..", ".", "a/..", "a%2Fb", "a b", "a?b", "a#b", "a\\b", "é", "a\x00", strings.Repeat("x", 2000)} {
		f(bad, "")
	}
	for _, prefix := range []string{"/asset/1/clear/v1/", "/asset/1/clear/v1", "/", ""} {
		if got, ok := cmcd.Resolve("/asset/1/clear/v1/3.m4s", prefix, "4.m4s"); !ok || got != "/asset/1/clear/v1/4.m4s" {
			t.Errorf("Resolve below %q = %q, %v", prefix, got, ok)
		}
	}
	if got, ok := cmcd.Resolve("3.m4s", "", "4.m4s"); ok {
		t.Errorf("Resolve against a path without its slash = %q", got)
	}
	if got, ok := cmcd.Resolve("/asset/2/3.m4s", "/asset/1", ""); ok {
		t.Errorf("Resolve of nothing outside the prefix = %q", got)
	}
}
