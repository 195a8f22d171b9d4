package store

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

// TestReadTransactions looks at one floor alone: even a statement that nobody
// inspected cannot write where readers' statements run.
func TestReadTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		for _, sql := range []string{"DELETE FROM users", "CREATE TABLE x (a int)", "SELECT nextval('x')"} {
			r, release, err := s.engine.snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			rows, err := r.rows(t.Context(), sql)
			if err == nil {
				_, err = rows.next()
				rows.close()
			}
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s was run", sql)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
		}
		if n := len(stored[ci.User](t, s, "users", "id")); n != 1 {
			t.Errorf("%d users", n)
		}
	})
}

// TestUnconfined: a user of PostgreSQL that may not make roles gets read-only
// transactions, and weir doctor says what is missing.
func TestUnconfined(t *testing.T) {
	address := pgtest.Database(t)
	admin, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	user := "plain_" + database
	for _, sql := range []string{
		"CREATE ROLE " + user + " LOGIN PASSWORD 'x'", "GRANT CREATE ON DATABASE " + database + " TO " + user,
		"CREATE SCHEMA weir_control AUTHORIZATION " + user, "CREATE TABLE weir_control.secret (name text)", "ALTER TABLE weir_control.secret OWNER TO " + user,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("the server's user is no administrator: %v", err)
		}
	}
	// A role belongs to the server: it must not outlive the test.
	t.Cleanup(func() {
		ctx := context.Background()
		admin, err := pgx.Connect(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close(ctx)
		if _, err := admin.Exec(ctx, "DROP OWNED BY "+user+" CASCADE; DROP ROLE "+user); err != nil {
			t.Error(err)
		}
	})
	u.User = url.UserPassword(user, "x")
	s := openTest(t, u.String())
	apply(t, s, everyTable())
	if rows, err := query(t.Context(), s, Query{SQL: "SELECT username FROM users"}); err != nil || len(rows) != 1 {
		t.Errorf("%v %v", rows, err)
	}
	for _, sql := range []string{
		"DELETE FROM users", "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x", "SELECT * FROM weir_control.secret",
		`SELECT * FROM "weir_control".secret`, "SELECT set_config('search_path', 'weir_control', false)", "RESET ROLE",
	} {
		if rows, err := query(t.Context(), s, Query{SQL: sql}); ci.CodeOf(err) != ci.ReadOnlySQL {
			t.Errorf("%s: %v %v", sql, rows, err)
		}
	}
	checks := s.Checks(t.Context())
	last := checks[len(checks)-1]
	if last.OK || !strings.Contains(last.Remedy, "CREATE ROLE weir_reader") {
		t.Errorf("doctor says %+v", checks)
	}
}
