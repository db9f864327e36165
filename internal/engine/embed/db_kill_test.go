package embed_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/transcode"
)

// childDir names, for the child of TestKilledProcessLosesNothing, the folder it writes in.
const childDir = "WEIR_TEST_KILL_DIR"

// TestKilledProcessLosesNothing: a process that is killed with -9 between or in the middle of writes has on disk, when it
// starts again, all that it was told is durable. The child says each such thing on its standard output.
func TestKilledProcessLosesNothing(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	var jobs, messages []string
	for round := range 4 {
		for _, line := range killAfter(t, dir, 2+3*round) {
			if asset, ok := strings.CutPrefix(line, "job "); ok {
				jobs = append(jobs, asset)
			} else if value, ok := strings.CutPrefix(line, "message "); ok {
				messages = append(messages, value)
			}
		}
		checkJobs(t, dir, jobs)
		checkMessages(t, dir, messages)
	}
	if len(messages) == 0 {
		t.Error("no message was published beside the jobs")
	}
}

// killAfter runs the child until it has said that n jobs are done, and returns all that it said.
func killAfter(t *testing.T, dir string, n int) (said []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledProcessLosesNothing$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if !strings.HasPrefix(lines.Text(), "job ") {
			continue
		}
		if n--; n == 0 {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := child.Wait(); err == nil || n > 0 {
		t.Fatalf("the child ended by itself, %v, after %q", err, said)
	}
	return said
}

// writeUntilKilled publishes messages, and beside that makes jobs, each with claims, a record and a fact.
func writeUntilKilled(t *testing.T, dir string) {
	db, b := openStores(t, filepath.Join(dir, "stores.db")), openBus(t, filepath.Join(dir, "bus.db"))
	go func() {
		for t.Context().Err() == nil {
			id := weir.NewID(time.Now())
			if err := b.Publish(t.Context(), weir.Message{Topic: "t", Key: "k", Value: []byte(id)}); err != nil {
				return
			}
			fmt.Println("message", id)
		}
	}()
	l := &embed.Ledger{DB: db}
	for {
		asset := weir.NewID(time.Now())
		if err := oneJob(t.Context(), l, asset); err != nil {
			t.Fatal(err)
		}
		fmt.Println("job", asset)
	}
}

func oneJob(ctx context.Context, l *embed.Ledger, asset string) error {
	now := time.Unix(1000, 0)
	job := newJob(asset, now)
	if err := l.Create(ctx, job); err != nil {
		return err
	}
	c, err := claimOf(ctx, l, job)
	if err != nil {
		return err
	}
	if err := l.Planned(ctx, c, []byte("p"), []weir.Task{{N: 1}}); err != nil {
		return err
	}
	if c, err = claimOf(ctx, l, job); err != nil {
		return err
	}
	if err := l.Record(ctx, c, weir.Record{Body: []byte("r")}, true); err != nil {
		return err
	}
	return l.Assembled(ctx, c.Job, 1, true, newFact(asset, 1))
}

// claimOf claims tasks until one is of this job, and holds those that killed processes left.
func claimOf(ctx context.Context, l *embed.Ledger, job weir.Job) (weir.Claim, error) {
	for {
		c, err := l.Claim(ctx, transcode.ClaimRequest{Now: job.Created, Until: job.Created.Add(time.Minute)})
		if err != nil || c.Job.ID == job.ID {
			return c, err
		}
	}
}

// checkJobs: these jobs are done and their facts in the outbox.
func checkJobs(t *testing.T, dir string, assets []string) {
	t.Helper()
	db := openStores(t, filepath.Join(dir, "stores.db"))
	defer func() { _ = db.Close() }()
	facts := map[string]bool{}
	for _, f := range outbox(t, db) {
		facts[f.Subject] = true
	}
	l := &embed.Ledger{DB: db}
	for _, asset := range assets {
		job, tasks, err := l.Job(t.Context(), asset)
		if err != nil || job.State != weir.JobDone || len(tasks) != 2 || !facts[asset] {
			t.Errorf("job of %s is %s with %d tasks, fact %t, %v", asset, job.State, len(tasks), facts[asset], err)
		}
	}
	var whole string
	if err := db.Reader().QueryRow("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("integrity check: %s, %v", whole, err)
	}
}

// checkMessages: these messages come, in this order.
func checkMessages(t *testing.T, dir string, want []string) {
	t.Helper()
	b := openBus(t, filepath.Join(dir, "bus.db"))
	defer func() { _ = b.Close() }()
	end := weir.NewID(time.Now())
	say(t, b, "k", end)
	for _, value := range hear(t, b, end, end) {
		if len(want) > 0 && value == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("%d messages did not come, of which the first is %s", len(want), want[0])
	}
}
