package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
	"github.com/weirstream/weir/transcode"
)

func wantKind(t *testing.T, what string, err error, want weir.Kind) {
	t.Helper()
	if err == nil || weir.KindOf(err) != want {
		t.Errorf("%s = %v (%s), want %s", what, err, weir.KindOf(err), want)
	}
}

func newJob(asset string) weir.Job {
	return weir.Job{ID: "job-" + asset, Organisation: "org", Asset: asset, Created: time.Unix(1000, 0), Master: weir.Master{ID: "master-" + asset}}
}

// execute runs statements on a connection of its own.
func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		for _, s := range statements {
			if _, err := c.Exec(ctx, s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	})
}

// TestOpenAtOnce: processes that start together on an empty database all find it ready.
func TestOpenAtOnce(t *testing.T) {
	url := schema(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			db, err := postgres.Open(t.Context(), url, nil)
			if err != nil {
				t.Errorf("Open = %v", err)
				return
			}
			defer func() { _ = db.Close() }()
			if err := (&postgres.Ledger{DB: db}).Create(t.Context(), newJob(fmt.Sprint("a", i))); err != nil {
				t.Errorf("Create = %v", err)
			}
		})
	}
	all.Wait()
}

func TestOpenRefusesNewer(t *testing.T) {
	url := schema(t)
	_ = open(t, url).Close()
	execute(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (15, true)")
	_, err := postgres.Open(t.Context(), url, nil)
	wantKind(t, "Open of a newer schema", err, weir.Conflict)
	if err != nil && !strings.Contains(err.Error(), "newer version of weir (schema 15") {
		t.Errorf("Open = %q, want it to name the schema", err)
	}
}

func TestOpenURL(t *testing.T) {
	f := func(url string, want weir.Kind, says string) {
		t.Helper()
		_, err := postgres.Open(t.Context(), url, nil)
		wantKind(t, "Open("+url+")", err, want)
		if err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("Open(%s) = %q, want it to say %q, and no password", url, err, says)
		}
	}
	f("postgres://u:secret@h/d?nonsense=1", weir.Invalid, `"nonsense" is no parameter of the stores' URL; possible: application_name, call_timeout`)
	f("postgres://u:secret@h/d?call_timeout=soon", weir.Invalid, "call_timeout=soon")
	f("postgres://u:secret@h/d?pool_max_conns=none", weir.Invalid, "pool_max_conns")
	f("postgres://u:secret@h:port/d", weir.Invalid, "not of the form")
	f("mysql://u:secret@h/d", weir.Invalid, "not of the form")
	f("postgres://u:secret@127.0.0.1:1/d?sslmode=disable", weir.Unavailable, "connection refused")
	f(with(t, server(t), "search_path", "no_such_schema"), weir.Invalid, "search_path")
	f(strings.Replace(server(t), ":weir@", ":secret@", 1), weir.Internal, "password authentication")
	f(with(t, server(t), "target_session_attrs", "read-only"), weir.Unavailable, "cannot be reached")
}

// TestOpenFindsThePrimary: of several servers it is the one that can be written to, not one that is away or only follows.
func TestOpenFindsThePrimary(t *testing.T) {
	replica := enginetest.Address(t, "WEIR_TEST_POSTGRES_REPLICA")
	url := schema(t)
	l := &postgres.Ledger{DB: open(t, through(t, url, "127.0.0.1:1,"+host(t, replica)+","+host(t, url)))}
	if err := l.Create(t.Context(), newJob("a1")); err != nil {
		t.Errorf("Create = %v", err)
	}
	_, err := postgres.Open(t.Context(), replica, nil)
	wantKind(t, "Open of a replica alone", err, weir.Unavailable)
}

// TestErrorKinds: what the server refuses gets its kind. A trigger stands in for what cannot be brought about here.
func TestErrorKinds(t *testing.T) {
	url := schema(t)
	l := &postgres.Ledger{DB: open(t, with(t, url, "call_timeout", "5s"))}
	for _, c := range []struct {
		state string
		want  weir.Kind
	}{{"53100", weir.Full}, {"53200", weir.Unavailable}, {"57014", weir.Timeout}, {"25006", weir.Unavailable}, {"40001", weir.Unavailable}, {"57P03", weir.Unavailable},
		{"23505", weir.Conflict}, {"22021", weir.Invalid}, {"XX000", weir.Internal}} {
		execute(t, url, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '`+c.state+`'; END $$`,
			"CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION refuse()")
		wantKind(t, "Create refused with "+c.state, l.Create(t.Context(), newJob("a1")), c.want)
	}
}

// TestRunsAgain: a transaction that the server gave up is run again. A sequence counts, since nothing takes it back.
func TestRunsAgain(t *testing.T) {
	for _, state := range []string{"40001", "40P01"} {
		url := schema(t)
		l := &postgres.Ledger{DB: open(t, url)}
		execute(t, url, "CREATE SEQUENCE tries", `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN IF nextval('tries') < 4 THEN RAISE EXCEPTION 'refused' USING ERRCODE = '`+state+`'; END IF; RETURN NEW; END $$`,
			"CREATE TRIGGER refuse BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION refuse()")
		if err := l.Create(t.Context(), newJob("a1")); err != nil {
			t.Errorf("Create refused three times with %s = %v", state, err)
		}
		if _, tasks, err := l.Job(t.Context(), "a1"); err != nil || len(tasks) != 1 {
			t.Errorf("Job = %d tasks, %v", len(tasks), err)
		}
	}
}

// TestTimeOuts: the server bounds what a call waits for, whatever the caller allows.
func TestTimeOuts(t *testing.T) {
	url := schema(t)
	_ = open(t, url).Close()
	for _, parameter := range []string{"lock_timeout", "statement_timeout"} {
		l := &postgres.Ledger{DB: open(t, with(t, url, parameter, "100ms"))}
		connected(t, url, func(ctx context.Context, c *pgx.Conn) {
			for _, s := range []string{"BEGIN", "LOCK TABLE job IN ACCESS EXCLUSIVE MODE"} {
				if _, err := c.Exec(ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			wantKind(t, "Create of a locked table with "+parameter, l.Create(t.Context(), newJob("a1")), weir.Timeout)
			_, _, err := l.Job(t.Context(), "a1")
			wantKind(t, "Job of a locked table with "+parameter, err, weir.Timeout)
		})
		if err := l.Create(t.Context(), newJob(parameter[:4])); err != nil {
			t.Errorf("Create when the lock is gone = %v", err)
		}
	}
}

// TestCancelFreesLocks: the server gives up what nobody waits for any more, at once.
func TestCancelFreesLocks(t *testing.T) {
	url := schema(t)
	l := &postgres.Ledger{DB: open(t, url)}
	if err := l.Create(t.Context(), newJob("a1")); err != nil {
		t.Fatal(err)
	}
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		for _, s := range []string{"BEGIN", "UPDATE job SET reason = 'x'"} {
			if _, err := c.Exec(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		wantKind(t, "Cancel of a locked job", l.Cancel(short, "a1", time.Unix(1000, 0)), weir.Timeout)
		var waiting int
		if err := c.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL AND transactionid::text = pg_current_xact_id()::xid::text").Scan(&waiting); err != nil || waiting != 0 {
			t.Errorf("%d transactions wait for the lock, %v, want none", waiting, err)
		}
	})
}

// TestPoolIsBounded: many calls at once share the connections there may be.
func TestPoolIsBounded(t *testing.T) {
	url := with(t, schema(t), "application_name", "bounded-"+weir.NewID(time.Now()))
	l := &postgres.Ledger{DB: open(t, with(t, url, "pool_max_conns", "3"))}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if err := l.Create(t.Context(), newJob(fmt.Sprint("a", i))); err != nil {
				t.Errorf("Create = %v", err)
			}
		})
	}
	all.Wait()
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		var n int
		err := c.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')").Scan(&n)
		if err != nil || n > 1+3 { // this one, too
			t.Errorf("%d connections, %v, want at most 4", n, err)
		}
	})
}

// TestClaimUsesItsIndexes: a claim must not read the tasks that are done.
func TestClaimUsesItsIndexes(t *testing.T) {
	url := schema(t)
	db := open(t, url)
	execute(t, url, `INSERT INTO job (id, organisation, asset, master_id, master, state, created, updated)
			SELECT 'j' || i, 'o', 'a' || i, 'm', '{}', CASE WHEN i < 900 THEN 'done' ELSE 'running' END, i, i FROM generate_series(1, 1000) AS i`,
		`INSERT INTO task (job, n, organisation, kind, wanted, tool, total, state)
			SELECT 'j' || i, n, 'o', 'video', n, '', 1, CASE WHEN n < 45 THEN 'done' ELSE 'ready' END FROM generate_series(1, 1000) AS i, generate_series(1, 50) AS n`,
		"ANALYZE")
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		for q, args := range postgres.LedgerQueries() {
			rows, err := c.Query(ctx, "EXPLAIN "+q, args...)
			if err != nil {
				t.Fatalf("explain %s: %v", q, err)
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatalf("explain %s: %v", q, err)
			}
			if whole := strings.Join(plan, "\n"); strings.Contains(whole, "Seq Scan on task") || strings.Contains(whole, "Seq Scan on job") {
				t.Errorf("%s\nreads a whole table:\n%s", q, whole)
			}
		}
	})
	c, err := (&postgres.Ledger{DB: db}).Claim(t.Context(), transcode.ClaimRequest{Now: time.Unix(1, 0), Until: time.Unix(2, 0)})
	if err != nil || c.Job.ID != "j900" || c.Task.N != 45 {
		t.Errorf("Claim = task %d of %s, %v, want the oldest job's first", c.Task.N, c.Job.ID, err)
	}
}
