package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/client"
	"github.com/weirstream/weir/internal/keyring"
)

func TestEdgeFlagsThatDoNotGoTogether(t *testing.T) {
	edge := map[string]bool{"edge": true}
	f := func(flags edgeFlags, has map[string]bool, want string) {
		t.Helper()
		if flags.Tickets == "" {
			flags.Tickets = "on"
		}
		err := flags.check(has)
		if want == "" && err == nil {
			return
		}
		if err == nil || !strings.Contains(err.Error(), want) || weir.KindOf(err) != weir.Invalid {
			t.Errorf("check of %+v = %v, want %q", flags, err, want)
		}
	}
	f(edgeFlags{Origin: "http://10.0.0.9:8000"}, edge, "")
	f(edgeFlags{Origin: "https://origin.example/"}, edge, "")
	f(edgeFlags{Origin: "http://10.0.0.9:8000"}, map[string]bool{"edge": true, "control": true}, "--roles=edge")
	f(edgeFlags{Origin: "http://10.0.0.9:8000/path"}, edge, "scheme and host only")
	f(edgeFlags{Origin: "ftp://10.0.0.9"}, edge, "scheme and host only")
	f(edgeFlags{Origin: "http://user:secret@10.0.0.9"}, edge, "scheme and host only")
	f(edgeFlags{Origin: "http://10.0.0.9", Tokens: "@tokens.json", Tickets: "off"}, edge, "neither would be asked for")
	f(edgeFlags{EdgeCert: "a"}, edge, "go together")
}

func TestTicketsOfOthersAreNotSigned(t *testing.T) {
	a := ticketsAPI{keys: &keyring.Keys{Organisations: []string{"default", "acme"}, Log: slog.New(slog.DiscardHandler)}, now: time.Now}
	if _, err := a.sign(t.Context(), client.NewTicket{Organisation: "other", Prefix: "a/"}); weir.KindOf(err) != weir.Invalid {
		t.Errorf("a ticket of an organisation whose keys no edge follows: %v, want Invalid", err)
	}
}
