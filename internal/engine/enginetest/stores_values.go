package enginetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
)

// ingestTexts: texts and ids come back as they were, or are refused as Invalid and nothing is stored.
func ingestTexts(t *testing.T, s IngestStore) {
	for i, text := range append(unusual(), unstorable()...) {
		r := asset(fmt.Sprint("t", i))
		r.Asset.Title, r.Asset.Reason, r.Asset.Master.Name = text, text, text
		storable(t, i < len(unusual()), text, s.Create(t.Context(), r))
		if got, err := s.Load(t.Context(), r.Asset.ID); weir.KindOf(err) != weir.NotFound || i < len(unusual()) {
			r.Revision = 1
			if diff := cmp.Diff(r, got); err != nil || diff != "" {
				t.Errorf("Load of %q = %v, -want +got:\n%s", text, err, diff)
			}
			storable(t, i < len(unusual()), text, s.Update(t.Context(), r))
		}
	}
	for i, text := range append(unusual()[1:8], unstorable()...) {
		storable(t, i < 7, text, s.Create(t.Context(), asset(text)))
		got, err := s.Load(t.Context(), text)
		if kind := weir.KindOf(err); err == nil && got.Asset.ID != text || i < 7 && err != nil || err != nil && kind != weir.Invalid && kind != weir.NotFound {
			t.Errorf("Load(%q) = %q, %v", text, got.Asset.ID, err)
		}
	}
}

func storable(t *testing.T, must bool, text string, err error) {
	t.Helper()
	if err != nil && (must || weir.KindOf(err) != weir.Invalid) {
		t.Errorf("storing %.40q = %v (%s)", text, err, weir.KindOf(err))
	}
}

// ingestCreateRace: of many who create one id, one succeeds.
func ingestCreateRace(t *testing.T, s IngestStore) {
	var won atomic.Int32
	atOnce(8, func(i int) {
		r := asset("a1")
		r.Asset.Title = fmt.Sprint(i)
		if err := s.Create(t.Context(), r); err == nil {
			won.Add(1)
		} else if weir.KindOf(err) != weir.Conflict {
			t.Errorf("Create = %v, want Conflict", err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 8 creations of one id succeeded", won.Load())
	}
}

// ended calls f with a ctx that was cancelled and one whose deadline passed.
func ended(t *testing.T, f func(ctx context.Context, check func(what string, err error))) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for _, e := range []struct {
		ctx  context.Context
		want weir.Kind
	}{{cancelled, weir.Unavailable}, {late, weir.Timeout}} {
		f(e.ctx, func(what string, err error) {
			t.Helper()
			if err == nil || weir.KindOf(err) != e.want {
				t.Errorf("%s with a context that has ended = %v (%s), want %s", what, err, weir.KindOf(err), e.want)
			}
		})
	}
}

func ingestEnded(t *testing.T, s IngestStore) {
	r := mustCreate(t, s, "a1")
	ended(t, func(ctx context.Context, check func(string, error)) {
		check("Create", s.Create(ctx, asset("a2")))
		check("Update", s.Update(ctx, r, fact(t, "a1", 2)))
		_, err := s.Load(ctx, "a1")
		check("Load", err)
		_, err = s.Uploading(ctx, "", 1)
		check("Uploading", err)
	})
	if got, err := s.Load(t.Context(), "a1"); err != nil || got.Revision != 1 || len(s.Facts(t)) != 0 {
		t.Errorf("afterwards Load = %+v, %v", got, err)
	}
}

func catalogTexts(t *testing.T, s CatalogStore) {
	for i, text := range append(unusual(), unstorable()...) {
		v := title("acme", fmt.Sprint("t", i))
		v.Name, v.Reason, v.Asset = text, text, text
		storable(t, i < len(unusual()), text, s.Save(t.Context(), v))
		if got, err := s.Load(t.Context(), "acme", v.ID); weir.KindOf(err) != weir.NotFound || i < len(unusual()) {
			v.Version = 1
			if diff := cmp.Diff(v, got); err != nil || diff != "" {
				t.Errorf("Load of %q = %v, -want +got:\n%s", text, err, diff)
			}
		}
	}
	for i, text := range append(unusual()[1:8], unstorable()...) {
		storable(t, i < 7, text, s.Save(t.Context(), title(text, text)))
		list, err := s.List(t.Context(), text, "\U0010ffff", 2)
		if n := len(list); i < 7 && n != 1 || n == 1 && list[0].ID != text || err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("List(%q) = %+v, %v", text, list, err)
		}
	}
}

// catalogSaveRace: of writers at one version, the first included, one wins, and only its fact goes out.
func catalogSaveRace(t *testing.T, s CatalogStore) {
	for version := range int64(5) {
		var won atomic.Int32
		f := fact(t, "t1", version+1)
		atOnce(8, func(i int) {
			v := title("acme", "t1")
			v.Version, v.Name = version, fmt.Sprint(i)
			if err := s.Save(t.Context(), v, f); err == nil {
				won.Add(1)
			} else if weir.KindOf(err) != weir.Conflict {
				t.Errorf("Save = %v, want Conflict", err)
			}
		})
		if won.Load() != 1 || len(s.Facts(t)) != int(version)+1 {
			t.Errorf("%d of 8 saves at version %d succeeded, with %d facts in all", won.Load(), version, len(s.Facts(t)))
		}
	}
}

func catalogEnded(t *testing.T, s CatalogStore) {
	mustSave(t, s, title("acme", "t1"))
	v := title("acme", "t1")
	v.Version = 1
	ended(t, func(ctx context.Context, check func(string, error)) {
		check("Save", s.Save(ctx, v, fact(t, "t1", 2)))
		check("first Save", s.Save(ctx, title("acme", "t2"), fact(t, "t2", 1)))
		_, err := s.Load(ctx, "acme", "t1")
		check("Load", err)
		_, err = s.List(ctx, "acme", "", 1)
		check("List", err)
	})
	if list, err := s.List(t.Context(), "acme", "", 9); err != nil || len(list) != 1 || list[0].Version != 1 || len(s.Facts(t)) != 0 {
		t.Errorf("afterwards List = %+v, %v", list, err)
	}
}

// catalogLong: a name of a megabyte is kept.
func catalogLong(t *testing.T, s CatalogStore) {
	v := title("acme", "t1")
	v.Name = fmt.Sprintf("%x", random(1<<19))
	v.Applied = map[string]catalog.Mark{}
	for i := range 1000 {
		v.Applied[fmt.Sprint("source-", i)] = catalog.Mark{Revision: int64(i)}
	}
	mustSave(t, s, v)
	v.Version = 1
	if got, err := s.Load(t.Context(), "acme", "t1"); err != nil || !cmp.Equal(got, v) {
		t.Errorf("Load of a title with a name of %d bytes = %d bytes, %v", len(v.Name), len(got.Name), err)
	}
}
