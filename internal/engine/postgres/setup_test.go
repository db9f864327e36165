package postgres_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/postgres"
)

// server is where the tests' PostgreSQL is.
func server(t testing.TB) string { return enginetest.Address(t, "WEIR_TEST_POSTGRES") }

// schema makes an empty schema for the test and returns a URL for it. It goes with the test.
func schema(t testing.TB) string {
	t.Helper()
	name := "test_" + weir.NewID(time.Now())
	admin(t, "CREATE SCHEMA "+name)
	t.Cleanup(func() { admin(t, "DROP SCHEMA "+name+" CASCADE") })
	return with(t, server(t), "search_path", name)
}

// with is the URL with a parameter.
func with(t testing.TB, raw, name, value string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// through is the URL by way of another address.
func through(t testing.TB, raw, address string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	return u.String()
}

// host is the URL's address.
func host(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// admin runs a statement on a connection of its own.
func admin(t testing.TB, statement string) {
	t.Helper()
	connected(t, server(t), func(ctx context.Context, c *pgx.Conn) {
		if _, err := c.Exec(ctx, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	})
}

// connected calls f with a connection of its own.
func connected(t testing.TB, url string, f func(ctx context.Context, c *pgx.Conn)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = c.Close(ctx) }()
	f(ctx, c)
}

func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// outbox reads what no relay has taken, oldest first.
func outbox(t testing.TB, url string) (facts []weir.Fact) {
	t.Helper()
	connected(t, url, func(ctx context.Context, c *pgx.Conn) {
		rows, err := c.Query(ctx, "SELECT fact FROM outbox ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bodies {
			var f weir.Fact
			if err := json.Unmarshal(b, &f); err != nil {
				t.Fatal(err)
			}
			facts = append(facts, f)
		}
	})
	return facts
}

// report notes the pass of a suite with what the server says it is.
func report(t *testing.T, port string) {
	t.Helper()
	var version string
	connected(t, server(t), func(ctx context.Context, c *pgx.Conn) {
		if err := c.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
			t.Fatal(err)
		}
	})
	version, _, _ = strings.Cut(version, " ")
	enginetest.Report(t, enginetest.Pass{Port: port, Engine: "PostgreSQL", Version: version, Client: "pgx v5"})
}
