package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir/internal/ci"
)

// Four floors stand between a reader's statement and the data: DuckDB's own
// parser says that it is one statement and that it is a SELECT (or an EXPLAIN
// of one); it runs in a READ ONLY transaction; the instance is locked down
// (duckdb.go); and the few functions that have effects of another kind are
// refused by name.

// query runs a reader's statement on a connection of its own.
func (e *duckEngine) query(ctx context.Context, q bound) (*Result, error) {
	ctx, lift, cancel := limited(ctx, q.timeout)
	// Binding reads the catalog, so the transaction comes before the check.
	conn, release, err := e.readOnly(ctx)
	if err != nil {
		defer cancel()
		return nil, e.queryProblem(ctx, q, err)
	}
	finish := func() error {
		defer cancel()
		return release()
	}
	fail := func(err error) (*Result, error) {
		err = e.queryProblem(ctx, q, err)
		finish()
		return nil, err
	}
	shape, err := e.inspect(ctx, conn, q)
	if err != nil {
		return fail(err)
	}
	if err := shape.complete(ctx, conn, q.args); err != nil {
		return fail(err)
	}
	rows, err := conn.QueryContext(ctx, shape.statement(q.maxRows), q.args...)
	if err != nil {
		return fail(err)
	}
	lift() // the answer is complete in memory; reading it may take its time
	cursor, err := newDuckRows(rows)
	if err != nil {
		return fail(err)
	}
	if !shape.plain {
		for i, name := range shape.names {
			cursor.cols[i].Name = name
			if shape.json[i] {
				cursor.cols[i].Type = string(JSON)
			}
		}
	}
	return &Result{
		cursor: cursor, maxRows: q.maxRows,
		finish:  func() error { return errors.Join(cursor.close(), finish()) },
		explain: func(err error) error { return e.queryProblem(ctx, q, err) },
	}, nil
}

// duckShape is what DuckDB's parser says of a statement.
type duckShape struct {
	sql   string
	names []string
	json  []bool
	plain bool // an EXPLAIN, which cannot stand in a FROM
}

// inspect asks DuckDB's parser for the statement's type and columns. Nothing
// is run. Its errors are problems or DuckDB's own.
func (e *duckEngine) inspect(ctx context.Context, conn *sql.Conn, q bound) (duckShape, error) {
	tokens := lex(q.sql)
	if name, found := forbiddenCall(tokens, duckRefuses); found {
		return duckShape{}, readOnly(fmt.Sprintf("The function %s is not open to readers.", name))
	}
	first := firstWord(tokens)
	if first == "pragma" || first == "call" {
		return duckShape{}, readOnly(fmt.Sprintf("%s is not open to readers.", strings.ToUpper(first)))
	}
	shape := duckShape{sql: trimStatement(tokens)}
	err := conn.Raw(func(dc any) error {
		c, ok := dc.(*duckdb.Conn)
		if !ok {
			return fmt.Errorf("%T is no connection of DuckDB's driver", dc)
		}
		kind, err := prepared(c, q.sql, func(s *duckdb.Stmt) error {
			if s.NumInput() != len(q.args) {
				return problem(ci.BadRequest, "The statement has parameters without a value.",
					"Write :name in the statement and give the value with the variable name.", nil)
			}
			return shape.read(s)
		})
		if err != nil {
			return err
		}
		switch kind {
		case duckdb.STATEMENT_TYPE_SELECT:
			return nil
		case duckdb.STATEMENT_TYPE_EXPLAIN:
			shape.plain = true
			inner, err := prepared(c, explained(tokens), func(*duckdb.Stmt) error { return nil })
			if err != nil || inner != duckdb.STATEMENT_TYPE_SELECT {
				return readOnly("Only a statement that reads can be explained.")
			}
			return nil
		}
		return readOnly(fmt.Sprintf("%s is not a statement that only reads.", strings.ToUpper(first)))
	})
	if err == nil {
		err = ctx.Err()
	}
	return shape, err
}

// prepared parses and binds one statement, shows it to f and gives its type.
// Several statements in one text are refused by the driver's Prepare; its
// PrepareContext would run all but the last.
func prepared(c *duckdb.Conn, text string, f func(*duckdb.Stmt) error) (duckdb.StmtType, error) {
	s, err := c.Prepare(text)
	if err != nil {
		if strings.Contains(err.Error(), "multi-statement") {
			return 0, readOnly("The text holds several statements (PIVOT counts as several).")
		}
		return 0, err
	}
	defer s.Close()
	statement, ok := s.(*duckdb.Stmt)
	if !ok {
		return 0, fmt.Errorf("%T is no statement of DuckDB's driver", s)
	}
	kind, err := statement.StatementType()
	if err != nil {
		return 0, err
	}
	return kind, f(statement)
}

func (s *duckShape) read(statement *duckdb.Stmt) error {
	n, err := statement.ColumnCount()
	if err != nil {
		return err
	}
	for i := range n {
		name, err := statement.ColumnName(i)
		if err != nil {
			return err
		}
		s.names = append(s.names, name)
	}
	return nil
}

// complete asks for an empty answer, which knows what the prepared statement
// does not: which columns are JSON (the driver would decode it with rounded
// numbers), and all columns where a parameter's type was still open. A statement
// that cannot stand in a FROM is left as it is.
func (s *duckShape) complete(ctx context.Context, conn *sql.Conn, args []any) error {
	if s.plain {
		return nil
	}
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("SELECT * FROM (%s\n) AS answer LIMIT 0", s.sql), args...)
	if err != nil {
		s.plain = true // the statement itself will say what is wrong
		return ctx.Err()
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	// In a FROM, names that repeat get a number; the prepared ones have none.
	known := s.names
	s.names, s.json = nil, nil
	for i, t := range types {
		name := t.Name()
		if len(known) == len(types) && len(known) > 1 {
			name = known[i]
		}
		s.names = append(s.names, name)
		s.json = append(s.json, t.DatabaseTypeName() == "JSON")
	}
	return rows.Err()
}

// statement bounds the answer in the engine, which else would build all of it
// in memory, and takes JSON as the text that it is.
func (s *duckShape) statement(maxRows int) string {
	switch {
	case s.plain:
		return s.sql
	case maxRows > 0:
		return s.wrap(fmt.Sprintf("LIMIT %d", maxRows+1))
	case slices.Contains(s.json, true):
		return s.wrap("")
	}
	return s.sql
}

// wrap puts the statement into a FROM. The columns get names of ours, because
// those of the statement may repeat.
func (s *duckShape) wrap(limit string) string {
	var selected, alias []string
	for i := range s.names {
		column := fmt.Sprintf("c%d", i)
		alias = append(alias, column)
		if s.json[i] {
			column = "CAST(" + column + " AS VARCHAR)"
		}
		selected = append(selected, column)
	}
	return fmt.Sprintf("SELECT %s FROM (%s\n) AS answer(%s) %s", strings.Join(selected, ", "), s.sql, strings.Join(alias, ", "), limit)
}

// trimStatement gives the statement without a semicolon at its end.
func trimStatement(tokens []token) string {
	end := len(tokens)
	for end > 0 && (tokens[end-1].kind == tokenSpace || tokens[end-1].text == ";") {
		end--
	}
	return textOfTokens(tokens[:end])
}

func textOfTokens(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.text)
	}
	return b.String()
}

// explained gives the statement behind EXPLAIN [ANALYZE] [(options)].
func explained(tokens []token) string {
	i := 0
	skipSpace := func() {
		for i < len(tokens) && tokens[i].kind == tokenSpace {
			i++
		}
	}
	skipSpace()
	i++ // EXPLAIN
	skipSpace()
	for i < len(tokens) && tokens[i].kind == tokenWord && (tokens[i].name == "analyze" || tokens[i].name == "analyse" || tokens[i].name == "verbose") {
		i++
		skipSpace()
	}
	// A bracket begins options unless a statement stands in it.
	if i < len(tokens) && tokens[i].text == "(" && !slices.Contains([]string{"select", "with", "from", "values", "table"}, firstWord(tokens[i:])) {
		for i < len(tokens) && tokens[i].text != ")" {
			i++
		}
		i++
	}
	if i > len(tokens) {
		return ""
	}
	return textOfTokens(tokens[i:])
}

// duckRefuses names the functions that do more than read: they run text as
// SQL, change the instance, reach memory, or list secrets.
func duckRefuses(name string) bool {
	switch name {
	case "query", "json_execute_serialized_sql", "checkpoint", "force_checkpoint", "write_log", "truncate_duckdb_logs",
		"enable_logging", "disable_logging", "enable_profiling", "disable_profiling", "enable_peg_parser", "disable_peg_parser",
		"arrow_scan", "arrow_scan_dumb", "seq_scan", "duckdb_secrets", "which_secret", "duckdb_logs", "duckdb_logs_parsed",
		"duckdb_log_contexts", "nextval":
		return true
	}
	return false
}

// queryProblem says what is wrong with a reader's statement.
func (e *duckEngine) queryProblem(ctx context.Context, q bound, err error) error {
	var p *ci.Problem
	var d *duckdb.Error
	switch {
	case errors.Is(context.Cause(ctx), errTimeLimit):
		return timeoutProblem(q.timeout)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &p):
		return err
	case !errors.As(err, &d):
		return e.problem(err)
	case strings.Contains(d.Msg, "read-only mode"):
		return readOnly("The statement would write.")
	case d.Type == duckdb.ErrorTypePermission, strings.Contains(d.Msg, "file system operations are disabled"):
		return readOnly("Readers reach tables only, no files and no network: " + firstLine(d.Msg))
	case d.Type == duckdb.ErrorTypeOutOfMemory:
		return problem(ci.BadSQL, "The statement needs more memory than weir may use.", "Narrow it, or raise the memory limit.", err)
	case d.Type == duckdb.ErrorTypeFatal, d.Type == duckdb.ErrorTypeIO:
		return e.problem(err)
	}
	return problem(ci.BadSQL, strings.TrimSpace(d.Msg), "Correct the statement; weir schema lists tables and columns.", err)
}
