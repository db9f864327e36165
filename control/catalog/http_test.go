package catalog_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

func TestTitleAPI(t *testing.T) {
	r := newRig(t)
	r.ready("a")
	r.apply(weir.FactAssetPlayable, "a", 1, head)
	f := func(method, path, body string, status int, want string, header ...string) {
		t.Helper()
		if w := r.ask(method, path, body, header...); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s %s %v = %d %s, want %d with %q", method, path, body, header, w.Code, w.Body, status, want)
		}
	}
	item := `"asset":"a","state":"playable","duration":30.5,"created":"2026-03-01T12:00:00Z","poster":"/v1/assets/a/poster"}`
	f("GET", "/v1/titles", "", 200, `{"items":[{"id":"a","name":"Title of a",`+item+`]}`)
	f("GET", "/v1/titles/a", "", 200, `{"id":"a","name":"Title of a",`+item)
	f("GET", "/v1/titles/b", "", 404, "no such title")
	f("GET", "/v1/titles?limit=0", "", 422, "query.limit")
	f("GET", "/v1/titles?cursor=abc", "", 400, "not a cursor")
	f("GET", "/v1/titles?page=2", "", 422, "unknown query parameter")
	f("PATCH", "/v1/titles/a", `{"name":"New"}`, 412, "problems/precondition", "If-Match", `"1"`)
	f("PATCH", "/v1/titles/a", `{"name":"New"}`, 412, "problems/precondition", "If-Match", `W/"2"`)
	f("PATCH", "/v1/titles/a", `{"name":"New"}`, 200, `"name":"New"`, "If-Match", `"2"`)
	f("PATCH", "/v1/titles/a", `{"name":"Newer"}`, 200, `"name":"Newer"`)
	f("PATCH", "/v1/titles/a", `{"name":"Newest"}`, 200, `"name":"Newest"`, "If-Match", `*`)
	f("PATCH", "/v1/titles/a", `{"name":"  "}`, 400, "needs a name")
	f("PATCH", "/v1/titles/a", `{"name":"two\nlines"}`, 400, "one line")
	f("PATCH", "/v1/titles/a", `{"name":"x","state":"complete"}`, 422, "body.state")
	f("PATCH", "/v1/titles/b", `{"name":"x"}`, 404, "no such title")
	f("DELETE", "/v1/titles/b", "", 404, "no such title")
	f("DELETE", "/v1/titles/a", "", 204, "")
	f("DELETE", "/v1/titles/a", "", 410, "was deleted")
	f("GET", "/v1/titles/a", "", 410, "was deleted")
	f("GET", "/v1/titles", "", 200, `{"items":[]}`)
	if diff := cmp.Diff([]string{"default/a"}, r.assets.deleted); diff != "" {
		t.Errorf("deleted assets, -want +got:\n%s", diff)
	}
}

func TestETagNamesTheVersion(t *testing.T) {
	r := newRig(t)
	r.ready("a")
	first := r.ask("GET", "/v1/titles/a", "").Header().Get("ETag")
	renamed := r.ask("PATCH", "/v1/titles/a", `{"name":"New"}`, "If-Match", first).Header().Get("ETag")
	if now := r.ask("GET", "/v1/titles/a", "").Header().Get("ETag"); first != `"1"` || renamed != `"2"` || now != renamed {
		t.Errorf("ETags are %s, %s after a rename, then %s", first, renamed, now)
	}
}

func TestDeleteWhenTheAssetIsGoneAlready(t *testing.T) {
	r := newRig(t)
	r.ready("a")
	r.assets.err = weir.Errorf(weir.Gone, "gone")
	if w := r.ask("DELETE", "/v1/titles/a", ""); w.Code != http.StatusNoContent {
		t.Errorf("DELETE = %d %s", w.Code, w.Body)
	}
	r.ready("b")
	r.assets.err = weir.Errorf(weir.Unavailable, "later")
	if w := r.ask("DELETE", "/v1/titles/b", ""); w.Code != http.StatusServiceUnavailable || len(r.states()) != 1 {
		t.Errorf("DELETE while assets cannot be deleted = %d %s; titles %v", w.Code, w.Body, r.states())
	}
}

func TestPagesHoldEveryTitleOnce(t *testing.T) {
	r := newRig(t)
	want := []string{}
	for _, id := range strings.Split("g f e d c b a", " ") {
		want = append(want, id)
		r.ready(id)
	}
	got, cursor, pages := []string{}, "", 0
	for {
		w := r.ask("GET", "/v1/titles?limit=3&cursor="+cursor, "")
		var page catalog.Items
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
			t.Fatalf("page at %q = %d %s", cursor, w.Code, w.Body)
		}
		for _, i := range page.Items {
			got = append(got, i.ID)
		}
		pages++
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages, -want +got:\n%s", pages, diff)
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", catalog.CursorAfter("abc"), catalog.CursorAfter("../x"), "dDE6", "!!", "dDE6YQ=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		id, err := catalog.ParseCursor(cursor)
		switch {
		case err != nil && weir.KindOf(err) != weir.Invalid:
			t.Errorf("ParseCursor(%q) = %v, want invalid", cursor, err)
		case err == nil && cursor != "" && (!weir.ValidID(id) || catalog.CursorAfter(id) != cursor):
			t.Errorf("ParseCursor(%q) = %q, which is written %q", cursor, id, catalog.CursorAfter(id))
		}
	})
}
