package store

import (
	"context"
	"errors"
	"io"
	"strings"
)

// engine is what DuckDB and PostgreSQL do differently. SQL that both
// understand stands outside of it, with $1 placeholders.
type engine interface {
	name() string
	version(ctx context.Context) (string, error)
	size(ctx context.Context) (int64, error)
	checks(ctx context.Context) []Check

	// dialect gives the words of this engine's SQL that differ.
	dialect() dialect

	// write runs f in one transaction and commits it when f succeeds. f may run
	// again when the database asks for it (a deadlock), so it must not have
	// effects outside of the transaction.
	write(ctx context.Context, f func(writer) error) error

	// read runs f on one consistent snapshot.
	read(ctx context.Context, f func(reader) error) error

	// snapshot opens a consistent view of the data that lasts until release.
	snapshot(ctx context.Context) (r reader, release func() error, err error)

	// query runs one statement of a user. It is parsed, bound and confined there.
	query(ctx context.Context, q bound) (*Result, error)

	// ready is called once the schema stands: it prepares what needs tables.
	ready(ctx context.Context) error

	// problem turns the engine's error into a *ci.Problem; others pass as they are.
	problem(err error) error

	close() error
}

// reader reads inside a transaction.
type reader interface {
	// rows gives the answer's rows; they must be closed. Times come in UTC.
	rows(ctx context.Context, sql string, args ...any) (cursor, error)
}

// writer reads and writes inside a transaction.
type writer interface {
	reader
	// exec gives the number of rows that the statement touched.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// insert writes rows whose keys t does not have yet straight into t, where
	// that is cheaper than by the staging table, and gives the others. No key is
	// twice among the rows; values are as encode gives them.
	insert(ctx context.Context, t *Table, rows [][]any) (others [][]any, err error)
	// load empties the staging table of t and fills it; values are as encode gives them.
	load(ctx context.Context, t *Table, rows [][]any) error
}

// cursor walks over the rows of an answer.
type cursor interface {
	columns() []ResultColumn
	// next gives the following row, or io.EOF. The slice is the caller's.
	next() ([]any, error)
	close() error
}

// eachRow runs f on every row of an answer, as it comes. An error of f ends it.
func eachRow(ctx context.Context, r reader, sql string, args []any, f func(row []any) error) error {
	cursor, err := r.rows(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer cursor.close()
	for {
		row, err := cursor.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
}

// dialect is how an engine writes what SQL leaves open.
type dialect struct {
	engine string
	types  map[Type]string
	// lockSchema keeps other processes from migrating at the same time; "" where
	// there can be none.
	lockSchema string
	// countTables counts the tables of weir's schema; conditions on table_name may follow.
	countTables string
	// indexes are the statements that create what a table needs beside its key.
	indexes []string
	// pages is the condition (of the key's columns and a number n) that one row in
	// n fulfils, where answers must be read page by page; "" where rows stream.
	pages string
	// collate orders text by its bytes; "" where that is so anyhow.
	collate string
}

// order gives an ORDER BY that is the same on both engines.
func (d dialect) order(t *Table, columns []string) string {
	list := make([]string, len(columns))
	for i, name := range columns {
		list[i] = quoteName(name)
		for _, c := range t.Columns {
			if c.Name == name && c.Type == Text {
				list[i] += d.collate
			}
		}
	}
	return strings.Join(list, ", ")
}

// stage is the name of t's staging table, which has t's columns without any
// constraint and with text in place of JSON.
func stage(t *Table) string { return "stage_" + t.Name }
