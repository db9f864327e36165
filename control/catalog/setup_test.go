package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/web"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// assets notes who was deleted.
type assets struct {
	deleted []string
	err     error
}

// Delete notes.
func (a *assets) Delete(_ context.Context, organisation, asset string) error {
	a.deleted = append(a.deleted, organisation+"/"+asset)
	return a.err
}

// rig is a catalog on the embedded engine.
type rig struct {
	t       *testing.T
	db      *embed.DB
	service *catalog.Service
	assets  *assets
	api     *web.API
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := embed.OpenStores(t.Context(), filepath.Join(t.TempDir(), "stores.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log := slog.New(slog.DiscardHandler)
	r := &rig{t: t, db: db, assets: &assets{}, api: web.NewAPI("test", log)}
	r.service = &catalog.Service{Store: &embed.Catalog{DB: db}, Assets: r.assets, Now: func() time.Time { return noon }, Log: log}
	r.service.Register(r.api)
	return r
}

// newFact is one of the default organisation.
func newFact(t *testing.T, kind, asset string, revision int64, data any) weir.Fact {
	t.Helper()
	source, _, _ := strings.Cut(kind, ".")
	f, err := weir.NewFact(noon, kind, source, weir.DefaultOrganisation, asset, revision, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (r *rig) apply(kind, asset string, revision int64, data any) {
	r.t.Helper()
	if err := r.service.Apply(r.t.Context(), newFact(r.t, kind, asset, revision, data)); err != nil {
		r.t.Fatalf("Apply(%s of %s at %d) = %v", kind, asset, revision, err)
	}
}

// ready is a title whose master is there.
func (r *rig) ready(asset string) {
	r.t.Helper()
	r.apply(weir.FactMasterReady, asset, 2, weir.Asset{ID: asset, Title: "Title of " + asset, Created: noon})
}

var head = weir.Head{Duration: weir.Rational{Num: 61, Den: 2}}

// states is "name state duration" of every listed title, newest first.
func (r *rig) states() []string {
	r.t.Helper()
	list, err := r.service.Store.List(r.t.Context(), weir.DefaultOrganisation, "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	out := []string{}
	for _, t := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %g %s", t.Name, t.State, t.Duration.Float(), t.Reason)))
	}
	return out
}

// facts are the types and revisions of what is in the outbox.
func (r *rig) facts() []string {
	r.t.Helper()
	rows, err := r.db.Reader().QueryContext(r.t.Context(), "SELECT fact FROM outbox ORDER BY id")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	list := []string{}
	for rows.Next() {
		var b []byte
		var f weir.Fact
		if err := rows.Scan(&b); err != nil {
			r.t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f); err != nil {
			r.t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", f.Type, f.Revision))
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// ask sends one request. Headers are given as name, value ...
func (r *rig) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)
	return w
}
