package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/client"
)

func TestOutcome(t *testing.T) {
	f := func(s client.Status, code int, sentence string) {
		t.Helper()
		err := outcome(s)
		if exitCode(err) != code || err != nil && err.Error() != sentence {
			t.Errorf("outcome(%+v) = %v, exit code %d, want %q, %d", s, err, exitCode(err), sentence, code)
		}
	}
	f(client.Status{State: "complete"}, 0, "")
	f(client.Status{State: "failed", Reason: "it is empty"}, 2, "the file was refused: it is empty")
	f(client.Status{State: "failed", Reason: "the disk is full", TotalSegments: 3}, 1, "the asset is failed: the disk is full")
	f(client.Status{State: "cancelled"}, 1, "the asset is cancelled")
	f(client.Status{State: "deleted"}, 1, "the asset is deleted")
}

func TestClientFlags(t *testing.T) {
	f := func(server, sentence string) {
		t.Helper()
		_, err := clientFlags{Server: server}.open()
		if sentence == "" && err != nil || sentence != "" && (err == nil || !strings.Contains(err.Error(), sentence)) {
			t.Errorf("--server %q: %v, want %q", server, err, sentence)
		}
	}
	f("http://localhost:8080", "")
	f("http://localhost:8080/", "")
	f("https://weir.example.org", "")
	f("", "is not a URL such as")
	f("localhost:8080", "is not a URL such as")
	f("ftp://localhost", "is not a URL such as")
	f("http://", "is not a URL such as")
	if _, err := (clientFlags{Server: "http://localhost", Token: "@/nothing/here"}).open(); err == nil {
		t.Error("a token file that is missing is no error")
	}
}

// explain adds advice to what the network says, and leaves what the server says.
func TestExplain(t *testing.T) {
	flags := clientFlags{Server: "http://127.0.0.1:1"}
	api, err := flags.open()
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.Playback(t.Context(), "asset")
	if got := flags.explain(fmt.Errorf("ask: %w", err)).Error(); !strings.Contains(got, "start one with `weir serve`") || strings.Contains(got, "Post") {
		t.Errorf("explain = %q", got)
	}
	if said := weir.Errorf(weir.NotFound, "no such asset"); !errors.Is(flags.explain(said), said) {
		t.Error("explain changes what the server said")
	}
}

// An interrupted upload says that it came to nothing, and has exit code 1.
func TestIngestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, errOut strings.Builder
	code := run(ctx, []string{"ingest", "ingest_test.go", "--server", server.URL}, &out, &errOut)
	if want := "weir: stopped before the upload was complete"; code != exitFailed || !strings.Contains(errOut.String(), want) || out.Len() > 0 {
		t.Errorf("weir ingest, interrupted: exit code %d, %q, want 1, %q", code, errOut.String(), want)
	}
}
