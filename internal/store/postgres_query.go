package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/ci"
)

// Four floors stand between a reader's statement and the data: the extended
// protocol takes one statement only; it begins with a word that reads; it runs
// in a READ ONLY transaction under role weir_reader, which sees schema weir and
// PostgreSQL's catalog; and functions that run text as SQL or change the
// session are refused by name, because with them a reader could lay the role
// down (set_config) and then go on as weir (query_to_xml).

// privateSchema holds weir's private state (package control). weir_reader does
// not see it; where that role is missing, its name is refused.
const privateSchema = "weir_control"

// query runs a reader's statement on a connection of the readers' pool.
func (e *postgresEngine) query(ctx context.Context, q bound) (*Result, error) {
	tokens := lex(q.sql)
	if err := inspectPostgres(tokens); err != nil {
		return nil, err
	}
	if !e.confined && slices.ContainsFunc(tokens, func(t token) bool { return strings.EqualFold(t.name, privateSchema) }) {
		return nil, readOnly("Schema " + privateSchema + " is not open to readers.")
	}
	ctx, _, cancel := limited(ctx, q.timeout)
	conn, err := e.readers.Acquire(ctx)
	if err != nil {
		defer cancel()
		return nil, e.queryProblem(ctx, q, err)
	}
	finish := func() error {
		cancel()
		return discard(context.WithoutCancel(ctx), conn)
	}
	fail := func(err error) (*Result, error) {
		err = e.queryProblem(ctx, q, err)
		finish()
		return nil, err
	}
	if err := e.confine(ctx, conn, q.timeout); err != nil {
		return fail(err)
	}
	rows, err := conn.Query(ctx, q.sql, q.args...)
	if err != nil {
		return fail(err)
	}
	cursor := newPostgresRows(rows, conn.Conn().TypeMap())
	if len(cursor.cols) == 0 && rows.Err() != nil {
		return fail(rows.Err())
	}
	first := &peeked{postgresRows: cursor}
	if err := first.peek(); err != nil {
		return fail(err)
	}
	return &Result{
		cursor: first, maxRows: q.maxRows,
		finish: func() error {
			// Cancelled first: what is left of a long answer is not worth reading.
			err := finish()
			rows.Close()
			return err
		},
		explain: func(err error) error { return e.queryProblem(ctx, q, err) },
	}, nil
}

// peeked has read the first row ahead, so that an error of the statement comes
// from Query and not from its rows.
type peeked struct {
	*postgresRows
	row []any
	err error
	has bool
}

func (p *peeked) peek() error {
	p.row, p.err = p.postgresRows.next()
	p.has = true
	if p.err != nil && p.rows.Err() != nil {
		return p.err
	}
	p.describe()
	return nil
}

func (p *peeked) next() ([]any, error) {
	if p.has {
		p.has = false
		return p.row, p.err
	}
	return p.postgresRows.next()
}

// confine begins the transaction that the statement runs in.
func (e *postgresEngine) confine(ctx context.Context, conn *pgxpool.Conn, timeout time.Duration) error {
	statements := []string{"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"}
	if timeout > 0 {
		// The context ends the statement; this is for the case that weir dies.
		statements = append(statements, fmt.Sprintf("SET LOCAL statement_timeout = %d", (timeout+time.Second).Milliseconds()))
	}
	if e.confined {
		statements = append(statements, "SET LOCAL ROLE "+readerRole)
	}
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// discard gives a connection back as if new: no transaction, no setting, no
// lock. One that does not answer any more is closed.
func discard(ctx context.Context, conn *pgxpool.Conn) error {
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if conn.Conn().PgConn().IsBusy() {
		return conn.Conn().Close(ctx)
	}
	for _, s := range []string{"ROLLBACK", "DISCARD ALL"} {
		if conn.Conn().IsClosed() {
			return nil
		}
		if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return conn.Conn().Close(ctx)
		}
	}
	return nil
}

// inspectPostgres refuses what is no reading statement by its words.
func inspectPostgres(tokens []token) error {
	first := firstWord(tokens)
	if !slices.Contains([]string{"select", "with", "values", "table", "explain", "show"}, first) {
		return readOnly(fmt.Sprintf("%s is not a statement that only reads.", strings.ToUpper(first)))
	}
	for _, t := range tokens {
		if t.kind == tokenEscaped {
			return readOnly(`Names and texts written as U&"…" are not open to readers.`)
		}
	}
	if name, found := forbiddenCall(tokens, postgresRefuses); found {
		return readOnly(fmt.Sprintf("The function %s is not open to readers.", name))
	}
	return nil
}

// postgresRefuses names the functions that do more than read: they run text
// as SQL, change the session or the server, hold locks, or reach files and
// other servers. Most are closed to weir_reader anyhow.
func postgresRefuses(name string) bool {
	for _, prefix := range []string{
		"dblink", "lo_", "loread", "lowrite", "pg_read_", "pg_ls_", "pg_stat_file", "pg_file_", "pg_advisory_",
		"pg_try_advisory_", "pg_logical_", "pg_replication_", "pg_create_", "pg_drop_", "pg_copy_", "pg_backup_", "pg_start_backup", "pg_stop_backup",
		"pg_wal_", "pg_switch_", "query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml", "crosstab", "connectby", "xpath_table",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "set_config", "ts_stat", "ts_rewrite", "pg_notify", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf",
		"pg_rotate_logfile", "pg_promote", "pg_export_snapshot", "pg_log_backend_memory_contexts", "pg_stat_reset", "nextval", "setval":
		return true
	}
	return false
}

// queryProblem says what is wrong with a reader's statement.
func (e *postgresEngine) queryProblem(ctx context.Context, q bound, err error) error {
	var p *ci.Problem
	var refused *pgconn.PgError
	switch {
	case errors.Is(context.Cause(ctx), errTimeLimit):
		return timeoutProblem(q.timeout)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &p):
		return err
	case !errors.As(err, &refused):
		return e.problem(err)
	}
	switch refused.Code {
	case "57014":
		return timeoutProblem(q.timeout)
	case "25006": // read_only_sql_transaction
		return readOnly("The statement would write: " + refused.Message + ".")
	case "42501": // insufficient_privilege
		return readOnly("Readers see the tables of schema weir only: " + refused.Message + ".")
	}
	if strings.Contains(refused.Message, "cannot insert multiple commands") {
		return readOnly("The text holds several statements.")
	}
	text := refused.Message
	if refused.Position > 0 {
		text += fmt.Sprintf(" (at character %d)", refused.Position)
	}
	if refused.Detail != "" {
		text += ". " + refused.Detail
	}
	remedy := "Correct the statement; weir schema lists tables and columns."
	if refused.Hint != "" {
		remedy = refused.Hint
	}
	return problem(ci.BadSQL, text, remedy, err)
}
