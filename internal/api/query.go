package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// defaultQueryTime bounds a statement that names no bound.
const defaultQueryTime = 60 * time.Second

// Streams are written through a buffer of this size, which is sent at least
// this often, so that a slow query shows its first rows.
const (
	streamBuffer = 64 << 10
	streamFlush  = 200 * time.Millisecond
)

func (a *API) registerQuery() {
	op := a.operation(http.MethodPost, "/query", "query", "Run a statement that reads",
		`Answers NDJSON: a line {"columns":[{"name","type"}]}, then one array a row, then {"rows","truncated","took_seconds"}. `+
			`A statement that fails on the way ends with a line {"error":problem} instead. Times are RFC 3339 in UTC; numbers keep every digit.`)
	registerStream(a, op, []string{ndjson}, func(ctx context.Context, in *struct{ Body QueryRequest }) (func(huma.Context), error) {
		began := time.Now()
		limit := defaultQueryTime
		if in.Body.TimeoutSeconds > 0 {
			limit = time.Duration(in.Body.TimeoutSeconds * float64(time.Second))
		}
		if limit <= 0 || in.Body.TimeoutSeconds > (24*time.Hour).Seconds() {
			return nil, &ci.Problem{
				Code:   ci.BadRequest,
				Cause:  "The time limit is out of range.",
				Remedy: "Give a number of seconds up to a day.",
			}
		}
		result, err := a.Store.Query(ctx, store.Query{
			SQL: in.Body.SQL, Variables: in.Body.Variables, MaxRows: in.Body.MaxRows, Timeout: limit,
		})
		if err != nil {
			return nil, err
		}
		return func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			w.Header().Set("Content-Type", ndjson)
			w.Header().Set("Cache-Control", "no-store")
			a.writeResult(r.Context(), newStream(w), result, began)
		}, nil
	})
}

const ndjson = "application/x-ndjson"

// writeResult writes the lines of a result. When the reader is gone there is
// nobody to tell.
func (a *API) writeResult(ctx context.Context, out *stream, result *store.Result, began time.Time) {
	defer func() { _ = result.Close() }()
	head := struct {
		Columns []Column `json:"columns"`
	}{[]Column{}}
	for _, c := range result.Columns() {
		head.Columns = append(head.Columns, Column{Name: c.Name, Type: c.Type})
	}
	if out.line(head) != nil {
		return
	}
	var rows int64
	for row, err := range result.Rows() {
		if err == nil {
			err = out.row(row)
		}
		var gone *writeError
		switch {
		case err == nil:
			rows++
		case errors.As(err, &gone):
			return
		default:
			_ = out.line(struct {
				Error *Problem `json:"error"`
			}{a.refused(ctx, "query", err)})
			_ = out.flush()
			return
		}
	}
	_ = out.line(QuerySummary{Rows: rows, Truncated: result.Truncated(), TookSeconds: time.Since(began).Seconds()})
	_ = out.flush()
}

// stream writes lines through a buffer and sends it from time to time.
type stream struct {
	buffer  *bufio.Writer
	control *http.ResponseController
	flushed time.Time
	text    []byte // of the row being written, kept for its capacity
}

// writeError is an error of the connection to the reader, not of the data.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

func newStream(w http.ResponseWriter) *stream {
	return &stream{buffer: bufio.NewWriterSize(w, streamBuffer), control: http.NewResponseController(w), flushed: time.Now()}
}

// line writes a value as one line of JSON.
func (s *stream) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(append(b, '\n'))
}

// row writes a row as one line, a JSON array.
func (s *stream) row(row []any) (err error) {
	if s.text, err = appendRow(s.text[:0], row); err != nil {
		return err
	}
	s.text = append(s.text, '\n')
	return s.write(s.text)
}

func (s *stream) write(b []byte) error {
	if _, err := s.buffer.Write(b); err != nil {
		return &writeError{err}
	}
	if time.Since(s.flushed) < streamFlush {
		return nil
	}
	return s.flush()
}

func (s *stream) flush() error {
	s.flushed = time.Now()
	if err := s.buffer.Flush(); err != nil {
		return &writeError{err}
	}
	if err := s.control.Flush(); err != nil {
		return &writeError{err}
	}
	return nil
}
