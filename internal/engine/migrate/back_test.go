package migrate_test

import (
	"context"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

// realSet is an engine set on the real servers, on places of them that nobody has used.
func realSet(t *testing.T) engine.Config {
	t.Helper()
	own := strings.ToLower(weir.NewID(time.Now()))
	objects := address(t, "WEIR_TEST_MINIO", nil)
	bucket, query, _ := strings.Cut(objects, "?")
	stores := address(t, "WEIR_TEST_POSTGRES", map[string]string{"search_path": "migrate_" + own})
	statement(t, stores, `CREATE SCHEMA "migrate_`+own+`"`)
	t.Cleanup(func() { statement(t, stores, `DROP SCHEMA "migrate_`+own+`" CASCADE`) })
	return engine.Config{
		Data:     filepath.Join(t.TempDir(), "real"),
		Blobs:    strings.TrimSuffix(bucket, "/") + "/migrate-" + own + "?" + query,
		Stores:   stores,
		Bus:      address(t, "WEIR_TEST_KAFKA", map[string]string{"prefix": own + ".", "partitions": "3"}),
		Registry: address(t, "WEIR_TEST_CONSUL", map[string]string{"prefix": "migrate-" + own + "/"}),
	}
}

// address is a real engine's URL with parameters.
func address(t *testing.T, variable string, parameters map[string]string) string {
	t.Helper()
	base, query, _ := strings.Cut(enginetest.Address(t, variable), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values.Set(name, parameters[name])
	}
	if len(values) == 0 {
		return base
	}
	return base + "?" + values.Encode()
}

func statement(t *testing.T, url, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// From embedded engines to real ones and back: byte-equal objects, equal rows, and facts in their order.
func TestThereAndBack(t *testing.T) {
	real := realSet(t)
	from, back := demo(t, true), newTo(t)
	want := dump(t, from)
	for _, m := range []engine.Migration{{From: from, To: real}, {From: from, To: real}, {From: real, To: back}} {
		result := run(t, m)
		if !result.Equal {
			t.Errorf("result = %+v", result)
		}
		for _, line := range result.Lines {
			if line.From.Count == 0 || line.From != line.To || line.FromHash != line.ToHash {
				t.Errorf("%+v", line)
			}
		}
		if diff := cmp.Diff(want, dump(t, m.To)); diff != "" {
			t.Errorf("%s is not %s (-want +got):\n%s", m.To.Data, from.Data, diff)
		}
	}
	if key := rootKey(t, from); rootKey(t, real) != key || rootKey(t, back) != key {
		t.Error("the root key did not come along")
	}
}

// What was there before in the real engines is seen, and what somebody spoiled there.
func TestRealEnginesAreVerified(t *testing.T) {
	real, from := realSet(t), demo(t, false)
	run(t, engine.Migration{From: from, To: real})
	statement(t, real.Stores, `UPDATE plan SET body = body || '\x00' WHERE job = 'job-a-done'`)
	statement(t, real.Stores, `DELETE FROM outbox WHERE id = 2`)
	key := firstObject(t, real, 70_000)
	e := open(t, real)
	_, err := e.Blobs.Put(t.Context(), key, strings.NewReader(strings.Repeat("x", 70_000)), weir.PutOptions{})
	if err == nil {
		err = e.Bus.Publish(t.Context(), weir.Message{Topic: weir.TopicFacts, Key: "stranger", Value: []byte("x")})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, line := range run(t, engine.Migration{From: from, To: real}).Lines {
		if !line.Equal {
			got[line.Part] = strings.Join(line.Differ, "; ")
		}
	}
	want := map[string]string{"outbox": "only FROM has 2", "plan": "differs: job-a-done", "objects": "differs: " + key,
		"facts": "only TO has 1 facts, such as one of stranger"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	another := engine.Config{Data: filepath.Join(t.TempDir(), "another"), Blobs: real.Blobs, Stores: real.Stores, Bus: real.Bus, Registry: real.Registry}
	fails(t, engine.Migration{From: from, To: another}, weir.Conflict, "it holds another object "+key+" than FROM")
}

// Engines that both sides share are left alone: a data folder moves by itself.
func TestSharedEnginesAreLeftAlone(t *testing.T) {
	real, from := realSet(t), demo(t, false)
	run(t, engine.Migration{From: from, To: real})
	moved := real
	moved.Data = newTo(t).Data
	var parts []string
	result := run(t, engine.Migration{From: real, To: moved})
	for _, line := range result.Lines {
		parts = append(parts, line.Part)
	}
	if !result.Equal || !slices.Equal(parts, []string{"uploads"}) {
		t.Errorf("result = %+v, want uploads only", result)
	}
	if diff := cmp.Diff(dump(t, real), dump(t, moved)); diff != "" {
		t.Errorf("the sets differ (-from +to):\n%s", diff)
	}
}

// A real set whose engines lose the migration's process is finished by the next one.
func TestKilledOnRealEngines(t *testing.T) {
	from := demo(t, false)
	want := dump(t, from)
	for _, at := range []string{"migrate.put-object:2", "migrate.put-outbox:1", "migrate.published:1"} {
		to := realSet(t)
		killed(t, from, to, at)
		if result := run(t, engine.Migration{From: from, To: to}); !result.Equal {
			t.Errorf("after %s: %+v", at, result)
		}
		if diff := cmp.Diff(want, dump(t, to)); diff != "" {
			t.Errorf("after %s TO is not FROM (-from +to):\n%s", at, diff)
		}
	}
}
