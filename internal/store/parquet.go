package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir/internal/ci"
)

// ExportParquet writes a published table or view to a Parquet file: what
// ExportRows gives, times as UTC timestamps of microseconds, JSON as text. The
// file appears under its name when it is whole; an older one is replaced.
//
// The stored database is locked down and cannot write files, so the rows pass
// through a DuckDB of their own, in a directory beside the target that is gone
// afterwards.
func (s *Store) ExportParquet(ctx context.Context, table, path string) (err error) {
	rows, err := s.ExportRows(ctx, table)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	t, _ := TableByName(table)

	dir, err := os.MkdirTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return problem(ci.DataDirUnwritable, fmt.Sprintf("%s cannot be written: %v.", filepath.Dir(path), cause(err)),
			"Name a directory that weir may write to.", err)
	}
	defer os.RemoveAll(dir)
	whole, err := filepath.Abs(filepath.Join(dir, "whole.parquet"))
	if err != nil {
		return err
	}
	if err := writeParquet(ctx, dir, &t, rows, whole); err != nil {
		return fmt.Errorf("export %s: %w", table, err)
	}
	return os.Rename(whole, path)
}

func writeParquet(ctx context.Context, dir string, t *Table, rows *Result, path string) (err error) {
	connector, err := duckdb.NewConnector(filepath.Join(dir, "rows.duckdb"), nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	d := duckDialect()
	for _, statement := range []string{"SET memory_limit = '256MB'", "SET threads = 2", "SET TimeZone = 'UTC'", d.createStage(t)} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := appendRows(ctx, conn, t, rows); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("COPY %s TO %s (FORMAT parquet, COMPRESSION zstd)", quoteName(stage(t)), quoteText(path)))
	return err
}

func appendRows(ctx context.Context, conn *sql.Conn, t *Table, rows *Result) error {
	return conn.Raw(func(dc any) error {
		c, ok := dc.(driver.Conn)
		if !ok {
			return fmt.Errorf("%T is no connection of DuckDB's driver", dc)
		}
		appender, err := duckdb.NewAppender(c, "temp", "main", stage(t))
		if err != nil {
			return err
		}
		values := make([]driver.Value, len(t.Columns))
		for row, err := range rows.Rows() {
			if err == nil {
				for i := range row {
					values[i] = appendable(row[i])
				}
				err = appender.AppendRow(values...)
			}
			if err != nil {
				return errors.Join(err, appender.Close())
			}
		}
		return appender.CloseWithCancel(ctx)
	})
}

// appendable undoes what plain did for readers.
func appendable(v any) any {
	switch v := v.(type) {
	case json.RawMessage:
		return string(v)
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i], _ = v[i].(string)
		}
		return list
	}
	return v
}
