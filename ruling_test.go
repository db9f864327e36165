package weir_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	weir "github.com/weirstream/weir"
)

func TestPurgeCheck(t *testing.T) {
	f := func(want bool, by weir.PurgeBy, values ...string) {
		t.Helper()
		p := weir.Purge{Organisation: "default", By: by, Values: values}
		err := p.Check()
		if got := err == nil; got != want || err != nil && weir.KindOf(err) != weir.Invalid && weir.KindOf(err) != weir.TooLarge {
			t.Errorf("Purge by %s %.100q: Check = %v, want fine %v", by, values, err, want)
		}
	}
	f(true, weir.ByURL, "a1/1/clear/hls/main.m3u8", "x?y=%20z&u=\"")
	f(true, weir.ByPrefix, "a")
	f(true, weir.ByKey, "film:42")
	f(true, weir.ByAsset, "a1")
	f(true, weir.ByRevision, "a1/17")
	f(true, weir.ByOrganisation)
	f(false, weir.ByOrganisation, "x")
	f(false, "host", "x")
	f(false, weir.ByURL)
	f(false, weir.ByURL, "")
	f(false, weir.ByURL, "/a")
	f(false, weir.ByURL, "a b")
	f(false, weir.ByURL, "a#b")
	f(false, weir.ByURL, "é")
	f(false, weir.ByURL, strings.Repeat("a", weir.MaxPurgeURL+1))
	f(false, weir.ByPrefix, "")
	f(false, weir.ByKey, "two keys")
	f(false, weir.ByAsset, "A1")
	for _, bad := range []string{"a1", "a1/", "a1/0", "a1/01", "a1/+1", "a1/1/", "/1", "a1/99999999999"} {
		f(false, weir.ByRevision, bad)
	}
	f(false, weir.ByAsset, make([]string, weir.MaxPurgeValues+1)...)
	f(false, weir.ByURL, strings.Split(strings.Repeat(strings.Repeat("a", 2000)+" ", 40), " ")[:40]...)
	if err := (&weir.Purge{By: weir.ByAsset, Values: []string{"a"}}).Check(); weir.KindOf(err) != weir.Invalid {
		t.Errorf("a purge of no organisation: Check = %v, want Invalid", err)
	}
}

// However many and however awkward the values are, each part becomes a fact that fits.
func TestPurgeParts(t *testing.T) {
	var values []string
	for range 300 {
		values = append(values, strings.Repeat(`"<&\`, 500))
	}
	for range 2500 {
		values = append(values, "a")
	}
	p := weir.Purge{Organisation: "default", By: weir.ByURL, Values: values, Soft: true}
	parts, err := p.Parts()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range parts {
		r := weir.Rulings{Version: 1, Number: 1, Time: noon, Rulings: []weir.Ruling{{Purge: &parts[i]}}}
		if _, err := r.Encode(); err != nil {
			t.Errorf("part %d: Encode = %v", i, err)
		}
		got = append(got, parts[i].Values...)
	}
	if d := cmp.Diff(values, got); d != "" {
		t.Errorf("values of the parts differ (-want +got):\n%.500s", d)
	}
	p.Values = append(values, "a b")
	if _, err := p.Parts(); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Parts with a bad value = %v, want Invalid", err)
	}
	whole := weir.Purge{Organisation: "default", By: weir.ByOrganisation}
	if parts, err := whole.Parts(); err != nil || len(parts) != 1 {
		t.Errorf("Parts of an organisation = %v, %v, want one", parts, err)
	}
	none := weir.Purge{Organisation: "default", By: weir.ByURL}
	if parts, err := none.Parts(); err == nil {
		t.Errorf("Parts of no values = %v, want an error", parts)
	}
}

func TestPurgePath(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		got, err := weir.PurgePath(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("PurgePath(%q) = %q, %v, want %q", address, got, err, want)
		}
	}
	f("https://media.example.org/t/AgBrBpM2awbnlhowNmgxM2JyNjA1aHB3dmZqMHpqcXZ2ZWplZxowNmgxM2Jy/a1/1/clear/hls/main.m3u8", "a1/1/clear/hls/main.m3u8")
	f("HTTP://h:81/a?b=c#d", "a?b=c")
	f("/a1/poster.jpg?ticket=AQBr", "a1/poster.jpg")
	f("a?x=1&ticket=AQBr&y=2", "a?x=1&y=2")
	f("a?u=http://x/y", "a?u=http://x/y")
	f("https://h", "")
	f("https://h/", "")
	f("/t/AQBr", "t/AQBr")
	f("/t/abc/x", "t/abc/x") // an origin may have a /t/ of its own
	f("/t/AgBrBpM2awbnlhowNmgxM2JyNjA1aHB3dmZqMHpqcXZ2ZWplZxowNmgxM2Jy/", "")
	f("//a", "")
	f("a b", "")
}

func TestRevocations(t *testing.T) {
	until := weir.RevokeUntil(noon)
	f := func(want bool, change func(*weir.Revocation)) {
		t.Helper()
		r := weir.Revocation{Organisation: "default", Session: "s1", Until: until}
		change(&r)
		if err := r.Check(); (err == nil) != want || err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("%+v: Check = %v, want fine %v", r, err, want)
		}
	}
	f(true, func(r *weir.Revocation) {})
	f(true, func(r *weir.Revocation) { r.Session, r.Subject = "", "p7" })
	f(true, func(r *weir.Revocation) { r.Session, r.Epoch = "", noon })
	f(false, func(r *weir.Revocation) { r.Epoch = noon })
	f(false, func(r *weir.Revocation) { r.Subject = "p7" })
	f(false, func(r *weir.Revocation) { r.Session = "" })
	f(false, func(r *weir.Revocation) { r.Session = "S 1" })
	f(false, func(r *weir.Revocation) { r.Organisation = "" })
	f(false, func(r *weir.Revocation) { r.Until = time.Time{} })
	f(false, func(r *weir.Revocation) { r.Session, r.Epoch = "", noon.Add(time.Millisecond) })
	f(false, func(r *weir.Revocation) { r.Session, r.Epoch, r.Until = "", noon, noon.Add(-time.Hour) })
}

func TestRevokes(t *testing.T) {
	ticket := weir.Ticket{Organisation: "default", Session: "s1", Subject: "p7", Issued: noon}
	old := weir.Ticket{Organisation: "default", Session: "s1"}
	f := func(r weir.Revocation, ticket weir.Ticket, want bool) {
		t.Helper()
		if got := r.Revokes(&ticket); got != want {
			t.Errorf("%+v.Revokes(%+v) = %v, want %v", r, ticket, got, want)
		}
	}
	f(weir.Revocation{Organisation: "default", Session: "s1"}, ticket, true)
	f(weir.Revocation{Organisation: "default", Session: "s2"}, ticket, false)
	f(weir.Revocation{Organisation: "other", Session: "s1"}, ticket, false)
	f(weir.Revocation{Organisation: "default", Subject: "p7"}, ticket, true)
	f(weir.Revocation{Organisation: "default", Subject: "p7"}, old, false)
	f(weir.Revocation{Organisation: "default", Epoch: noon}, ticket, false)
	f(weir.Revocation{Organisation: "default", Epoch: weir.NewEpoch(noon)}, ticket, true)
	f(weir.Revocation{Organisation: "default", Epoch: weir.NewEpoch(noon.Add(-time.Second / 2))}, ticket, false)
	f(weir.Revocation{Organisation: "default", Epoch: noon}, old, true)
}

const goldenRulings = `{"version":1,"number":1795348800001,"time":"2026-11-22T12:00:00Z","rulings":[` +
	`{"purge":{"organisation":"default","by":"url","values":["a?b&c"],"soft":true}},` +
	`{"revocation":{"organisation":"default","session":"s1","until":"2026-11-29T12:01:01Z"}},` +
	`{"revocation":{"organisation":"default","epoch":"2026-11-22T12:00:01Z","until":"2026-11-29T12:01:01Z"}}]}` + "\n"

func TestRulingsRoundTrip(t *testing.T) {
	want := weir.Rulings{Version: 1, Number: 1795348800001, Time: noon, Rulings: []weir.Ruling{
		{Purge: &weir.Purge{Organisation: "default", By: weir.ByURL, Values: []string{"a?b&c"}, Soft: true}},
		{Revocation: &weir.Revocation{Organisation: "default", Session: "s1", Until: weir.RevokeUntil(noon)}},
		{Revocation: &weir.Revocation{Organisation: "default", Epoch: weir.NewEpoch(noon), Until: weir.RevokeUntil(noon)}},
	}}
	b, err := want.Encode()
	if err != nil || string(b) != goldenRulings {
		t.Errorf("Encode = %s, %v, want\n%s", b, err, goldenRulings)
	}
	got, err := weir.ParseRulings([]byte(goldenRulings))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("ParseRulings: %v (-want +got):\n%s", err, d)
	}
}

func TestParseRulingsRefuses(t *testing.T) {
	for _, change := range [][2]string{{`"version":1`, `"version":2`}, {`"by":"url"`, `"by":"host"`}, {`"soft":true`, `"softly":true`}, {`"session":"s1",`, ``},
		{`"number":1795348800001`, `"number":0`}, {`"number":1795348800001`, `"number":-1`}, {`"purge"`, `"ban"`}, {"\n", "{}"}, {"}]}\n", ""},
		{`"until":"2026-11-29T12:01:01Z"}},`, `"until":"2096-11-29T12:01:01Z"}},`}} {
		text := strings.Replace(goldenRulings, change[0], change[1], 1)
		if _, err := weir.ParseRulings([]byte(text)); err == nil || weir.KindOf(err) != weir.Invalid {
			t.Errorf("ParseRulings with %q for %q = %v, want Invalid", change[1], change[0], err)
		}
	}
	if _, err := weir.ParseRulings([]byte(strings.Repeat(" ", weir.MaxRulingsBytes) + goldenRulings)); weir.KindOf(err) != weir.Invalid {
		t.Errorf("ParseRulings of too much = %v, want Invalid", err)
	}
	many := weir.Rulings{Version: 1, Number: 1, Time: noon, Rulings: make([]weir.Ruling, weir.MaxRulings+1)}
	if _, err := many.Encode(); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Encode of too many = %v, want Invalid", err)
	}
}

// FuzzRulings: what is accepted is within bounds, and is the same after another round.
func FuzzRulings(f *testing.F) {
	f.Add([]byte(goldenRulings))
	f.Add([]byte(`{"version":1,"number":1,"time":"2026-11-22T12:00:00Z","rulings":[{"purge":{"organisation":"o","by":"organisation"}}]}`))
	f.Add([]byte(`{"Version":1,"number":1,"number":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := weir.ParseRulings(b)
		if err != nil {
			return
		}
		text, err := r.Encode()
		if weir.KindOf(err) == weir.TooLarge {
			return // such as a time with digits enough to grow
		}
		again, parseErr := weir.ParseRulings(text)
		if err != nil || parseErr != nil {
			t.Fatalf("Encode of what was parsed: %v, %v", err, parseErr)
		}
		one, _ := json.Marshal(r)
		if two, _ := json.Marshal(again); string(one) != string(two) {
			t.Errorf("%s\nbecomes\n%s", one, two)
		}
	})
}

// FuzzPurgePath: what PurgePath makes is what a purge by URL takes, and holds no ticket parameter.
func FuzzPurgePath(f *testing.F) {
	f.Add("https://media.example.org/t/AgBrBpM2awbnlhowNmgxM2JyNjA1aHB3dmZqMHpqcXZ2ZWplZxowNmgxM2Jy/a1/1/clear/hls/main.m3u8?ticket=1&x=2#y")
	f.Add("/t//a?ticket")
	f.Fuzz(func(t *testing.T, address string) {
		path, err := weir.PurgePath(address)
		if err != nil {
			if weir.KindOf(err) != weir.Invalid {
				t.Errorf("PurgePath(%q) = %v", address, err)
			}
			return
		}
		p := weir.Purge{Organisation: "default", By: weir.ByURL, Values: []string{path}}
		if err := p.Check(); err != nil {
			t.Errorf("PurgePath(%q) = %q, which cannot be purged: %v", address, path, err)
		}
		if _, query, _ := strings.Cut(path, "?"); strings.Contains("&"+query, "&ticket=") {
			t.Errorf("PurgePath(%q) = %q holds a ticket", address, path)
		}
	})
}
