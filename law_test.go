package weir_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weirstream/weir"

// sources lists every Go file of the repository, slash-separated and relative to the root.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "data" || d.Name() == "dist") {
			return fs.SkipDir
		}
		if d.IsDir() && p != "." {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own, which a real engine is built from
			}
		}
		if strings.HasSuffix(p, ".go") {
			files = append(files, filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(files)
	return files
}

// importsOf maps each package folder to what it imports, in tests or outside of them.
func importsOf(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range sources(t) {
		if strings.HasSuffix(f, "_test.go") != tests {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			out[path.Dir(f)] = append(out[path.Dir(f)], name)
		}
	}
	return out
}

// plane is the part of the house a folder belongs to.
func plane(folder string) string {
	switch first, rest, _ := strings.Cut(folder, "/"); {
	case folder == ".":
		return "contract"
	case first == "control":
		service, _, _ := strings.Cut(rest, "/")
		return "control/" + service
	case first == "internal":
		part, _, _ := strings.Cut(rest, "/")
		return "internal/" + part
	default:
		return first
	}
}

// mayImport is the import law: which parts of the house each part may use besides itself. cmd and tests may use all.
var mayImport = map[string][]string{
	"contract":         {},
	"manifests":        {"contract"},
	"edge":             {"contract", "manifests"},
	"transcode":        {"contract", "manifests"},
	"control/ingest":   {"contract", "manifests", "internal/web"},
	"control/catalog":  {"contract", "manifests", "internal/web"},
	"control/playback": {"contract", "manifests", "internal/web"},
	"control/gateway":  {"contract", "internal/web"},
	"internal/web":     {"contract"},
	"internal/client":  {"contract"},
	"internal/factlog": {"contract"},
	"internal/keyring": {"contract"},
	"internal/sole":    {"contract"},
	"internal/engine":  {"contract", "manifests", "transcode", "control/ingest", "control/catalog", "control/playback"},
	"players":          {},
	"nginx":            {"contract"},
	"bench":            {"contract", "manifests", "transcode"},
	"scripts":          {}, // engines.d/ferretdb, a module of its own
}

func TestImportLaw(t *testing.T) {
	for folder, imports := range importsOf(t, false) {
		from := plane(folder)
		if from == "cmd" {
			continue
		}
		allowed, known := mayImport[from]
		if !known {
			t.Errorf("%s: the import law does not know %q", folder, from)
		}
		for _, name := range imports {
			inside, ours := strings.CutPrefix(name, module)
			if !ours {
				continue
			}
			to := plane(strings.TrimPrefix(inside, "/"))
			if inside == "" {
				to = "contract"
			}
			if to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: %s may import only %v", folder, name, from, allowed)
			}
		}
	}
}

func TestContractIsStandardLibraryOnly(t *testing.T) {
	for _, name := range importsOf(t, false)["."] {
		if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
			t.Errorf("the contract imports %s", name)
		}
		for _, io := range []string{"os", "net", "net/http", "database/sql", "os/exec"} {
			if name == io {
				t.Errorf("the contract does I/O: it imports %s", name)
			}
		}
	}
}

// onlyUsers names the libraries that may be used in one place only.
var onlyUsers = map[string]string{
	"github.com/valyala/fasthttp":         "edge",
	"modernc.org/sqlite":                  "internal/engine",
	"github.com/pressly/goose":            "internal/engine",
	"github.com/danielgtaylor/huma":       "control internal/web",
	"github.com/tus/tusd":                 "control/ingest",
	"github.com/alecthomas/kong":          "cmd bench",
	"os/exec":                             "transcode cmd bench internal/engine/enginetest",
	"github.com/aws/aws-sdk-go-v2":        "internal/engine",
	"github.com/redis/go-redis":           "internal/engine",
	"github.com/segmentio/kafka-go":       "internal/engine",
	"github.com/jackc/pgx":                "internal/engine",
	"github.com/hashicorp/consul":         "internal/engine",
	"github.com/landlock-lsm/go-landlock": "transcode",
}

func TestLibrariesStayInTheirPlace(t *testing.T) {
	for folder, imports := range importsOf(t, false) {
		for _, name := range imports {
			for lib, users := range onlyUsers {
				if name != lib && !strings.HasPrefix(name, lib+"/") {
					continue
				}
				ok := false
				for _, user := range strings.Fields(users) {
					ok = ok || folder == user || strings.HasPrefix(folder, user+"/")
				}
				if !ok {
					t.Errorf("%s imports %s, which is for %s only", folder, name, users)
				}
			}
		}
	}
}

func TestOnlyEngineImportsAdapters(t *testing.T) {
	adapters := module + "/internal/engine/"
	for folder, imports := range importsOf(t, false) {
		for _, name := range imports {
			if strings.HasPrefix(name, adapters) && !strings.HasPrefix(folder, "internal/engine") {
				t.Errorf("%s imports the adapter %s", folder, name)
			}
		}
	}
}

func TestGoFilesHaveNoMachinePaths(t *testing.T) {
	for _, f := range sources(t) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"/ho" + "me/", "/ro" + "ot/"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s names a path of one machine (%s)", f, bad)
			}
		}
	}
}
