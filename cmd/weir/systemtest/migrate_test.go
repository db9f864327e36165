package systemtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

// TestMigrateDemo takes the demo catalog off the laptop and back with the plain binary: two titles are made in a data folder,
// go to real engines, play there, go back to a fresh folder and play there too. Every manifest and segment is what it was, and
// in the end objects, rows and unfinished uploads are, byte for byte.
func TestMigrateDemo(t *testing.T) {
	dir := t.TempDir()
	laptop, real, back := filepath.Join(dir, "laptop"), filepath.Join(dir, "real"), filepath.Join(dir, "back")
	cluster := clusterFile(t, dir, laptop, real)

	s := serve(t, laptop, "--chunk-seconds", "4", "--preset", "ultrafast")
	assets := []string{s.ingest(clip(t, 12, "640x360", 30)).Asset, s.ingest(clip(t, 8, "320x180", 30)).Asset}
	want := plays(t, s, assets)
	s.stop()
	made := holds(t, laptop)

	migrates(t, laptop, cluster)
	s = serve(t, real, "--roles", "all", "--config", cluster)
	if diff := cmp.Diff(want, plays(t, s, assets)); diff != "" {
		t.Errorf("on real engines the titles play otherwise (-laptop +real):\n%s", diff)
	}
	s.stop()

	migrates(t, cluster, back)
	if diff := cmp.Diff(made, holds(t, back)); diff != "" {
		t.Errorf("what came back is not what went (-laptop +back):\n%s", diff)
	}
	s = serve(t, back)
	if diff := cmp.Diff(want, plays(t, s, assets)); diff != "" {
		t.Errorf("back home the titles play otherwise (-laptop +back):\n%s", diff)
	}
	s.stop()
	if diff := cmp.Diff(made, holds(t, laptop)); diff != "" {
		t.Errorf("FROM was changed (-before +after):\n%s", diff)
	}
}

// clusterFile describes real engines, on places of them that nobody has used. The root key is the one that the laptop will make.
func clusterFile(t *testing.T, dir, laptop, data string) string {
	t.Helper()
	id := make([]byte, 4)
	_, _ = rand.Read(id)
	name := "demo" + hex.EncodeToString(id)
	b, err := json.Marshal(map[string]string{
		"data": data, "root-key": "@" + filepath.Join(laptop, "root.key"),
		"blobs":    s3URL(t, name),
		"stores":   newDatabase(t, name),
		"bus":      withQuery(t, enginetest.Address(t, "WEIR_TEST_KAFKA"), "prefix", name+"."),
		"cache":    withQuery(t, enginetest.Address(t, "WEIR_TEST_REDIS"), "prefix", name+":"),
		"registry": withQuery(t, enginetest.Address(t, "WEIR_TEST_CONSUL"), "prefix", name+"/"),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// migrates runs weir migrate-store and wants everything there and equal.
func migrates(t *testing.T, from, to string) {
	t.Helper()
	code, out, errOut := weir(t, "migrate-store", from, to, "--json")
	var result engine.MigrationResult
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 {
		t.Fatalf("weir migrate-store %s %s = %d %v\n%s%s", from, to, code, err, out, errOut)
	}
	if !result.Equal || !result.Copied {
		t.Errorf("weir migrate-store %s %s: %s", from, to, out)
	}
	for _, line := range result.Lines {
		some := slices.Contains([]string{"objects", "job", "plan", "task", "record", "asset", "title", "values", "facts"}, line.Part)
		if line.From != line.To || line.FromHash != line.ToHash || some && line.From.Count == 0 {
			t.Errorf("weir migrate-store %s %s: %+v", from, to, line)
		}
	}
}

// plays reads the catalog and, with fresh tickets, all that the assets' playlists name. It returns the sums by what was read.
func plays(t *testing.T, s *server, assets []string) map[string]string {
	t.Helper()
	out := map[string]string{"catalog": string(fetch(t, s.Listen+"/v1/titles?limit=100", 200))}
	for _, asset := range assets {
		code, text, errOut := weir(t, "ticket", asset, "--server", s.Listen, "--json")
		var at struct{ HLS, DASH string }
		if err := json.Unmarshal([]byte(text), &at); code != 0 || err != nil {
			t.Fatalf("weir ticket %s = %d %v\n%s%s", asset, code, err, text, errOut)
		}
		read := func(name, url string) string {
			body := fetch(t, url, 200)
			out[asset+" "+name] = fmt.Sprintf("%x", sha256.Sum256(body))
			return string(body)
		}
		main, segments := read("main.m3u8", at.HLS), 0
		read("DASH", at.DASH)
		for _, m := range regexp.MustCompile(`[0-9a-z]+\.m3u8`).FindAllString(main, -1) {
			list := resolve(t, at.HLS, m)
			for _, ref := range segmentLine.FindAllString(read(m, list), -1) {
				read(m+" "+ref, resolve(t, list, ref))
				segments++
			}
		}
		if segments < 4 {
			t.Errorf("%s lists %d segments:\n%s", at.HLS, segments, main)
		}
	}
	return out
}

// holds is what a data folder holds: the sum of each object and upload, and each row.
func holds(t *testing.T, data string) map[string]string {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Config{Data: data, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out := map[string]string{}
	for _, folder := range []string{"blobs", "uploads"} {
		if err := sums(filepath.Join(data, folder), folder, out); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := e.Tables.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		slices.Sort(table.Columns)
		rows, err := e.Tables.Rows(t.Context(), table, nil, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			out[fmt.Sprintf("row %d of %s", i, table.Name)] = fmt.Sprintf("%q", row)
		}
	}
	return out
}

// sums adds each file below a folder, if there is one, but for what tells who has the folder.
func sums(dir, name string, out map[string]string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil && path == dir && os.IsNotExist(err) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() || d.Name() == ".lock" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		out[name+strings.TrimPrefix(path, dir)] = hex.EncodeToString(h.Sum(nil))
		return nil
	})
}
