package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir/internal/store"
)

const (
	csvMedia     = "text/csv; charset=utf-8"
	parquetMedia = "application/vnd.apache.parquet"
)

func (a *API) registerExport() {
	op := a.operation(http.MethodGet, "/export/{table}", "export", "A whole table",
		"Every column of a published table or view, in its order. ndjson: an object a row, times RFC 3339 in UTC with milliseconds, NULL as null. "+
			`csv: a header line, NULL as nothing, the empty text as "". parquet: types as stored. `+
			"An export that fails on the way breaks the connection off: it never ends like a whole one.")
	registerStream(a, op, []string{ndjson, "text/csv", parquetMedia}, func(ctx context.Context, in *struct {
		Table  string `path:"table"`
		Format string `query:"format" enum:"ndjson,csv,parquet" default:"ndjson"`
	},
	) (func(huma.Context), error) {
		table, err := published(in.Table)
		if err != nil {
			return nil, err
		}
		if in.Format == "parquet" {
			return a.exportParquet(ctx, table)
		}
		return a.exportRows(ctx, table, in.Format)
	})
}

func (a *API) exportRows(ctx context.Context, table store.Table, format string) (func(huma.Context), error) {
	result, err := a.Store.ExportRows(ctx, table.Name)
	if err != nil {
		return nil, err
	}
	return func(hc huma.Context) {
		defer func() { _ = result.Close() }()
		_, w := humago.Unwrap(hc)
		names := table.ColumnNames()
		out := newStream(w)
		media, encode := ndjson, func(b []byte, row []any) ([]byte, error) {
			b, err := appendObject(b, names, row)
			return append(b, '\n'), err
		}
		if format == "csv" {
			media, encode = csvMedia, appendCSV
		}
		w.Header().Set("Content-Type", media)
		if format == "csv" {
			header := make([]any, len(names))
			for i, name := range names {
				header[i] = name
			}
			line, _ := appendCSV(nil, header) // text only: cannot fail
			a.must(table, out.write(line))
		}
		var line []byte
		for row, err := range result.Rows() {
			a.must(table, err)
			line, err = encode(line[:0], row)
			a.must(table, err)
			a.must(table, out.write(line))
		}
		a.must(table, out.flush())
	}, nil
}

// must breaks the answer off when something failed after it has begun: a
// status cannot be taken back, and a short answer must not look like a whole one.
func (a *API) must(table store.Table, err error) {
	if err == nil {
		return
	}
	var gone *writeError
	if !errors.As(err, &gone) {
		a.Log.Error("export broke off", "table", table.Name, "error", err)
	}
	panic(http.ErrAbortHandler)
}

func (a *API) exportParquet(ctx context.Context, table store.Table) (_ func(huma.Context), err error) {
	dir, err := os.MkdirTemp(a.TempDir, "export-*")
	if err != nil {
		return nil, fmt.Errorf("a place for the export: %w", err)
	}
	// A file that is open lives on without its name, so nothing is left behind
	// whatever happens to the reader.
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, table.Name+".parquet")
	if err := a.Store.ExportParquet(ctx, table.Name, path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func(hc huma.Context) {
		defer func() { _ = f.Close() }()
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", parquetMedia)
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		if _, err := io.Copy(w, f); err != nil {
			a.must(table, &writeError{err})
		}
	}, nil
}
