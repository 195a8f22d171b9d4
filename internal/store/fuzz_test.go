package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/ci"
)

// FuzzQuery: a statement that is answered has not changed the database, and one
// that is not gives a problem.
func FuzzQuery(f *testing.F) {
	for _, sql := range []string{
		"SELECT 1", "DELETE FROM users", "EXPLAIN ANALYZE DELETE FROM users", "SELECT 1; DELETE FROM users", "FROM users", "(((SELECT 1)))",
		"EXPLAIN (ANALYZE) (DELETE FROM users)", "WITH a AS (SELECT 1) FROM a", "PRAGMA user_version", "CREATE TABLE x (i int)", "/*", "'", `"`, "$$", ";", "SHOW users", "INSERT INTO users BY NAME SELECT 1 AS id",
		"DROP TABLE users", "ALTER TABLE users RENAME TO x", "SELECT * FROM users WHERE username = 'a' UNION ALL FROM users", "VACUUM", "FORCE CHECKPOINT", "UPDATE users SET id = 1",
	} {
		f.Add(sql)
	}
	s := openTest(f, f.TempDir()+"/weir.duckdb")
	apply(f, s, everyTable())
	fingerprint := func(t testing.TB) [][]any {
		rows, err := query(t.Context(), s, Query{SQL: `SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM jobs), (SELECT max(username) FROM users),
			(SELECT string_agg(table_name || column_name || data_type, ',' ORDER BY table_name, column_index) FROM duckdb_columns() WHERE NOT internal),
			(SELECT count(*) FROM duckdb_tables()), (SELECT count(*) FROM duckdb_databases()), (SELECT count(*) FROM duckdb_sequences()), (SELECT count(*) FROM duckdb_schemas())`})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	before := fingerprint(f)
	f.Fuzz(func(t *testing.T, sql string) {
		if _, err := query(t.Context(), s, Query{SQL: sql, MaxRows: 3, Timeout: 2e9}); err != nil && ci.CodeOf(err) == ci.Internal {
			t.Errorf("%q: %v", sql, err)
		}
		if diff := cmp.Diff(before, fingerprint(t)); diff != "" {
			t.Errorf("%q changed the database:\n%s", sql, diff)
		}
	})
}

// FuzzLex: the tokens together are the text, and binding touches nothing but
// variables.
func FuzzLex(f *testing.F) {
	for _, sql := range []string{"SELECT :a, ':b', \":c\", $$:d$$, $x$ :e $x$, e'\\':f', u&':g', a[1:i], {'k':v}, x::text, 1 --:h\n, /* :i /* :j */ */ $1 $name", "'", "$$", "/*", "u&\"", ":", "::", "a:=b", "\x80:a", "é:a"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		tokens := lex(sql)
		if got := textOfTokens(tokens); got != sql {
			t.Fatalf("tokens of %q give %q", sql, got)
		}
		values := map[string]string{}
		dollar := false
		for _, tok := range tokens {
			switch tok.kind {
			case tokenVariable:
				values[tok.name] = "text"
				if tok.text != ":"+tok.name || tok.name == "" {
					t.Fatalf("variable %q of %q", tok.name, tok.text)
				}
			case tokenDollar:
				dollar = true
			}
		}
		bound, args, err := bindVariables(sql, values)
		if (err != nil) != dollar {
			t.Fatalf("%q: %v", sql, err)
		}
		if err != nil {
			return
		}
		if len(args) != len(values) {
			t.Fatalf("%q: %d parameters for %d variables", sql, len(args), len(values))
		}
		if len(values) == 0 && bound != sql {
			t.Fatalf("%q became %q", sql, bound)
		}
		for i := range args {
			if !strings.Contains(bound, fmt.Sprintf("$%d", i+1)) {
				t.Fatalf("%q: $%d is missing in %q", sql, i+1, bound)
			}
		}
		for _, statement := range splitStatements(sql) {
			if len(solid(lex(statement))) == 0 {
				t.Fatalf("%q holds the empty statement %q", sql, statement)
			}
		}
	})
}

func TestBindVariables(t *testing.T) {
	values := map[string]string{"a": "17", "b": "-0.5", "c": "true", "d": "007", "e": "'18'", "f": "99999999999999999999", "g": "1e3", "h": ""}
	got, args, err := bindVariables("f(:a,:b,:c,:d,:e,:f,:g,:h,:a)", values)
	want := "f(CAST($1 AS bigint),CAST($2 AS double precision),CAST($3 AS boolean),$4,$5,$6,$7,$8,CAST($1 AS bigint))"
	if err != nil || got != want {
		t.Errorf("%v: got %s, want %s", err, got, want)
	}
	if diff := cmp.Diff([]any{int64(17), -0.5, true, "007", "18", "99999999999999999999", "1e3", ""}, args); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExplained(t *testing.T) {
	for sql, want := range map[string]string{
		"EXPLAIN SELECT 1":                              "SELECT 1",
		" /* x */ explain analyze select 1":             "select 1",
		"EXPLAIN (ANALYZE, FORMAT json) SELECT 1":       "SELECT 1",
		"EXPLAIN (SELECT 1)":                            "(SELECT 1)",
		"EXPLAIN ANALYZE (WITH a AS (SELECT 1) FROM a)": "(WITH a AS (SELECT 1) FROM a)",
		"EXPLAIN":   "",
		"EXPLAIN (": "",
	} {
		if got := strings.TrimSpace(explained(lex(sql))); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}
