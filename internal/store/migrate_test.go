package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store/pgtest"
)

func TestDataModel(t *testing.T) {
	compareFile(t, filepath.Join("..", "..", "doc", "data-model.md"), Markdown())
}

// TestDatabaseIsAsDescribed compares what the database says of itself with the
// descriptions: columns, NULLs and comments.
func TestDatabaseIsAsDescribed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		d := s.engine.dialect()
		schema, comments := "main", "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'main'"
		if s.Engine() == "postgres" {
			schema, comments = "weir", `SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE n.nspname = 'weir' AND c.relkind IN ('r', 'v')`
		}
		got := map[string]string{}
		read := func(sql string, f func(row []any)) {
			t.Helper()
			rows, err := query(t.Context(), s, Query{SQL: sql})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				f(row)
			}
		}
		read("SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = '"+schema+"'", func(row []any) {
			kind := strings.ToLower(row[2].(string))
			kind = map[string]string{"timestamp with time zone": "timestamptz", "varchar": "text", "varchar[]": "text[]", "array": "text[]", "double": "double precision", "jsonb": "json"}[kind] + "|" + kind
			kind, rest, _ := strings.Cut(kind, "|")
			if kind == "" {
				kind = rest
			}
			got[fmt.Sprint(row[0], ".", row[1])] = fmt.Sprint(kind, " ", row[3])
		})
		read(comments, func(row []any) {
			if row[2] != nil {
				got[fmt.Sprint(row[0], ".", row[1])] += " " + row[2].(string)
			}
		})
		want := map[string]string{}
		for _, table := range append(Tables(), Views()...) {
			for _, c := range table.Columns {
				null := map[bool]string{true: "YES", false: "NO"}[c.Nullable]
				want[table.Name+"."+c.Name] = fmt.Sprint(c.Type, " ", null, " ", c.Meaning)
			}
		}
		for name := range got {
			if strings.HasPrefix(name, "schema_version.") || strings.HasPrefix(name, "reach.") || strings.HasPrefix(name, "graphql_absence.") || strings.HasPrefix(name, "catalog_") || strings.HasPrefix(name, "measure_") { // not published
				delete(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-described +there):\n%s", d.engine, diff)
		}
		if v, err := s.SchemaVersion(t.Context()); v != SchemaVersion() || err != nil || v < 1 {
			t.Errorf("version %d, %v", v, err)
		}
	})
}

// reopen opens the database of a store that was closed.
func onBothDatabases(t *testing.T, f func(t *testing.T, database string)) {
	t.Run("duckdb", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), "sub dir", "weir.duckdb")) })
	t.Run("postgres", func(t *testing.T) { f(t, pgtest.Database(t)) })
}

func open(t *testing.T, database string) (*Store, error) {
	return Open(t.Context(), Config{Log: slog.New(slog.DiscardHandler), Database: database})
}

func TestReopen(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database string) {
		var want map[string][][]any
		for i := range 3 {
			s, err := open(t, database)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				apply(t, s, everyTable())
				want = dump(t, s)
			}
			if diff := cmp.Diff(want, dump(t, s)); diff != "" {
				t.Errorf("opened again:\n%s", diff)
			}
			apply(t, s, everyTable())
			if n, err := s.Size(t.Context()); n <= 0 || err != nil {
				t.Errorf("size %d, %v", n, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNewerDatabase(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database string) {
		s, err := open(t, database)
		if err != nil {
			t.Fatal(err)
		}
		execAs(t, s, "INSERT INTO schema_version (version, name, applied_at) VALUES (99, 'future', now())")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = open(t, database)
		if ci.CodeOf(err) != ci.DatabaseNewer || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), fmt.Sprint(SchemaVersion())) {
			t.Errorf("got %v", err)
		}
	})
}

// TestMigrations walks through later versions: a step that fails leaves nothing
// behind, and the next start goes on from there.
func TestMigrations(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		first, err := loadMigrations(migrations, s.Engine())
		if err != nil {
			t.Fatal(err)
		}
		add := func(sql ...string) []migration {
			list := first
			for i, text := range sql {
				list = append(list, migration{int64(len(first) + i + 1), fmt.Sprint("step", i), text})
			}
			return list
		}
		apply(t, s, everyTable())
		good, bad := "ALTER TABLE users ADD COLUMN extra bigint;", "ALTER TABLE users ADD COLUMN more bigint; SELECT * FROM nowhere;"
		if err := s.migrateTo(t.Context(), add(good, bad)); err == nil {
			t.Error("a step that fails was taken")
		}
		version := func() int64 {
			v, err := s.SchemaVersion(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := version(); v != int64(len(first))+1 {
			t.Errorf("version %d, want %d", v, len(first)+1)
		}
		if _, err := query(t.Context(), s, Query{SQL: "SELECT extra FROM users"}); err != nil {
			t.Errorf("the good step is gone: %v", err)
		}
		if _, err := query(t.Context(), s, Query{SQL: "SELECT more FROM users"}); err == nil {
			t.Error("half of the bad step stayed")
		}
		for range 2 {
			if err := s.migrateTo(t.Context(), add(good, "ALTER TABLE users ADD COLUMN more bigint; -- ;\nUPDATE users SET more = 7;")); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := query(t.Context(), s, Query{SQL: "SELECT more FROM users"})
		if err != nil || fmt.Sprint(rows) != "[[7]]" || version() != int64(len(first))+2 {
			t.Errorf("%v %v at %d", rows, err, version())
		}
	})
}

func TestMigrationNames(t *testing.T) {
	file := func() *fstest.MapFile { return &fstest.MapFile{Data: []byte("SELECT 1")} }
	for _, files := range []fstest.MapFS{
		{"migrations/duckdb/0002_b.sql": file()},
		{"migrations/duckdb/0001_a.sql": file(), "migrations/duckdb/0003_b.sql": file()},
		{"migrations/duckdb/0001_a.sql": file(), "migrations/duckdb/0001_b.sql": file()},
		{"migrations/duckdb/one.sql": file()},
	} {
		if list, err := loadMigrations(files, "duckdb"); err == nil {
			t.Errorf("%v was taken: %v", files, list)
		}
	}
	duck, errDuck := loadMigrations(migrations, "duckdb")
	postgres, errPostgres := loadMigrations(migrations, "postgres")
	if errDuck != nil || errPostgres != nil || len(duck) != len(postgres) || len(duck) == 0 {
		t.Errorf("%d and %d migrations, %v, %v: both engines have the same versions", len(duck), len(postgres), errDuck, errPostgres)
	}
}

func TestSomebodyElsesDatabase(t *testing.T) {
	url := pgtest.Database(t)
	s := openTest(t, url)
	execAs(t, s, "DROP TABLE schema_version")
	if err := s.migrate(t.Context()); ci.CodeOf(err) != ci.DatabaseCorrupt {
		t.Errorf("got %v", err)
	}
}

func TestOpenProblems(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.duckdb")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(dir, "whole.duckdb")
	s, err := open(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, everyTable())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "half.duckdb")
	if err := os.WriteFile(half, data[:5000], 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		database string
		code     ci.Code
	}{
		{"", ci.BadRequest},
		{"mysql://localhost/x", ci.BadRequest},
		{filepath.Join(dir, "a?b"), ci.BadRequest},
		{garbage, ci.DatabaseCorrupt},
		{half, ci.DatabaseCorrupt},
		{dir, ci.DataDirUnwritable},
		{filepath.Join(plain, "x.duckdb"), ci.DataDirUnwritable},
		{"/proc/weir.duckdb", ci.DataDirUnwritable},
		{"postgres://weir:topsecret@127.0.0.1:1/weir", ci.DatabaseUnreachable},
		{"postgres://weir:topsecret@127.0.0.1:port/weir", ci.BadRequest},
	} {
		_, err := open(t, tt.database)
		var p *ci.Problem
		if !errors.As(err, &p) || p.Code != tt.code || p.Remedy == "" {
			t.Errorf("%s: %v, want %s", tt.database, err, tt.code)
		}
		if p != nil && strings.Contains(fmt.Sprint(p.Cause, p.Remedy, p.Err), "topsecret") {
			t.Errorf("%s: the password is in the error: %v", tt.database, p)
		}
	}
	after, err := os.ReadFile(garbage)
	if err != nil || !strings.HasPrefix(string(after), "this is no database") {
		t.Errorf("the other's file was changed: %v", err)
	}
}

// child is the environment variable that makes the test binary a second process.
const child = "WEIR_TEST_STORE_CHILD"

// second starts this test binary again for one test.
func second(ctx context.Context, test, database string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^"+test+"$")
	cmd.Env = append(os.Environ(), child+"="+database, "WEIR_TEST_POSTGRES=unused")
	return cmd
}

func TestLocked(t *testing.T) {
	if database := os.Getenv(child); database != "" {
		_, err := open(t, database)
		fmt.Println("code:", ci.CodeOf(err))
		return
	}
	path := filepath.Join(t.TempDir(), "weir.duckdb")
	openTest(t, path)
	out, err := second(t.Context(), "TestLocked", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "code: database_locked") {
		t.Errorf("%v: %s", err, out)
	}
}

// atVersion opens an empty database of an older version.
func atVersion(t *testing.T, database string, version int) *Store {
	t.Helper()
	c := Config{Log: slog.New(slog.DiscardHandler), Database: database, MemoryLimit: "1GB", Threads: 1}
	open := openDuckDB
	if strings.HasPrefix(database, "postgres") {
		open = openPostgres
	}
	e, err := open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{log: c.Log, engine: e}
	t.Cleanup(func() { s.Close() })
	list, err := loadMigrations(migrations, e.name())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list[:version] {
		err := e.write(t.Context(), func(w writer) error {
			if _, err := prepareVersions(t.Context(), w, e.dialect()); err != nil {
				return err
			}
			return step(t.Context(), w, m)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestDaysArePacked: the days that an older version measured are there
// afterwards, to the last digit, and beside them days of runs.
func TestDaysArePacked(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database string) {
		if err := os.MkdirAll(filepath.Dir(database), 0o700); !strings.HasPrefix(database, "postgres") && err != nil {
			t.Fatal(err)
		}
		s := atVersion(t, database, 10)
		execAs(t, s, `INSERT INTO measure_days (day, instance_id, project_id, base_name, n, median, coarse) VALUES
			(DATE '2026-11-22', 1, 7, 'build', 3, 0.1 + CAST(0.2 AS double precision), false), (DATE '1970-01-01', 1, 7, 'test', 1, 60, true)`)
		execAs(t, s, `INSERT INTO pipelines (instance_id, id, project_id, status, source, ref_type, created_at, duration_seconds, time_precision, synced_at) VALUES
			(1, 1, 7, 'success', 'push', 'branch', TIMESTAMPTZ '2026-11-22 23:59:59+00', 10, 'ms', now()), (1, 2, 7, 'failed', 'push', 'branch', TIMESTAMPTZ '2026-11-22 00:00:00+00', 20, 's', now()),
			(1, 3, 7, 'success', 'parent_pipeline', 'branch', TIMESTAMPTZ '2026-11-22 00:00:00+00', 30, 's', now()), (1, 4, 7, 'running', 'push', 'branch', NULL, NULL, 's', now())`)
		if err := s.migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := texts(t, s, "SELECT concat(day, ' ', instance_id, ' ', project_id, ' ', coalesce(base_name, 'runs'), ': ', level, ' ', coarse) FROM measure_days")
		for i, line := range got { // engines write some things in their own ways
			got[i] = strings.NewReplacer(".0 ", " ", "true", "t", "false", "f").Replace(line)
		}
		want := []string{"1970-01-01 1 7 test: 0 1 60 t", "2026-11-22 1 7 build: 20779 3 0.30000000000000004 f", "2026-11-22 1 7 runs: 20779 2 15 t"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("days (-want +got):\n%s", diff)
		}
		got = texts(t, s, "SELECT concat(pipeline_id, ' ', day) FROM measure_runs")
		if diff := cmp.Diff([]string{"1 2026-11-22", "2 2026-11-22", "3 2026-11-22"}, got); diff != "" {
			t.Errorf("days that pipelines are counted in (-want +got):\n%s", diff)
		}
	})
}

// TestPipelineServicesLoseTheirKey: what a database of an older version has
// mapped is there afterwards, described as before.
func TestPipelineServicesLoseTheirKey(t *testing.T) {
	s := atVersion(t, filepath.Join(t.TempDir(), "weir.duckdb"), 7)
	execAs(t, s, "INSERT INTO pipeline_services (instance_id, pipeline_id, service_id, rule_id) VALUES (1, 9, 1, 2), (1, 8, 2, NULL), (2, 8, 1, 3)")
	if err := s.migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := texts(t, s, "SELECT instance_id || ' ' || pipeline_id || ' ' || service_id || ' ' || coalesce(CAST(rule_id AS VARCHAR), 'null') FROM pipeline_services")
	if diff := cmp.Diff([]string{"1 8 2 null", "1 9 1 2", "2 8 1 3"}, got); diff != "" {
		t.Errorf("mapped (-want +got):\n%s", diff)
	}
	if got := texts(t, s, "SELECT comment FROM duckdb_tables() WHERE table_name = 'pipeline_services'"); len(got) != 1 || got[0] == "" {
		t.Errorf("comment %q", got)
	}
	if keys := texts(t, s, "SELECT constraint_type FROM duckdb_constraints() WHERE table_name = 'pipeline_services' AND constraint_type <> 'NOT NULL'"); len(keys) != 0 {
		t.Errorf("keys are left: %q", keys)
	}
}
