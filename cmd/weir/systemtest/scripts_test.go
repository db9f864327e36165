package systemtest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// patience bounds every wait of a script.
const patience = 20 * time.Second

// TestScripts runs the stories of testdata. Besides testscript's own commands they have:
//
//	exits CODE PROGRAM ARG...   run a program and want its exit code
//	serve [FLAG...]             start weir on ports of its own and the folder data; sets $LISTEN, $EDGE and $ADMIN, writes the
//	                            line it prints when ready to ready.json
//	sigterm                     stop it gracefully: exit code 0 within its bound; its log is in serve.log
//	clip FILE SECONDS           make a master: see scripts/demo-master
//	field KEY VARIABLE          set a variable to a value of the JSON object printed last
//	get STATUS URL              get a URL until it has the status; its body is stdout
//	await STATE                 wait until the newest asset is in the state; it is too late if it is beyond; sets $ASSET
//	port VARIABLE               set a variable to a free 127.0.0.1:PORT
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs(weirBin)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			own := filepath.Join(e.WorkDir, ".bin") // weir alone: what a script sets PATH to to have no ffmpeg
			if err := os.Mkdir(own, 0o700); err != nil {
				return err
			}
			e.Setenv("BIN", own)
			e.Setenv("PATH", own+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("COLUMNS", "100")
			e.Setenv("ROOT", root)
			e.Values[storyKey{}] = &story{t: e.T().(testing.TB)}
			return os.Symlink(bin, filepath.Join(own, "weir"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "serve": startServer, "sigterm": stopServer, "clip": makeClip,
			"field": field, "get": get, "await": await, "port": port,
		},
	})
}

type storyKey struct{}

// story is what a script holds besides its folder and environment.
type story struct {
	t      testing.TB
	server *server
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

// usage ends the script unless a command stands there as it must.
func usage(ts *testscript.TestScript, neg, right bool, text string) {
	if neg || !right {
		ts.Fatalf("usage: %s", text)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "exits CODE PROGRAM ARG...")
	err := ts.Exec(args[1], args[2:]...)
	code, ended := 0, (*exec.ExitError)(nil)
	if errors.As(err, &ended) {
		code, err = ended.ExitCode(), nil
	}
	ts.Check(err)
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, "serve [FLAG...]")
	st := storyOf(ts)
	s, err := tryServe(st.t, ts.MkAbs("data"), nil, args...)
	ts.Check(err)
	ts.Defer(s.kill)
	st.server = s
	for name, value := range map[string]string{"LISTEN": s.Listen, "EDGE": s.Edge, "ADMIN": s.Admin} {
		ts.Setenv(name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs("ready.json"), []byte(s.ready), 0o600))
}

func stopServer(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 0, "sigterm")
	s := storyOf(ts).server
	s.stop()
	ts.Check(os.WriteFile(ts.MkAbs("serve.log"), []byte(s.log.String()), 0o600))
}

func makeClip(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "clip FILE SECONDS")
	ts.Check(ts.Exec(filepath.Join(ts.Getenv("ROOT"), "scripts", "demo-master"), ts.MkAbs(args[0]), args[1], "320x180", "25"))
}

func field(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "field KEY VARIABLE")
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	value, ok := object[args[0]]
	if !ok {
		ts.Fatalf("there is no %q in what was printed", args[0])
	}
	ts.Setenv(args[1], fmt.Sprint(value))
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "get STATUS URL")
	var status string
	ok := eventually(func() bool {
		resp, err := http.Get(args[1])
		ts.Check(err)
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
		ts.Check(err)
		if status = strconv.Itoa(resp.StatusCode); status != args[0] {
			return false
		}
		_, err = ts.Stdout().Write(body)
		ts.Check(err)
		return true
	})
	if !ok {
		ts.Fatalf("%s answers %s, want %s", args[1], status, args[0])
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "await STATE")
	order := map[string]int{"uploading": 1, "queued": 2, "probing": 3, "encoding": 4, "complete": 5}
	var last string
	ok := eventually(func() bool {
		resp, err := http.Get(ts.Getenv("LISTEN") + "/v1/titles")
		ts.Check(err)
		defer resp.Body.Close()
		var titles struct {
			Items []struct{ Asset, State string }
		}
		ts.Check(json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&titles))
		if len(titles.Items) == 0 {
			return false
		}
		last = titles.Items[0].State
		ts.Setenv("ASSET", titles.Items[0].Asset)
		if order[last] > order[args[0]] {
			ts.Fatalf("the newest asset is %s already, want %s", last, args[0])
		}
		return last == args[0]
	})
	if !ok {
		ts.Fatalf("the newest asset is %q, want %s", last, args[0])
	}
}

func port(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "port VARIABLE")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// eventually asks until the answer is yes or patience ends.
func eventually(yes func() bool) bool {
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		if yes() {
			return true
		}
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
}
