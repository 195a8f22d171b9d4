package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// TestReadersAreConfined tries what a reader must not be able to do. After each
// attempt the data is as it was, and the store goes on.
func TestReadersAreConfined(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\ntopsecret,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	attempts := []struct {
		sql    string
		engine string  // "" is both
		code   ci.Code // "": read_only_sql; * is any refusal
	}{
		{sql: "INSERT INTO users (instance_id, id, username, synced_at) VALUES (9, 9, 'x', now())"},
		{sql: "UPDATE users SET username = 'x'"},
		{sql: "DELETE FROM users"},
		{sql: "TRUNCATE users"},
		{sql: "DROP TABLE users"},
		{sql: "ALTER TABLE users ADD COLUMN x int"},
		{sql: "CREATE TABLE x (a int)"},
		{sql: "CREATE TEMP TABLE x (a int)"},
		{sql: "CREATE TABLE x AS SELECT 1"},
		{sql: "CREATE VIEW x AS SELECT 1"},
		{sql: "CREATE SEQUENCE x"},
		{sql: "SELECT 1; DELETE FROM users", code: "*"},
		{sql: "DELETE FROM users; SELECT 1", code: "*"},
		{sql: "SELECT 1;;DELETE FROM users;", code: "*"},
		{sql: "/* SELECT */ DELETE FROM users"},
		{sql: "-- SELECT\nDELETE FROM users"},
		{sql: "(DELETE FROM users)", code: "*"},
		{sql: "EXPLAIN ANALYZE DELETE FROM users", code: "*"},
		{sql: "EXPLAIN (ANALYZE) DELETE FROM users", code: "*"},
		{sql: "EXPLAIN (ANALYZE, FORMAT json) DELETE FROM users", code: "*"},
		{sql: "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x", code: "*"},
		{sql: "WITH x AS (SELECT 1) DELETE FROM users", code: "*"},
		{sql: "SELECT * INTO x FROM users", code: "*"},
		{sql: "COMMIT"},
		{sql: "ROLLBACK"},
		{sql: "BEGIN"},
		{sql: "COMMIT AND CHAIN", code: "*"},
		{sql: "PREPARE p AS SELECT 1"},
		{sql: "EXECUTE p", code: "*"},
		{sql: "DEALLOCATE p", code: "*"},
		{sql: "COPY users TO '" + secret + ".out'"},
		{sql: "COPY users FROM '" + secret + "'"},
		{sql: "CHECKPOINT"},
		{sql: "VACUUM"},
		{sql: "SET TimeZone = 'Asia/Tokyo'"},
		{sql: "RESET TimeZone"},
		{sql: "SELECT nextval('x')", code: "*"},
		{sql: "CALL pragma_version()"},

		{sql: "PRAGMA database_list", engine: "duckdb"},
		{sql: "PRAGMA disable_optimizer", engine: "duckdb"},
		{sql: "ATTACH '" + secret + ".db' AS x", engine: "duckdb"},
		{sql: "ATTACH ':memory:' AS x", engine: "duckdb"},
		{sql: "DETACH weir", engine: "duckdb"},
		{sql: "USE temp", engine: "duckdb", code: "*"},
		{sql: "INSTALL httpfs", engine: "duckdb"},
		{sql: "LOAD httpfs", engine: "duckdb"},
		{sql: "SET memory_limit = '1MB'", engine: "duckdb"},
		{sql: "SET VARIABLE x = 1", engine: "duckdb"},
		{sql: "EXPORT DATABASE '" + secret + ".dir'", engine: "duckdb"},
		{sql: "IMPORT DATABASE '" + secret + ".dir'", engine: "duckdb"},
		{sql: "CREATE SECRET (TYPE s3)", engine: "duckdb", code: "*"},
		{sql: "MERGE INTO users USING (SELECT 1 i) s ON s.i = users.id WHEN MATCHED THEN DELETE", engine: "duckdb"},
		{sql: "SELECT * FROM read_csv('" + secret + "')", engine: "duckdb"},
		{sql: "SELECT * FROM read_text('" + secret + "')", engine: "duckdb"},
		{sql: "SELECT * FROM read_blob('" + secret + "')", engine: "duckdb"},
		{sql: "SELECT * FROM read_json('" + secret + "')", engine: "duckdb"},
		{sql: "SELECT * FROM sniff_csv('" + secret + "')", engine: "duckdb"},
		{sql: "SELECT * FROM parquet_metadata('" + secret + "')", engine: "duckdb"},
		{sql: "FROM '" + secret + "'", engine: "duckdb"},
		{sql: "SELECT * FROM glob('/*')", engine: "duckdb"},
		{sql: "SELECT * FROM query('SELECT * FROM checkpoint()')", engine: "duckdb"},
		{sql: `SELECT * FROM "QUERY"  /* x */ ('FROM users')`, engine: "duckdb"},
		{sql: "SELECT * FROM checkpoint()", engine: "duckdb"},
		{sql: "FROM enable_logging()", engine: "duckdb"},
		{sql: "SELECT write_log('x')", engine: "duckdb"},
		{sql: "FROM duckdb_secrets()", engine: "duckdb"},
		{sql: "SELECT getenv('HOME')", engine: "duckdb", code: ci.BadSQL},
		{sql: "FROM json_execute_serialized_sql('{}')", engine: "duckdb"},
		{sql: "EXPLAIN ANALYZE COPY users TO '" + secret + ".out'", engine: "duckdb"},
		{sql: "PIVOT users ON username", engine: "duckdb"},

		{sql: "RESET ROLE", engine: "postgres"},
		{sql: "SET ROLE NONE", engine: "postgres"},
		{sql: "SET SESSION AUTHORIZATION DEFAULT", engine: "postgres"},
		{sql: "DO $$ BEGIN DELETE FROM users; END $$", engine: "postgres"},
		{sql: "COPY users TO PROGRAM 'cat > " + secret + ".out'", engine: "postgres"},
		{sql: "SELECT set_config('role', 'none', false)", engine: "postgres"},
		{sql: `SELECT "set_config"('role', 'none', false)`, engine: "postgres"},
		{sql: `SELECT pg_catalog . set_config /* x */ ('role', 'none', false)`, engine: "postgres"},
		{sql: `SELECT U&"\0073et_config"('role', 'none', false)`, engine: "postgres"},
		{sql: "SELECT query_to_xml('SELECT * FROM outside.secret', true, true, '')", engine: "postgres"},
		{sql: "SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM outside.secret')", engine: "postgres"},
		{sql: "SELECT * FROM outside.secret", engine: "postgres"},
		{sql: "TABLE outside.secret", engine: "postgres"},
		{sql: "SELECT rolpassword FROM pg_authid", engine: "postgres"},
		{sql: "SELECT pg_read_file('/etc/passwd')", engine: "postgres"},
		{sql: "SELECT * FROM pg_ls_dir('/')", engine: "postgres"},
		{sql: "SELECT lo_import('/etc/passwd')", engine: "postgres"},
		{sql: "SELECT pg_advisory_lock(1)", engine: "postgres"},
		{sql: "SELECT pg_notify('a', 'b')", engine: "postgres"},
		{sql: "SELECT pg_terminate_backend(1)", engine: "postgres"},
		{sql: "SELECT * FROM users FOR UPDATE", engine: "postgres"},
		{sql: "LISTEN x", engine: "postgres"},
		{sql: "LOCK TABLE users", engine: "postgres"},
		{sql: "DISCARD ALL", engine: "postgres"},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		if s.Engine() == "postgres" {
			execAs(t, s, "CREATE SCHEMA outside", "CREATE TABLE outside.secret (name text)", "INSERT INTO outside.secret VALUES ('topsecret')")
		}
		before := dump(t, s)
		for _, a := range attempts {
			if a.engine != "" && a.engine != s.Engine() {
				continue
			}
			rows, err := query(t.Context(), s, Query{SQL: a.sql, MaxRows: 10})
			code := ci.CodeOf(err)
			switch {
			case err == nil:
				t.Errorf("%s: was run, gave %v", a.sql, rows)
			case code != ci.ReadOnlySQL && code != ci.BadSQL:
				t.Errorf("%s: %s: %v", a.sql, code, err)
			case a.code == "" && code != ci.ReadOnlySQL, a.code != "" && a.code != "*" && code != a.code:
				t.Errorf("%s: code %s, want %s or %q: %v", a.sql, code, ci.ReadOnlySQL, a.code, err)
			}
			if strings.Contains(fmt.Sprint(err), "topsecret") {
				t.Errorf("%s: the error tells the secret: %v", a.sql, err)
			}
		}
		if diff := cmp.Diff(before, dump(t, s)); diff != "" {
			t.Errorf("a reader changed data:\n%s", diff)
		}
		files, err := filepath.Glob(secret + ".*")
		if err != nil || len(files) > 0 {
			t.Errorf("a reader wrote files: %v %v", files, err)
		}
		apply(t, s, everyTable())
		for _, c := range s.Checks(t.Context()) {
			if !c.OK {
				t.Errorf("check %+v", c)
			}
		}
	})
}

// execAs runs statements as the store's own user of PostgreSQL.
func execAs(t *testing.T, s *Store, statements ...string) {
	t.Helper()
	err := s.engine.write(t.Context(), func(w writer) error {
		for _, statement := range statements {
			if _, err := w.exec(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQueriesThatRead(t *testing.T) {
	tests := []struct {
		sql       string
		variables map[string]string
		engine    string
		want      string // rows as JSON; * is any
	}{
		{sql: "SELECT 1 AS a, 2 AS a", want: `[[1,2]]`},
		{sql: "SELECT 1;", want: `[[1]]`},
		{sql: "  -- why\n/* not /* nested */ */ SELECT 1 -- end", want: `[[1]]`},
		{sql: "VALUES (1, 'a'), (2, NULL)", want: `[[1,"a"],[2,null]]`},
		{sql: "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", want: `[[1],[2]]`},
		{sql: "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r ORDER BY n", want: `[[1],[2],[3]]`},
		{sql: "TABLE users", want: "*"},
		{sql: "EXPLAIN SELECT * FROM users", want: "*"},
		{sql: "EXPLAIN ANALYZE SELECT * FROM users", want: "*"},
		{sql: "EXPLAIN ANALYZE (SELECT 1)", want: "*"},
		{sql: "SHOW ALL TABLES", engine: "duckdb", want: "*"},
		{sql: "SHOW TABLES", engine: "duckdb", want: "*"},
		{sql: "SHOW search_path", engine: "postgres", want: `[["weir"]]`},
		{sql: "DESCRIBE users", engine: "duckdb", want: "*"},
		{sql: "SUMMARIZE users", engine: "duckdb", want: "*"},
		{sql: "FROM users SELECT username", engine: "duckdb", want: `[["ada"]]`},
		{sql: "SELECT 'DELETE FROM users; set_config(1)'", want: `[["DELETE FROM users; set_config(1)"]]`},
		{sql: "SELECT username FROM users ORDER BY id DESC NULLS LAST", want: `[["ada"]]`},

		{sql: "SELECT tags, tags IS NULL FROM jobs", want: `[[["a"],false]]`},
		{sql: "SELECT rows FROM syncs", want: `[[{"jobs":1}]]`},
		{sql: "SELECT CAST('{\"big\":12345678901234567890}' AS json)", want: `[[{"big":12345678901234567890}]]`},
		{sql: "SELECT sum(CAST(9223372036854775807 AS bigint) + CAST(0 AS bigint)) FROM (VALUES (1),(2)) v(x)", want: `[[18446744073709551614]]`},
		{sql: "SELECT CAST('12345678901234567890.125' AS decimal(30,3))", want: `[[12345678901234567890.125]]`},
		{sql: "SELECT CAST(0.1 AS double precision)", want: `[[0.1]]`},
		{sql: "SELECT CAST('NaN' AS double precision), CAST('-Infinity' AS double precision)", want: `[["NaN","-Infinity"]]`},
		{sql: "SELECT DATE '2026-11-22', TIMESTAMP '2026-11-22 10:00:00.5', TIMESTAMPTZ '2026-11-22 10:00:00+02'", want: `[["2026-11-22","2026-11-22 10:00:00.5","2026-11-22T08:00:00Z"]]`},
		{sql: "SELECT INTERVAL '90 minutes'", want: `[["PT5400S"]]`},
		{sql: "SELECT CAST('0f0e0d0c-0b0a-0908-0706-050403020100' AS uuid)", want: `[["0f0e0d0c-0b0a-0908-0706-050403020100"]]`},
		{sql: "SELECT TIME '10:11:12'", want: `[["10:11:12"]]`},

		{sql: "SELECT :a + 1, :b, :c, :d, :a", variables: map[string]string{"a": "41", "b": "true", "c": "0.5", "d": "x'; DROP TABLE users; --"}, want: `[[42,true,0.5,"x'; DROP TABLE users; --",41]]`},
		{sql: "SELECT count(*) FROM users WHERE synced_at >= :from AND username = :name", variables: map[string]string{"from": "2026-10-31", "name": "ada"}, want: `[[1]]`},
		{sql: "SELECT count(*) FROM users WHERE username=:name", variables: map[string]string{"name": "'17'"}, want: `[[0]]`},
		{sql: `SELECT ':a', "t".":b", '1'::text, $$ :c $$, '' /* :d */ FROM (SELECT 1 AS ":b") "t" -- :e`, want: `[[":a",1,"1"," :c ",""]]`},
		{sql: "SELECT [1,2,3][1:2], {'k':7}", engine: "duckdb", want: `[[[1,2],{"k":7}]]`},
		{sql: "SELECT (ARRAY[1,2,3])[1:2]", engine: "postgres", want: `[[[1,2]]]`},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		for _, tt := range tests {
			if tt.engine != "" && tt.engine != s.Engine() {
				continue
			}
			for _, limit := range []int{0, 100} {
				rows, err := query(t.Context(), s, Query{SQL: tt.sql, Variables: tt.variables, MaxRows: limit})
				if err != nil {
					t.Errorf("%s: %v", tt.sql, err)
					continue
				}
				got, err := json.Marshal(rows)
				if err != nil {
					t.Errorf("%s: %v", tt.sql, err)
				}
				if tt.want != "*" && string(got) != tt.want {
					t.Errorf("%s (limit %d): got %s, want %s", tt.sql, limit, got, tt.want)
				}
				if tt.want == "*" && len(rows) == 0 {
					t.Errorf("%s: no rows", tt.sql)
				}
			}
		}
	})
}

func TestQueryColumns(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, limit := range []int{0, 5} {
			r, err := s.Query(t.Context(), Query{MaxRows: limit, SQL: `SELECT id, username AS "Name", synced_at, bot AS a, bot AS a,
				CAST(NULL AS double precision) AS d, CAST(NULL AS varchar[]) AS l, CAST('{}' AS json) AS j, CAST(1 AS integer) AS i, CAST(1.5 AS numeric(5,2)) AS n FROM users WHERE false`})
			if err != nil {
				t.Fatal(err)
			}
			want := []ResultColumn{
				{"id", "bigint"},
				{"Name", "text"},
				{"synced_at", "timestamptz"},
				{"a", "boolean"},
				{"a", "boolean"},
				{"d", "double precision"},
				{"l", "text[]"},
				{"j", "json"},
				{"i", "integer"},
				{"n", "numeric"},
			}
			if diff := cmp.Diff(want, r.Columns()); diff != "" {
				t.Errorf("limit %d (-want +got):\n%s", limit, diff)
			}
			if rows := collect(t, r); len(rows) != 0 {
				t.Errorf("rows %v", rows)
			}
		}
	})
}

func TestQueryLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		numbers := "SELECT n FROM generate_series(1, 10) AS s(n) ORDER BY n DESC"
		for _, tt := range []struct {
			limit, want int
			truncated   bool
		}{{0, 10, false}, {3, 3, true}, {9, 9, true}, {10, 10, false}, {11, 10, false}} {
			r, err := s.Query(t.Context(), Query{SQL: numbers, MaxRows: tt.limit})
			if err != nil {
				t.Fatal(err)
			}
			rows := collect(t, r)
			if len(rows) != tt.want || r.Truncated() != tt.truncated || rows[0][0] != int64(10) {
				t.Errorf("limit %d: %d rows, truncated %v, first %v", tt.limit, len(rows), r.Truncated(), rows[0])
			}
		}
		endless := "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT (n + 1) % 1000 FROM r) SELECT count(*) FROM r"
		began := time.Now()
		_, err := query(t.Context(), s, Query{SQL: endless, Timeout: 200 * time.Millisecond})
		if ci.CodeOf(err) != ci.QueryTimeout {
			t.Errorf("time limit: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := query(ctx, s, Query{SQL: endless}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %s to stop", took)
		}
		// A long answer may be left in the middle, and what it held comes back.
		for range 20 {
			r, err := s.Query(t.Context(), Query{SQL: "SELECT n FROM generate_series(1, 200000) AS s(n)"})
			if err != nil {
				t.Fatal(err)
			}
			for range r.Rows() {
				break
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestQueryMistakes(t *testing.T) {
	tests := []struct {
		sql       string
		variables map[string]string
		code      ci.Code
		says      string
	}{
		{"", nil, ci.BadSQL, "empty"},
		{" -- only a comment", nil, ci.BadSQL, "empty"},
		{"SELECT * FROM nowhere", nil, ci.BadSQL, "nowhere"},
		{"SELECT usrname FROM users", nil, ci.BadSQL, "usrname"},
		{"SELECT FROM WHERE", nil, ci.BadSQL, ""},
		{"SELECT 'open", nil, ci.BadSQL, ""},
		{"SELECT CAST(username AS bigint) FROM users", nil, ci.BadSQL, "ada"},
		{"SELECT :a", nil, ci.BadRequest, "a has no value"},
		{"SELECT 1", map[string]string{"b": "1"}, ci.BadRequest, "b does not occur"},
		{"SELECT ':b'", map[string]string{"b": "1"}, ci.BadRequest, "b does not occur"},
		{"SELECT $1", nil, ci.BadRequest, "$1"},
		{"SELECT id FROM users WHERE synced_at > :t", map[string]string{"t": "yesteryear"}, ci.BadSQL, "yesteryear"},
	}
	onBoth(t, func(t *testing.T, s *Store) {
		apply(t, s, everyTable())
		for _, tt := range tests {
			_, err := query(t.Context(), s, Query{SQL: tt.sql, Variables: tt.variables, MaxRows: 10})
			var p *ci.Problem
			if !errors.As(err, &p) || p.Code != tt.code || !strings.Contains(p.Cause, tt.says) || p.Remedy == "" {
				t.Errorf("%q: %#v, want %s with %q", tt.sql, err, tt.code, tt.says)
			}
		}
	})
}

func TestViews(t *testing.T) {
	statuses := map[ci.Status]string{
		"success": "success", "failed": "failure", "canceled": "cancelled", "canceling": "cancelled", "skipped": "skipped",
		"manual": "manual", "created": "running", "pending": "running", "running": "running", "preparing": "running", "scheduled": "running",
		"waiting_for_resource": "running", "waiting_for_callback": "running", "invented_tomorrow": "unknown",
	}
	onBoth(t, func(t *testing.T, s *Store) {
		b := everyTable()
		b.Pipelines = nil
		want := map[string]string{}
		id := ci.PipelineID(0)
		for status, normal := range statuses {
			id++
			b.Pipelines = append(b.Pipelines, ci.Pipeline{InstanceID: 1, ID: id, ProjectID: 1, Status: status, RefType: ci.Branch, Ref: new("main"), TimePrecision: "ms", SyncedAt: at(0)})
			want[fmt.Sprint(id)] = normal
		}
		child := ci.SourceParent
		b.Pipelines = append(b.Pipelines, ci.Pipeline{InstanceID: 1, ID: 99, ProjectID: 1, Status: "success", Source: &child, RefType: ci.Branch, TimePrecision: "ms", SyncedAt: at(0)})
		apply(t, s, b)
		rows, err := query(t.Context(), s, Query{SQL: "SELECT reference_id, status, repository, head_branch FROM pipeline_runs"})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, row := range rows {
			got[row[0].(string)] = row[1].(string)
			if row[2] != "acme/shop" || row[3] != "main" {
				t.Errorf("row %v", row)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, v := range Views() {
			r, err := s.ExportRows(t.Context(), v.Name)
			if err != nil {
				t.Fatal(err)
			}
			if rows := collect(t, r); len(rows) == 0 {
				t.Errorf("%s: no rows", v.Name)
			}
		}
	})
}
