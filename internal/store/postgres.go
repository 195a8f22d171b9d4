package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/ci"
)

// postgresEngine is the schema weir of a PostgreSQL database. Readers'
// statements run on a pool of their own, under the role weir_reader where that
// could be made.
type postgresEngine struct {
	log      *slog.Logger
	pool     *pgxpool.Pool
	readers  *pgxpool.Pool
	database string // for messages; no password
	confined bool   // readers run as weir_reader
	why      string // why not
}

const readerRole = "weir_reader"

func openPostgres(ctx context.Context, c Config) (engine, error) {
	config, err := pgxpool.ParseConfig(c.Database)
	if err != nil {
		// pgx leaves the password out of its message.
		return nil, problem(ci.BadRequest, "The database URL cannot be read: "+err.Error()+".",
			"Write postgres://user:password@host:5432/database.", err)
	}
	// Sent with the connection, so that DISCARD ALL comes back to them.
	config.ConnConfig.RuntimeParams["search_path"] = "weir"
	config.ConnConfig.RuntimeParams["TimeZone"] = "UTC"
	config.ConnConfig.RuntimeParams["application_name"] = "weir"
	// "relation exists, skipping" is no news.
	config.ConnConfig.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	e := &postgresEngine{log: c.Log, database: fmt.Sprintf("%s:%d/%s",
		config.ConnConfig.Host, config.ConnConfig.Port, config.ConnConfig.Database)}

	readers := config.Copy()
	readers.ConnConfig.RuntimeParams["application_name"] = "weir reader"
	readers.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	// Statements come once; a cache would outlive DISCARD ALL.
	readers.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec

	if e.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, e.problem(err)
	}
	if e.readers, err = pgxpool.NewWithConfig(ctx, readers); err != nil {
		e.pool.Close()
		return nil, e.problem(err)
	}
	if err := e.createSchema(ctx); err != nil {
		e.close()
		return nil, e.problem(err)
	}
	return e, nil
}

// createSchema makes the schema where it is missing. CREATE SCHEMA IF NOT
// EXISTS wants the right to create one even when it is there, so it is looked for first.
func (e *postgresEngine) createSchema(ctx context.Context) error {
	return e.write(ctx, func(w writer) error {
		if _, err := w.exec(ctx, e.dialect().lockSchema); err != nil {
			return err
		}
		n, err := oneInt(ctx, w, "SELECT count(*) FROM pg_namespace WHERE nspname = 'weir'")
		if err != nil || n > 0 {
			return err
		}
		_, err = w.exec(ctx, "CREATE SCHEMA weir")
		return err
	})
}

func (e *postgresEngine) name() string     { return "postgres" }
func (e *postgresEngine) dialect() dialect { return postgresDialect() }

func (e *postgresEngine) version(ctx context.Context) (string, error) {
	var v string
	err := e.pool.QueryRow(ctx, "SHOW server_version").Scan(&v)
	return v, err
}

func (e *postgresEngine) size(ctx context.Context) (int64, error) {
	var n int64
	err := e.pool.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'weir' AND c.relkind = 'r'`).Scan(&n)
	return n, err
}

func (e *postgresEngine) checks(ctx context.Context) []Check {
	version, err := e.version(ctx)
	if err != nil {
		return []Check{{Name: "database", Detail: err.Error(), Remedy: "See that PostgreSQL at " + e.database + " runs and lets weir in."}}
	}
	size, err := e.size(ctx)
	if err != nil {
		return []Check{{Name: "database", Detail: err.Error(), Remedy: "See that weir may read the catalog of " + e.database + "."}}
	}
	confined := Check{Name: "database_readers", OK: e.confined, Detail: "readers run as role " + readerRole + " and see schema weir only"}
	if !e.confined {
		confined.Detail = "readers run as weir itself, in read-only transactions: " + e.why
		confined.Remedy = fmt.Sprintf("As an administrator of PostgreSQL: CREATE ROLE %[1]s NOLOGIN; GRANT %[1]s TO the user of weir. Then start weir again.", readerRole)
	}
	return []Check{{Name: "database", OK: true, Detail: fmt.Sprintf("PostgreSQL %s, %s, %d bytes", version, e.database, size)}, confined}
}

// ready makes the role that readers' statements run under. Where weir may not,
// it goes on without, and weir doctor says so.
func (e *postgresEngine) ready(ctx context.Context) error {
	e.confined, e.why = false, ""
	for _, s := range []struct{ sql, unless string }{
		{"CREATE ROLE " + readerRole + " NOLOGIN", "SELECT count(*) FROM pg_roles WHERE rolname = '" + readerRole + "'"},
		{"GRANT " + readerRole + " TO CURRENT_USER", "SELECT count(*) FROM pg_roles WHERE rolname = '" + readerRole + "' AND pg_has_role(current_user, oid, 'MEMBER')"},
		{"GRANT USAGE ON SCHEMA weir TO " + readerRole, ""},
		{"GRANT SELECT ON ALL TABLES IN SCHEMA weir TO " + readerRole, ""},
	} {
		if err := e.grant(ctx, s.sql, s.unless); err != nil {
			var refused *pgconn.PgError
			if !errors.As(err, &refused) {
				return err
			}
			e.why = refused.Message
			e.log.WarnContext(ctx, "readers not confined", "statement", s.sql, "error", refused.Message)
			return nil
		}
	}
	e.confined = true
	return nil
}

// grant runs a statement on roles, which all databases of a server share:
// another weir may be doing the same, so a collision is tried again.
func (e *postgresEngine) grant(ctx context.Context, statement, unless string) error {
	for attempt := 0; ; attempt++ {
		if unless != "" {
			var n int64
			if err := e.pool.QueryRow(ctx, unless).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return nil
			}
		}
		_, err := e.pool.Exec(ctx, statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || attempt == 20 {
			return err
		}
		switch refused.Code {
		case "42710", "23505", "XX000", "40001": // exists already, or "tuple concurrently updated"
			if err := pause(ctx, time.Duration(attempt+1)*5*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		return err
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *postgresEngine) close() error {
	e.readers.Close()
	e.pool.Close()
	return nil
}

// write runs f in a transaction, again when PostgreSQL chose it as the victim
// of a deadlock.
func (e *postgresEngine) write(ctx context.Context, f func(writer) error) error {
	for attempt := 0; ; attempt++ {
		err := pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error { return f(&postgresTx{tx: tx, dialect: e.dialect()}) })
		var refused *pgconn.PgError
		if attempt == 3 || !errors.As(err, &refused) || (refused.Code != "40P01" && refused.Code != "40001") {
			return err
		}
		e.log.DebugContext(ctx, "transaction again", "code", refused.Code)
	}
}

func (e *postgresEngine) read(ctx context.Context, f func(reader) error) error {
	return pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
		func(tx pgx.Tx) error { return f(&postgresTx{tx: tx, dialect: e.dialect()}) })
}

func (e *postgresEngine) snapshot(ctx context.Context) (reader, func() error, error) {
	tx, err := e.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, err
	}
	settled := context.WithoutCancel(ctx)
	// The first statement takes the snapshot, not BEGIN.
	if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
		return nil, nil, errors.Join(err, tx.Rollback(settled))
	}
	return &postgresTx{tx: tx, dialect: e.dialect()}, func() error {
		if err := tx.Rollback(settled); err != nil && !tx.Conn().IsClosed() {
			return err
		}
		return nil // a cancelled export has closed the connection, and with it the transaction
	}, nil
}

// postgresTx is an open transaction.
type postgresTx struct {
	tx      pgx.Tx
	dialect dialect
	staged  map[string]bool // staging tables that this transaction knows to be there
}

func (t *postgresTx) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

func (t *postgresTx) rows(ctx context.Context, statement string, args ...any) (cursor, error) {
	rows, err := t.tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return newPostgresRows(rows, t.tx.Conn().TypeMap()), nil
}

// insert leaves everything to the upsert: another process may insert the same
// rows at the same time.
func (t *postgresTx) insert(_ context.Context, _ *Table, rows [][]any) ([][]any, error) {
	return rows, nil
}

func (t *postgresTx) load(ctx context.Context, table *Table, rows [][]any) error {
	name := stage(table)
	if !t.staged[name] {
		if _, err := t.tx.Exec(ctx, t.dialect.createStage(table)); err != nil {
			return err
		}
		if t.staged == nil {
			t.staged = map[string]bool{}
		}
		t.staged[name] = true
	}
	if _, err := t.tx.Exec(ctx, "TRUNCATE "+quoteName(name)); err != nil {
		return err
	}
	_, err := t.tx.CopyFrom(ctx, pgx.Identifier{name}, table.ColumnNames(), pgx.CopyFromRows(rows))
	return err
}

// postgresRows walks over an answer of PostgreSQL's, as it arrives.
type postgresRows struct {
	rows  pgx.Rows
	types *pgtype.Map
	cols  []ResultColumn
}

func newPostgresRows(rows pgx.Rows, types *pgtype.Map) *postgresRows {
	r := &postgresRows{rows: rows, types: types}
	r.describe()
	return r
}

func (r *postgresRows) describe() {
	fields := r.rows.FieldDescriptions()
	r.cols = make([]ResultColumn, len(fields))
	for i, f := range fields {
		r.cols[i] = ResultColumn{Name: f.Name, Type: postgresType(r.types, f.DataTypeOID)}
	}
}

func (r *postgresRows) columns() []ResultColumn { return r.cols }

func (r *postgresRows) next() ([]any, error) {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	fields, raw := r.rows.FieldDescriptions(), r.rows.RawValues()
	row := make([]any, len(fields))
	for i, f := range fields {
		value, err := r.value(f, raw[i])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		row[i] = plainPostgres(value, r.cols[i].Type)
	}
	return row, nil
}

func (r *postgresRows) value(f pgconn.FieldDescription, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	switch {
	case f.DataTypeOID == pgtype.JSONOID || f.DataTypeOID == pgtype.JSONBOID:
		if f.Format == pgtype.BinaryFormatCode && f.DataTypeOID == pgtype.JSONBOID {
			raw = raw[1:] // jsonb's binary form begins with a version
		}
		return json.RawMessage(append([]byte(nil), raw...)), nil
	case f.Format == pgtype.TextFormatCode && f.DataTypeOID == pgtype.NumericOID:
		return string(raw), nil
	}
	if t, ok := r.types.TypeForOID(f.DataTypeOID); ok {
		return t.Codec.DecodeValue(r.types, f.DataTypeOID, f.Format, raw)
	}
	return string(raw), nil // a type of an extension, asked for as text
}

func (r *postgresRows) close() error {
	r.rows.Close()
	return nil
}

// plainPostgres does for pgx's own types what plain does for the rest.
func plainPostgres(v any, kind string) any {
	switch v := v.(type) {
	case pgtype.Numeric:
		return plainNumeric(v)
	case pgtype.Interval:
		return plainInterval(v.Months, v.Days, v.Microseconds)
	case pgtype.Time:
		return time.UnixMicro(v.Microseconds).UTC().Format("15:04:05.999999")
	case pgtype.InfinityModifier:
		if v == pgtype.NegativeInfinity {
			return "-infinity"
		}
		return "infinity"
	case [16]byte:
		return plain(v[:], "uuid")
	}
	return plain(v, kind)
}

func plainNumeric(n pgtype.Numeric) any {
	switch {
	case !n.Valid:
		return nil
	case n.NaN:
		return "NaN"
	case n.InfinityModifier == pgtype.Infinity:
		return "Infinity"
	case n.InfinityModifier == pgtype.NegativeInfinity:
		return "-Infinity"
	case n.Exp >= 0 && n.Int.IsInt64() && n.Exp <= 18:
		whole := new(big.Int).Mul(n.Int, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Exp)), nil))
		if whole.IsInt64() {
			return whole.Int64()
		}
	}
	text, err := n.MarshalJSON()
	if err != nil {
		return nil
	}
	return json.Number(text)
}

// postgresType gives a type's name as users of PostgreSQL write it.
func postgresType(types *pgtype.Map, oid uint32) string {
	t, ok := types.TypeForOID(oid)
	if !ok {
		return "text"
	}
	words := map[string]string{
		"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
		"bool": "boolean", "varchar": "text", "bpchar": "text", "name": "text", "jsonb": "json", "unknown": "text",
	}
	name, suffix := t.Name, ""
	if len(name) > 1 && name[0] == '_' {
		name, suffix = name[1:], "[]"
	}
	if word, ok := words[name]; ok {
		name = word
	}
	return name + suffix
}
