package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Rows is the answer of a query while it arrives.
type Rows struct {
	ctx     context.Context // the call's own: a stream is the call's second half
	body    io.ReadCloser
	lines   *json.Decoder
	columns []Column
	summary QuerySummary
	ended   bool
}

// Query runs a statement that only reads. Its errors are bad_sql,
// read_only_sql, bad_request (a variable is missing) and query_timeout. The
// answer is to be closed by the caller.
func (c *Client) Query(ctx context.Context, q QueryRequest) (*Rows, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return nil, &ci.Problem{Code: ci.BadRequest, Cause: "The request cannot be written as JSON.", Err: err}
	}
	res, err := c.send(ctx, http.MethodPost, "/query", bytes.NewReader(b), nil)
	if err != nil {
		return nil, err
	}
	r := &Rows{ctx: ctx, body: res.Body, lines: json.NewDecoder(res.Body)}
	r.lines.UseNumber()
	var head struct {
		Columns []Column `json:"columns"`
		Error   *Problem `json:"error"`
	}
	if err := r.lines.Decode(&head); err != nil {
		_ = r.Close()
		return nil, cutOff(ctx, "The answer of the query", err)
	}
	if head.Error != nil {
		_ = r.Close()
		return nil, head.Error.Problem()
	}
	r.columns = head.Columns
	return r, nil
}

// Columns gives the columns of the answer, in order.
func (r *Rows) Columns() []Column { return r.columns }

// All gives the rows, once. A value is nil for NULL, else a bool, a
// json.Number with every digit, a string, []any or map[string]any; a time is a
// string (RFC 3339, UTC). An error ends the rows.
func (r *Rows) All() iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for !r.ended {
			var line json.RawMessage
			if err := r.lines.Decode(&line); err != nil {
				r.ended = true
				yield(nil, cutOff(r.ctx, "The answer of the query", err))
				return
			}
			row, err := r.read(line)
			if err != nil {
				r.ended = true
				yield(nil, err)
				return
			}
			if row != nil && !yield(row, nil) {
				return
			}
		}
	}
}

// read reads one line: a row, or nil for the last line.
func (r *Rows) read(line json.RawMessage) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if line[0] == '[' {
		row := []any{}
		return row, d.Decode(&row)
	}
	var last struct {
		QuerySummary
		Error *Problem `json:"error"`
	}
	if err := d.Decode(&last); err != nil {
		return nil, cutOff(r.ctx, "The answer of the query", err)
	}
	if last.Error != nil {
		return nil, last.Error.Problem()
	}
	r.summary, r.ended = last.QuerySummary, true
	return nil, nil
}

// Summary says how the answer ended; it is the zero value before All ended
// without error.
func (r *Rows) Summary() QuerySummary { return r.summary }

// Close ends the query, if it still runs.
func (r *Rows) Close() error { return r.body.Close() }

// SyncEvents follows an import from the event after the one with the id after
// (0: from the first that the server still has) to its end, which is the event
// "done" with the summary. A stream that breaks off is taken up again where it
// broke; the error that ends it comes when that fails several times in a row,
// or when the context ends.
func (c *Client) SyncEvents(ctx context.Context, id ci.SyncID, after int64) iter.Seq2[SyncEvent, error] {
	return func(yield func(SyncEvent, error) bool) {
		for failures := 0; ; {
			progress, err := c.follow(ctx, id, &after, yield)
			if err == nil {
				return
			}
			if failures++; progress {
				failures = 1
			}
			if ctx.Err() != nil {
				yield(SyncEvent{}, context.Cause(ctx))
				return
			}
			if failures == maxReconnects || !retriable(err) {
				yield(SyncEvent{}, err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(failures) * 200 * time.Millisecond):
			}
		}
	}
}

const maxReconnects = 5

func retriable(err error) bool {
	code := ci.CodeOf(err)
	return code == ci.Interrupted || code == ci.ServerUnreachable
}

// follow reads one event stream. It returns nil when the import is over or the
// reader has had enough, and whether any event came.
func (c *Client) follow(ctx context.Context, id ci.SyncID, after *int64, yield func(SyncEvent, error) bool) (progress bool, err error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if *after > 0 {
		header.Set("Last-Event-ID", strconv.FormatInt(*after, 10))
	}
	res, err := c.send(ctx, http.MethodGet, syncPath(id)+"/events", nil, header)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewReader(res.Body)
	var data strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return progress, cutOff(ctx, "The events of the sync", err)
		}
		line = strings.TrimRight(line, "\r\n")
		if value, ok := strings.CutPrefix(line, "data:"); ok {
			data.WriteString(strings.TrimPrefix(value, " "))
			continue
		}
		if line != "" || data.Len() == 0 {
			continue // a comment, an id, the event's name: data says all of it
		}
		var e SyncEvent
		if err := json.Unmarshal([]byte(data.String()), &e); err != nil {
			return progress, &ci.Problem{Code: ci.Internal, Cause: "An event of the sync is not understood.", Err: errors.Unwrap(err)}
		}
		data.Reset()
		progress, *after = true, e.ID
		if !yield(e, nil) || e.Kind == "done" {
			return progress, nil
		}
	}
}
