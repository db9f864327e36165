package weir_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func key(id string) (weir.TicketKey, bool) {
	return weir.TicketKey{ID: "k1", Organisation: "default", Secret: bytes.Repeat([]byte{7}, 32)}, id == "k1"
}

func signed(t *testing.T, change func(*weir.Ticket)) string {
	t.Helper()
	ticket := weir.Ticket{KeyID: "k1", Session: "s1", Prefix: "a1/", Expires: noon}
	if change != nil {
		change(&ticket)
	}
	k, _ := key("k1")
	text, err := ticket.Sign(k)
	if err != nil {
		t.Fatalf("Sign(%+v): %v", ticket, err)
	}
	return text
}

var ticketEqual = cmp.Options{cmp.Transformer("utc", func(t time.Time) time.Time { return t.UTC() }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestTicketRoundTrip(t *testing.T) {
	text := signed(t, func(t *weir.Ticket) { t.Prefix, t.Flags = "a1/2/", weir.FlagNoPrefetch })
	got, err := weir.VerifyTicket(text, key, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := weir.Ticket{KeyID: "k1", Organisation: "default", Session: "s1", Prefix: "a1/2/", Expires: noon, Flags: weir.FlagNoPrefetch}
	if d := cmp.Diff(want, got, ticketEqual); d != "" {
		t.Errorf("VerifyTicket(Sign(t)) differs (-want +got):\n%s", d)
	}
	if len(text) > 100 {
		t.Errorf("a ticket has %d characters, want at most 100", len(text))
	}
}

func TestTicketRefusals(t *testing.T) {
	f := func(text string, now time.Time, want weir.Kind) {
		t.Helper()
		if _, err := weir.VerifyTicket(text, key, now); weir.KindOf(err) != want || err == nil {
			t.Errorf("VerifyTicket(%q, %v) = %v, want kind %v", text, now, err, want)
		}
	}
	good := signed(t, nil)
	f("", noon, weir.Unauthenticated)
	f("garbage", noon, weir.Unauthenticated)
	f(good[:len(good)-1], noon, weir.Unauthenticated)
	f(strings.Repeat("A", 600), noon, weir.Unauthenticated)
	flipped := []byte(good)
	flipped[10] ^= 1
	f(string(flipped), noon, weir.Unauthenticated)
	f(good, noon.Add(weir.TicketSkew+time.Second), weir.Forbidden)
	if _, err := weir.VerifyTicket(good, key, noon.Add(weir.TicketSkew)); err != nil {
		t.Errorf("a ticket within the skew is refused: %v", err)
	}
}

func TestTicketUnknownKey(t *testing.T) {
	ticket := weir.Ticket{KeyID: "k2", Session: "s1", Prefix: "a1/", Expires: noon}
	text, err := ticket.Sign(weir.TicketKey{ID: "k2", Organisation: "other", Secret: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weir.VerifyTicket(text, key, noon); weir.KindOf(err) != weir.Unauthenticated || err == nil {
		t.Errorf("VerifyTicket with an unknown key = %v, want Unauthenticated", err)
	}
}

func TestTicketAllows(t *testing.T) {
	f := func(prefix, path string, want bool) {
		t.Helper()
		if got := (&weir.Ticket{Prefix: prefix}).Allows(path); got != want {
			t.Errorf("Ticket{Prefix: %q}.Allows(%q) = %v, want %v", prefix, path, got, want)
		}
	}
	f("a1/", "a1/1/clear/hls/main.m3u8", true)
	f("a1/", "a10/1/clear/hls/main.m3u8", false)
	f("a1/1/", "a1/11/clear/x", false)
	f("a1/1/", "a1/1/clear/x", true)
}

func TestSignRefusesBadPrefixes(t *testing.T) {
	k, _ := key("k1")
	for _, prefix := range []string{"", "/", "a1", "../", "a1//", "A/", "a/../b/", strings.Repeat("a/", 200)} {
		ticket := weir.Ticket{KeyID: "k1", Session: "s1", Prefix: prefix, Expires: noon}
		if _, err := ticket.Sign(k); weir.KindOf(err) != weir.Invalid || err == nil {
			t.Errorf("Sign with prefix %q = %v, want Invalid", prefix, err)
		}
	}
}

func BenchmarkVerifyTicket(b *testing.B) {
	k, _ := key("k1")
	text, err := weir.Ticket{KeyID: "k1", Session: "s1", Prefix: "a1/", Expires: noon}.Sign(k)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := weir.VerifyTicket(text, key, noon); err != nil {
			b.Fatal(err)
		}
	}
}
