package migrate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/engine/migrate"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/transcode"
)

// noon has microseconds, which every engine keeps.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// demo is a data folder with something of everything, of the size given: large has rows and objects of many pages.
func demo(t *testing.T, large bool) engine.Config {
	t.Helper()
	c := engine.Config{Data: filepath.Join(t.TempDir(), "from")}
	e := open(t, c)
	d := demoMaker{T: t, e: e, seed: rand.NewChaCha8([32]byte{1})}
	d.jobs()
	d.assets()
	d.titles()
	d.facts(12)
	d.uploads()
	d.objects(0, 1, 70_000)
	if large {
		d.manyRows()
		d.facts(700)
		d.objects(20<<20, 6<<20)
		for range 300 {
			d.objects(10)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c engine.Config) *engine.Engines {
	t.Helper()
	c.Quiet = true
	e, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

type demoMaker struct {
	*testing.T
	e    *engine.Engines
	seed *rand.ChaCha8
	made int
}

func (d *demoMaker) must(what string, err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("%s: %v", what, err)
	}
}

// jobs are one of each state, with tasks in all of theirs, a plan of megabytes and a lease that still runs.
func (d *demoMaker) jobs() {
	ctx, l := d.Context(), d.e.Ledger
	for i, asset := range []string{"a-pending", "a-running", "a-done", "a-failed", "a-cancelled"} {
		at := noon.Add(time.Duration(i) * time.Second)
		d.must("Create", l.Create(ctx, weir.Job{ID: "job-" + asset, Organisation: "org", Asset: asset, Created: at,
			Master: weir.Master{ID: asset, Organisation: "org", Name: "ä.mkv", Size: 5, SHA256: "ab", Created: at}}))
		if asset == "a-pending" {
			d.must("Cancel", l.Cancel(ctx, asset, at)) // out of the way of the claims below
			continue
		}
		request := transcode.ClaimRequest{Worker: "w", Tools: []string{"x264 1"}, Now: at, Until: at.Add(time.Hour)}
		c, err := l.Claim(ctx, request)
		d.must("Claim", err)
		plan := bytes.Repeat([]byte("plan "+asset), 200_000)
		d.must("Planned", l.Planned(ctx, c, plan, []weir.Task{{N: 1, Kind: weir.TaskVideo, Tool: "x264 1", Total: 100}, {N: 2, Kind: weir.TaskStill}}))
		if c, err = l.Claim(ctx, request); err != nil {
			d.Fatal(err)
		}
		switch asset {
		case "a-failed":
			d.must("Fail", l.Fail(ctx, c, "It is no film.", true, 3))
		case "a-cancelled":
			d.must("Cancel", l.Cancel(ctx, asset, at))
		default:
			d.must("Heartbeat", l.Heartbeat(ctx, c, 40, at.Add(time.Hour)))
			d.must("Record", l.Record(ctx, c, weir.Record{Body: []byte("{\"x\":1}\x00\xff")}, asset == "a-done"))
		}
		job, _, err := l.Job(ctx, asset)
		d.must("Job", err)
		d.must("Assembled", l.Assembled(ctx, job, 1, asset == "a-done", d.fact(asset, 7)))
	}
	_, err := l.Replan(ctx, []string{"x264 1"}, noon, noon.Add(-time.Hour))
	d.must("Replan", err)
}

func (d *demoMaker) fact(subject string, revision int64) weir.Fact {
	f, err := weir.NewFact(noon, weir.FactAssetPlayable, "test", "org", subject, revision, map[string]string{"ö": "ü"})
	d.must("NewFact", err)
	return f
}

func (d *demoMaker) assets() {
	ctx, s := d.Context(), d.e.Ingest
	for i, state := range []weir.AssetState{weir.AssetUploading, weir.AssetReceived, weir.AssetFailed, weir.AssetDeleted} {
		r := ingest.Record{Declared: "ab", Asset: weir.Asset{ID: fmt.Sprint("asset-", i), Organisation: "org", Title: "Тitle ✓",
			State: weir.AssetUploading, Created: noon, Master: weir.Master{Name: "a b.mp4", Size: 1 << 40}}}
		d.must("Create", s.Create(ctx, r))
		if state == weir.AssetUploading {
			continue
		}
		r.Revision, r.Asset.State, r.Asset.Reason, r.Asset.Master.SHA256 = 1, state, "why", strings.Repeat("0f", 32)
		if state == weir.AssetDeleted {
			r.Asset.Deleted = noon.Add(time.Hour)
		}
		d.must("Update", s.Update(ctx, r, d.fact(r.Asset.ID, 2)))
	}
	d.must("Collected", s.Collected(ctx, "asset-3"))
}

func (d *demoMaker) titles() {
	for i, state := range []catalog.State{catalog.Playable, catalog.Deleted, "encoding"} {
		title := catalog.Title{ID: fmt.Sprint("title-", i), Organisation: "org", Name: "Name ✓ \"'", Asset: "asset-1", State: state, Reason: "r",
			Duration: weir.Rational{Num: 1001, Den: 24000}, Created: noon, Applied: map[string]catalog.Mark{"ingest": {Revision: 2, Step: 1}}}
		d.must("Save", d.e.Catalog.Save(d.Context(), title, d.fact(title.ID, 1)))
	}
	keys := keyring.Keys{Registry: d.e.Registry, Root: d.e.Folder.RootKey}
	_, err := keys.Current(d.Context(), weir.DefaultOrganisation)
	d.must("ticket keys", err)
	for key, value := range map[string]string{"settings/empty": "", "settings/large": strings.Repeat("v", 400_000), "sole/control": "process 7"} {
		_, err := d.e.Registry.PutKV(d.Context(), key, []byte(value), 0)
		d.must("PutKV", err)
	}
}

// facts are on the bus already; wake-ups, too.
func (d *demoMaker) facts(n int) {
	messages := []weir.Message{{Topic: weir.TopicWake}}
	for range n {
		d.made++
		messages = append(messages, weir.Message{Topic: weir.TopicFacts, Key: fmt.Sprint("subject-", d.made%5), Value: fmt.Appendf(nil, "fact %d", d.made), Time: noon})
	}
	d.must("Publish", d.e.Bus.Publish(d.Context(), messages...))
}

func (d *demoMaker) uploads() {
	dir := d.e.Folder.Path("uploads")
	d.must("Mkdir", os.Mkdir(dir, 0o700))
	info := fmt.Sprintf(`{"ID":"asset-0","Size":9,"Offset":0,"Storage":{"Type":"filestore","Path":%q}}`, filepath.Join(dir, "asset-0"))
	for name, content := range map[string]string{"asset-0": "half of", "asset-0.info": info, "empty": ""} {
		path := filepath.Join(dir, name)
		d.must("WriteFile", os.WriteFile(path, []byte(content), 0o600))
		d.must("Chtimes", os.Chtimes(path, noon, noon))
	}
}

func (d *demoMaker) objects(sizes ...int) {
	for _, size := range sizes {
		d.made++
		content := make([]byte, size)
		_, _ = d.seed.Read(content) // never fails
		key := fmt.Sprintf("media/org/asset-%d/object-%d.cmf", d.made%3, d.made)
		_, err := d.e.Blobs.Put(d.Context(), key, bytes.NewReader(content), weir.PutOptions{})
		d.must("Put", err)
	}
}

// manyRows fills several pages of tasks and records.
func (d *demoMaker) manyRows() {
	var tasks, records []migrate.Row
	for n := int64(10); n < 1300; n++ {
		tasks = append(tasks, migrate.Row{"job-a-done", n, "org", "video", n, "", int64(1), "done"})
		records = append(records, migrate.Row{"job-a-done", n, int64(0), "org", []byte(strings.Repeat("r", int(n)))})
	}
	ctx := d.Context()
	d.must("PutRows", d.e.Tables.PutRows(ctx, migrate.Table{Name: "task", Key: []string{"job", "n"},
		Columns: []string{"job", "n", "organisation", "kind", "wanted", "tool", "total", "state"}}, tasks))
	d.must("PutRows", d.e.Tables.PutRows(ctx, migrate.Table{Name: "record", Key: []string{"job", "task", "seq"},
		Columns: []string{"job", "task", "seq", "organisation", "body"}}, records))
}

// dump is all a set holds as text, one entry a line, sorted; facts once each, in order by key.
func dump(t *testing.T, c engine.Config) []string {
	t.Helper()
	e := open(t, c)
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []string
	line := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	dumpObjects(t, e, line)
	dumpRows(t, e, line)
	for _, p := range pairs(t, e) {
		if !strings.HasPrefix(p.Key, "sole/") {
			line("value %s %x", p.Key, sha256.Sum256(p.Value))
		}
	}
	for key, values := range factsByKey(t, e) {
		line("facts %s %q", key, values)
	}
	entries, err := os.ReadDir(e.Folder.Path("uploads"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(e.Folder.Path("uploads/" + entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name(), ".info") {
			content = nil // it names its folder, so it is not the same everywhere
		}
		line("upload %s %q", entry.Name(), content)
	}
	slices.Sort(out)
	return out
}

func dumpObjects(t *testing.T, e *engine.Engines, line func(string, ...any)) {
	t.Helper()
	all, err := e.Blobs.List(t.Context(), "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		r, _, err := e.Blobs.Get(t.Context(), o.Key, 0, -1, "")
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		line("object %s %d %s", o.Key, o.Size, hex.EncodeToString(h.Sum(nil)))
	}
}

func dumpRows(t *testing.T, e *engine.Engines, line func(string, ...any)) {
	t.Helper()
	tables, err := e.Tables.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		slices.Sort(table.Columns)
		var after []any
		for {
			rows, err := e.Tables.Rows(t.Context(), table, after, 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				text := ""
				for _, v := range row {
					if b, ok := v.([]byte); ok {
						v = fmt.Sprintf("%x", sha256.Sum256(b))
					}
					text += fmt.Sprintf(" %v", v)
				}
				line("row %s%s", table.Name, text)
				after = nil
				for _, k := range table.Key {
					after = append(after, row[slices.Index(table.Columns, k)])
				}
			}
		}
	}
}

func pairs(t *testing.T, e *engine.Engines) []weir.KVPair {
	t.Helper()
	all, err := e.Registry.(migrate.Registry).Pairs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// factsByKey are the values of each key in the order in which they came first.
func factsByKey(t *testing.T, e *engine.Engines) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := e.Bus.(migrate.Bus).Scan(t.Context(), weir.TopicFacts, func(m weir.Message) error {
		if !slices.Contains(out[m.Key], string(m.Value)) {
			out[m.Key] = append(out[m.Key], string(m.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// run runs a migration between two sets, and wants no error.
func run(t *testing.T, m engine.Migration) engine.MigrationResult {
	t.Helper()
	result, err := m.Run(t.Context())
	if err != nil {
		t.Fatalf("Migration.Run = %v", err)
	}
	return result
}

// fails wants an error of the kind, with the sentence in it.
func fails(t *testing.T, m engine.Migration, kind weir.Kind, sentence string) {
	t.Helper()
	_, err := m.Run(context.WithoutCancel(t.Context()))
	if err == nil || weir.KindOf(err) != kind || !strings.Contains(err.Error(), sentence) {
		t.Errorf("Migration.Run = %v (%v), want %v with %q", err, weir.KindOf(err), kind, sentence)
	}
}
