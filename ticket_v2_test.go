package weir_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

// second is a ticket of version 2 with everything in it.
func second(change func(*weir.Ticket)) weir.Ticket {
	t := weir.Ticket{KeyID: "k1", Organisation: "default", Session: "s1", Subject: "p7", Prefix: "video/Film_1.mp4", Issued: noon.Add(-time.Hour),
		Expires: noon, Flags: weir.FlagBound | weir.FlagNoPrefetch, Network: netip.MustParsePrefix("192.0.2.0/24")}
	if change != nil {
		change(&t)
	}
	return t
}

// The texts of tickets are in the hands of players: what was issued once verifies for ever.
func TestTicketGoldens(t *testing.T) {
	f := func(want weir.Ticket, golden string) {
		t.Helper()
		k, _ := key("k1")
		text, err := want.Sign(k)
		if err != nil || text != golden {
			t.Errorf("Sign(%+v) = %q, %v, want %q", want, text, err, golden)
		}
		got, err := weir.VerifyTicket(golden, key, noon)
		if err != nil {
			t.Fatalf("VerifyTicket(%q) = %v", golden, err)
		}
		if d := cmp.Diff(want, got, ticketEqual); d != "" {
			t.Errorf("VerifyTicket(%q) differs (-want +got):\n%s", golden, d)
		}
	}
	f(weir.Ticket{KeyID: "k1", Organisation: "default", Session: "s1", Prefix: "a1/", Expires: noon}, "AQBrAtlAAmsxAnMxA2ExL96xEGBeiJfNidRxpNZHyZU")
	f(second(nil), "AoFrAsswawLZQATAAAICazECczECcDcQdmlkZW8vRmlsbV8xLm1wNHtu58VQ4HT3gFI4xs2O5Wk")
	f(second(func(t *weir.Ticket) { t.Network = netip.MustParsePrefix("2001:db8:0:ff00::/56") }), "AoFrAsswawLZQAYgAQ24AAD_AmsxAnMxAnA3EHZpZGVvL0ZpbG1fMS5tcDQiwQHbe3gzbQB4grS7C-Yn")
	f(second(func(t *weir.Ticket) { t.Flags, t.Network, t.Subject, t.Prefix = 0, netip.Prefix{}, "", weir.AnyPath }), "AgBrAsswawLZQAJrMQJzMQABL1JHv70ybdRVCr3GlSO4JYk")
}

func TestSignRefuses(t *testing.T) {
	f := func(why string, change func(*weir.Ticket)) {
		t.Helper()
		k, _ := key("k1")
		if text, err := second(change).Sign(k); err == nil || weir.KindOf(err) != weir.Invalid {
			t.Errorf("%s: Sign = %q, %v, want Invalid", why, text, err)
		}
	}
	f("bound to no network", func(t *weir.Ticket) { t.Network = netip.Prefix{} })
	f("a network that does not bind", func(t *weir.Ticket) { t.Flags = 0 })
	f("a network of another size", func(t *weir.Ticket) { t.Network = netip.MustParsePrefix("192.0.2.0/25") })
	f("a network with host bits", func(t *weir.Ticket) { t.Network = netip.MustParsePrefix("192.0.2.7/24") })
	f("an unknown critical flag", func(t *weir.Ticket) { t.Flags |= 1 << 3 })
	f("longer than any ticket", func(t *weir.Ticket) { t.Issued = noon.Add(-weir.MaxTicketLife - time.Second) })
	f("over before it begins", func(t *weir.Ticket) { t.Issued = noon.Add(time.Second) })
	f("a subject that is no id", func(t *weir.Ticket) { t.Subject = "someone@example.org" })
	f("version 1 with a subject", func(t *weir.Ticket) { *t = weir.Ticket{Session: "s1", Prefix: "a/", Expires: noon, Subject: "p7"} })
	f("version 1 with a plain path", func(t *weir.Ticket) { *t = weir.Ticket{Session: "s1", Prefix: "A/", Expires: noon} })
	for _, prefix := range []string{"", "//", "a//", "/a", "../", "a/../b", "a/./", "a%2e/", "a b/", "a;b/", "a?b", "é/", strings.Repeat("a", 256)} {
		f(prefix, func(t *weir.Ticket) { t.Prefix = prefix })
	}
}

// forge signs bytes as a ticket, whatever they are.
func forge(body []byte) string {
	k, _ := key("k1")
	h := hmac.New(sha256.New, k.Secret)
	h.Write(body)
	return base64.RawURLEncoding.EncodeToString(append(body, h.Sum(nil)[:16]...))
}

// What a key holder should not have signed is refused too.
func TestVerifyRefusesWhatSignWould(t *testing.T) {
	f := func(body string, want weir.Kind) {
		t.Helper()
		if got, err := weir.VerifyTicket(forge([]byte(body)), key, noon); err == nil || weir.KindOf(err) != want {
			t.Errorf("VerifyTicket of %q = %+v, %v, want %v", body, got, err, want)
		}
	}
	from, to := "\x6a\x20\x00\x00", "\x6a\x25\x00\x00" // some days in May 2026
	ids := "\x02k1\x02s1\x00\x02a/"
	f("\x02\x00"+from+to+ids, weir.Forbidden) // all is well but the time
	f("\x02\x08"+from+to+ids, weir.Unauthenticated)
	f("\x01\x01"+to+"\x02k1\x02s1\x02a/", weir.Unauthenticated)
	f("\x03\x00"+from+to+ids, weir.Unauthenticated)
	f("\x02\x00"+to+from+ids, weir.Unauthenticated)
	f("\x02\x00\x00\x00\x00\x00"+to+ids, weir.Unauthenticated)
	f("\x02\x00\xf0\x00\x00\x00\xf0\x00\x00\x10"+ids, weir.Forbidden) // of the future
	f("\x02\x01"+from+to+ids, weir.Unauthenticated)
	f("\x02\x01"+from+to+"\x05\x01\x02\x03"+ids, weir.Unauthenticated)
	f("\x02\x00"+from+to+ids+"x", weir.Unauthenticated)
	f("\x02\x00"+from+to+"\x02k1\x02s1\x00\x03../", weir.Unauthenticated)
	f("\x02\x00"+from+to+"\x02k1\x02s1\x01_\x02a/", weir.Unauthenticated)
	f("\x01\x00"+to+"\x02k1\x02s1\x02A/", weir.Unauthenticated)
}

func TestAllowsFrom(t *testing.T) {
	f := func(network, addr string, want bool) {
		t.Helper()
		ticket := weir.Ticket{}
		if network != "" {
			ticket.Flags, ticket.Network = weir.FlagBound, netip.MustParsePrefix(network)
		}
		a, _ := netip.ParseAddr(addr)
		if got := ticket.AllowsFrom(a); got != want {
			t.Errorf("a ticket for %q AllowsFrom(%q) = %v, want %v", network, addr, got, want)
		}
	}
	f("", "192.0.2.1", true)
	f("", "", true)
	f("192.0.2.0/24", "192.0.2.255", true)
	f("192.0.2.0/24", "::ffff:192.0.2.255", true)
	f("192.0.2.0/24", "192.0.3.0", false)
	f("192.0.2.0/24", "", false)
	f("192.0.2.0/24", "2001:db8::1", false)
	f("2001:db8:0:ff00::/56", "2001:db8:0:ffff::1", true)
	f("2001:db8:0:ff00::/56", "2001:db8:0:ff42::1%eth0", true)
	f("2001:db8:0:ff00::/56", "2001:db8:1::1", false)
	if (&weir.Ticket{Flags: weir.FlagBound}).AllowsFrom(netip.MustParseAddr("192.0.2.1")) {
		t.Error("a ticket bound to nothing allows somebody")
	}
}

func TestCovers(t *testing.T) {
	f := func(prefix, path string, want bool) {
		t.Helper()
		if got := weir.Covers(prefix, path); got != want {
			t.Errorf("Covers(%q, %q) = %v, want %v", prefix, path, got, want)
		}
		if got := weir.Covers(prefix, []byte(path)); got != want {
			t.Errorf("Covers(%q, bytes of %q) = %v, want %v", prefix, path, got, want)
		}
	}
	f("video/", "video/a.mp4", true)
	f("video/", "video/", true)
	f("video/", "video", false)
	f("video", "video", true)
	f("video", "video/a", false)
	f("video", "videos", false)
	f("", "a", false)
	f("/", "", true)
	f("/", "a/b%20c/d", true)
	f("/", "a/.well-known/...", true)
	for _, out := range []string{"../x", "..", "x/..", ".", "./x", "..;/x", "..;a=b/x", "%2e%2e/x", ".%2e/x", "..%2fx", "..%5cx", "..\\x", "..%3b/x",
		"a/%2E./x", "a//b", "/a", "a%252e", "a%00", "a%0a", "a%7f", "a%", "a%2", "a%zz", "a b", "a?b", "a#b", "a\x00", "é"} {
		f("/", out, false)
		f("video/", "video/"+out, false)
	}
}

func FuzzVerifyTicket(f *testing.F) {
	k, _ := key("k1")
	texts := map[string]bool{}
	for _, t := range []weir.Ticket{{Session: "s1", Prefix: "a1/", Expires: noon}, second(nil)} {
		text, err := t.Sign(k)
		if err != nil {
			f.Fatal(err)
		}
		texts[text] = true
		f.Add(text)
	}
	f.Add("")
	f.Add("AQAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := weir.VerifyTicket(s, key, noon)
		if err == nil && !texts[s] {
			t.Errorf("a forged ticket %q is accepted as %+v", s, got)
		}
	})
}

// FuzzTicket signs any bytes: what verifies is what Sign makes of it again, so no ticket has two texts or two meanings.
func FuzzTicket(f *testing.F) {
	f.Add([]byte("\x02\x00\x6a\x20\x00\x00\x6a\x25\x00\x00\x02k1\x02s1\x00\x02a/"))
	f.Add([]byte("\x02\x81\x6a\x20\x00\x00\x6a\x25\x00\x00\x06\x20\x01\x0d\xb8\x00\x00\xff\x02k1\x02s1\x02p7\x07Video/x"))
	f.Add([]byte("\x02\x01\x6a\x20\x00\x00\x6a\x25\x00\x00\x04\xc0\x00\x02\x02k1\x02s1\x02p7\x01/"))
	f.Add([]byte("\x01\x00\x6a\x25\x00\x00\x02k1\x02s1\x02a/"))
	k, _ := key("k1")
	f.Fuzz(func(t *testing.T, body []byte) {
		text := forge(bytes.Clone(body))
		got, err := weir.VerifyTicket(text, key, time.Unix(0x6a240000, 0))
		if err != nil {
			return
		}
		if again, err := got.Sign(k); err != nil || again != text {
			t.Errorf("%q verifies as %+v, which Sign makes %q, %v", text, got, again, err)
		}
		if weir.Covers(got.Prefix, got.Prefix+"../x") {
			t.Errorf("prefix %q can be left", got.Prefix)
		}
	})
}

func BenchmarkCovers(b *testing.B) {
	path := []byte("06fsz1a2b3c4d5e6f7g8h9j0k1/3/clear/v1080/1234.m4s")
	b.ReportAllocs()
	for b.Loop() {
		if !weir.Covers("06fsz1a2b3c4d5e6f7g8h9j0k1/", path) {
			b.Fatal("not covered")
		}
	}
}
