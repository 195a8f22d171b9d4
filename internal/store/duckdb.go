package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir/internal/ci"
)

// duckEngine is a DuckDB file. One connection writes, behind a mutex, because
// of two transactions on one row DuckDB lets the second fail at once; readers
// have connections of their own and never wait.
//
// The whole instance is locked down as soon as it is open: no extension is
// fetched, no file is read or written but the database's own, and no setting
// can be changed, by nobody. So a hole in the statement check of query.go does
// not open the machine.
type duckEngine struct {
	log    *slog.Logger
	path   string
	db     *sql.DB
	mu     sync.Mutex // guards writer
	writer *sql.Conn

	insertFrom int // rows in a table's batch from which new ones are inserted directly
}

func openDuckDB(ctx context.Context, c Config) (engine, error) {
	path := c.Database
	if path == "" {
		return nil, problem(ci.BadRequest, "No database is named.", "Name a file or a postgres:// URL.", nil)
	}
	if scheme, _, ok := strings.Cut(path, "://"); ok {
		return nil, problem(ci.BadRequest, fmt.Sprintf("weir cannot use a %s database.", scheme),
			"Name a file, or a URL that begins with postgres://.", nil)
	}
	// The driver reads options after a question mark and un-escapes nothing.
	if _, err := url.Parse(path); err != nil || strings.ContainsAny(path, "?#") || path == ":memory:" {
		return nil, problem(ci.BadRequest, fmt.Sprintf("The database cannot be called %q.", path),
			"Choose a file name without ? # % and :.", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, problem(ci.DataDirUnwritable, fmt.Sprintf("The directory %s cannot be created: %v.", filepath.Dir(path), cause(err)),
			"Name a directory that weir may write to.", err)
	}
	e := &duckEngine{log: c.Log, path: path, insertFrom: insertFrom}
	if !filepath.IsAbs(path) {
		path = "./" + path // else "a:b" would look like a scheme
	}
	connector, err := duckdb.NewConnector(path, nil)
	if err != nil {
		return nil, e.openProblem(err)
	}
	e.db = sql.OpenDB(connector)
	if e.writer, err = e.db.Conn(ctx); err != nil {
		e.db.Close()
		return nil, e.openProblem(err)
	}
	if err := e.lockDown(ctx, c); err != nil {
		e.close()
		return nil, e.openProblem(err)
	}
	return e, nil
}

// checkpointAfter is how much may stand in DuckDB's log before it goes into the
// file. Each time, the last and largest row group of every table is compressed
// anew: with DuckDB's own 16 MB an import of 100,000 jobs does that over and
// over, and leaves holes in the file. What a kill leaves in the log is read at
// the next start.
const checkpointAfter = "64MB"

// lockDown bounds what the instance uses and may touch.
func (e *duckEngine) lockDown(ctx context.Context, c Config) error {
	for _, statement := range []string{
		"SET GLOBAL memory_limit = " + quoteText(c.MemoryLimit),
		fmt.Sprintf("SET GLOBAL threads = %d", c.Threads),
		"SET GLOBAL checkpoint_threshold = " + quoteText(checkpointAfter),
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL autoinstall_known_extensions = false",
		"SET GLOBAL autoload_known_extensions = false",
		"SET GLOBAL allow_community_extensions = false",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
	} {
		if _, err := e.writer.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (e *duckEngine) name() string     { return "duckdb" }
func (e *duckEngine) dialect() dialect { return duckDialect() }

func (e *duckEngine) version(ctx context.Context) (string, error) {
	var v string
	err := e.db.QueryRowContext(ctx, "SELECT version()").Scan(&v)
	return v, err
}

func (e *duckEngine) size(context.Context) (int64, error) {
	var total int64
	for _, path := range []string{e.path, e.path + ".wal"} {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}

func (e *duckEngine) checks(ctx context.Context) []Check {
	list := []Check{}
	version, err := e.version(ctx)
	if err != nil {
		return append(list, Check{Name: "database", Detail: err.Error(), Remedy: "Stop weir and look at the file " + e.path + "."})
	}
	size, err := e.size(ctx)
	if err != nil {
		return append(list, Check{Name: "database", Detail: err.Error(), Remedy: "Look at the file " + e.path + "."})
	}
	list = append(list, Check{Name: "database", OK: true, Detail: fmt.Sprintf("DuckDB %s, %s, %d bytes", version, e.path, size)})
	var locked, access bool
	err = e.db.QueryRowContext(ctx, "SELECT current_setting('lock_configuration'), current_setting('enable_external_access')").Scan(&locked, &access)
	confined := Check{Name: "database_readers", OK: err == nil && locked && !access, Detail: "readers cannot write, change settings or reach files"}
	if !confined.OK {
		confined.Detail, confined.Remedy = "the database is not locked down", "Report this: it is a defect of weir's."
	}
	return append(list, confined)
}

// ready creates the staging tables of the writing connection.
func (e *duckEngine) ready(ctx context.Context) error {
	d := e.dialect()
	tables := Tables()
	for i := range tables {
		if _, err := e.writer.ExecContext(ctx, d.createStage(&tables[i])); err != nil {
			return err
		}
	}
	return nil
}

func (e *duckEngine) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	if e.writer != nil {
		errs = append(errs, e.writer.Close())
		e.writer = nil
	}
	return errors.Join(append(errs, e.db.Close())...)
}

func (e *duckEngine) write(ctx context.Context, f func(writer) error) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.writer == nil {
		return sql.ErrConnDone
	}
	// A BEGIN that is interrupted leaves a transaction behind that is aborted, and
	// one that has begun must end, whatever becomes of the context.
	settled := context.WithoutCancel(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := e.writer.ExecContext(settled, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		if _, rollback := e.writer.ExecContext(settled, "ROLLBACK"); rollback != nil && !noTransaction(rollback) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}
	}()
	if err := f(&duckTx{e.writer, e.insertFrom}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := e.writer.ExecContext(settled, "COMMIT"); err != nil {
		return err
	}
	committed = true
	return nil
}

// noTransaction says whether a ROLLBACK found that DuckDB had done it already,
// as it does when a COMMIT fails.
func noTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active")
}

func (e *duckEngine) read(ctx context.Context, f func(reader) error) error {
	r, release, err := e.snapshot(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(r), release())
}

func (e *duckEngine) snapshot(ctx context.Context) (reader, func() error, error) {
	conn, release, err := e.readOnly(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &duckTx{conn: conn}, release, nil
}

// readOnly gives a connection in a transaction that cannot write.
func (e *duckEngine) readOnly(ctx context.Context) (*sql.Conn, func() error, error) {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	settled := context.WithoutCancel(ctx) // as in write
	if _, err := conn.ExecContext(settled, "BEGIN TRANSACTION READ ONLY"); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, func() error {
		_, err := conn.ExecContext(settled, "ROLLBACK")
		if err != nil && noTransaction(err) {
			err = nil
		}
		return errors.Join(err, conn.Close())
	}, nil
}

// duckTx is a connection with an open transaction.
type duckTx struct {
	conn       *sql.Conn
	insertFrom int
}

func (t *duckTx) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := t.conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *duckTx) rows(ctx context.Context, statement string, args ...any) (cursor, error) {
	rows, err := t.conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return newDuckRows(rows)
}

// duckRows walks over an answer of DuckDB's.
type duckRows struct {
	rows *sql.Rows
	cols []ResultColumn
	scan []any
}

func newDuckRows(rows *sql.Rows) (*duckRows, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		rows.Close()
		return nil, err
	}
	r := &duckRows{rows: rows, cols: make([]ResultColumn, len(types)), scan: make([]any, len(types))}
	for i, t := range types {
		r.cols[i] = ResultColumn{Name: t.Name(), Type: duckType(t.DatabaseTypeName())}
	}
	return r, nil
}

func (r *duckRows) columns() []ResultColumn { return r.cols }

func (r *duckRows) next() ([]any, error) {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	row := make([]any, len(r.cols))
	for i := range row {
		r.scan[i] = &row[i]
	}
	if err := r.rows.Scan(r.scan...); err != nil {
		return nil, err
	}
	for i := range row {
		row[i] = plain(row[i], r.cols[i].Type)
	}
	return row, nil
}

func (r *duckRows) close() error { return r.rows.Close() }

func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
