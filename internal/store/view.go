package store

import (
	"context"
	"errors"
	"io"
)

// View is one consistent look at everything that is stored: whatever it is
// asked, it answers as of one moment. It is good until the function that it was
// given to returns.
//
// Unlike [Store.Query] it is not for readers' statements: it neither inspects
// nor confines them, and has no limits but the context. It cannot write.
type View struct{ reader reader }

// View runs f on a view. Errors of the database are *ci.Problem; those of f
// come back as they are.
func (s *Store) View(ctx context.Context, f func(*View) error) error {
	err := s.engine.read(ctx, func(r reader) error { return f(&View{r}) })
	if err != nil {
		return s.engine.problem(err)
	}
	return nil
}

// Select runs one statement of weir's own and gives its columns and all its
// rows; a value is as [Result.Rows] gives it. args are the values of $1, $2, ….
func (v *View) Select(ctx context.Context, sql string, args ...any) ([]ResultColumn, [][]any, error) {
	cursor, err := v.reader.rows(ctx, sql, args...)
	if err != nil {
		return nil, nil, err
	}
	defer cursor.close()
	var rows [][]any
	for {
		row, err := cursor.next()
		if errors.Is(err, io.EOF) {
			return cursor.columns(), rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, row)
	}
}

// Each runs one statement of weir's own and f on every row as it comes, so that
// an answer need not fit into memory. An error of f ends it.
func (v *View) Each(ctx context.Context, sql string, args []any, f func(row []any) error) error {
	return eachRow(ctx, v.reader, sql, args, f)
}
