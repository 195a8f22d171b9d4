package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Query is a statement that a reader wants answered.
type Query struct {
	// SQL is one statement that reads: SELECT, WITH, VALUES, FROM, TABLE,
	// EXPLAIN, DESCRIBE, SHOW, SUMMARIZE, as far as the engine knows them.
	SQL string
	// Variables are the values of the statement's :names.
	Variables map[string]string
	// MaxRows ends the answer after so many rows. 0 means all of them.
	MaxRows int
	// Timeout ends the statement. 0 means that only the context does.
	Timeout time.Duration
}

// bound is a query whose variables have become parameters $1, $2, ….
type bound struct {
	sql     string
	args    []any
	maxRows int
	timeout time.Duration
}

// ResultColumn is a column of an answer.
type ResultColumn struct {
	Name string
	Type string // in PostgreSQL's words on both engines: bigint, text, timestamptz, double precision, text[], …
}

// Result is an answer on its way. It must be closed.
type Result struct {
	cursor    cursor
	maxRows   int
	truncated bool
	finish    func() error      // gives back what the answer holds
	explain   func(error) error // turns the engine's error into a problem
}

// Query runs one statement that cannot write. Its errors are *ci.Problem:
// bad_request for a variable, read_only_sql for a statement that would write or
// leave the database, bad_sql for one that the engine refuses, query_timeout.
// A statement stops when ctx ends.
func (s *Store) Query(ctx context.Context, q Query) (*Result, error) {
	text, args, err := bindVariables(q.SQL, q.Variables)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(solid(lex(text)), func(t token) bool { return t.text != ";" }) {
		return nil, problem(ci.BadSQL, "The statement is empty.", "Write a SELECT.", nil)
	}
	return s.engine.query(ctx, bound{text, args, q.MaxRows, q.Timeout})
}

// Columns gives the answer's columns, in order. Names may repeat.
func (r *Result) Columns() []ResultColumn { return r.cursor.columns() }

// Rows gives the rows, once. A value is nil, bool, int64, float64, json.Number
// (an exact number that neither holds), string, time.Time (UTC), []any or
// map[string]any of these, or json.RawMessage. Dates and times without a zone
// are text. An error ends the sequence.
func (r *Result) Rows() iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for n := 0; ; n++ {
			row, err := r.cursor.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, r.explain(err))
				return
			}
			if r.maxRows > 0 && n == r.maxRows {
				r.truncated = true
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Truncated says, after the rows were read, whether there were more than MaxRows.
func (r *Result) Truncated() bool { return r.truncated }

// Close gives back what the answer holds. It may be called twice.
func (r *Result) Close() error {
	if r.finish == nil {
		return nil
	}
	finish := r.finish
	r.finish = nil
	return finish()
}

// errTimeLimit is the cause of a context that a query's own limit has ended.
var errTimeLimit = errors.New("the statement's time limit has passed")

// limited gives a context that ends after the limit with errTimeLimit as its
// cause, a function that lifts the limit, and one that ends the context.
func limited(ctx context.Context, limit time.Duration) (_ context.Context, lift func(), cancel func()) {
	ctx, end := context.WithCancelCause(ctx)
	cancel = func() { end(context.Canceled) }
	if limit <= 0 {
		return ctx, func() {}, cancel
	}
	timer := time.AfterFunc(limit, func() { end(errTimeLimit) })
	return ctx, func() { timer.Stop() }, func() {
		timer.Stop()
		end(context.Canceled)
	}
}

func timeoutProblem(limit time.Duration) *ci.Problem {
	return problem(ci.QueryTimeout, fmt.Sprintf("The statement took longer than %s.", limit),
		"Narrow it (a project, a shorter time), or allow more time.", errTimeLimit)
}

func readOnly(what string) *ci.Problem {
	return problem(ci.ReadOnlySQL, what, "Write one statement that only reads: SELECT, WITH, EXPLAIN, DESCRIBE or SHOW.", nil)
}

// firstWord gives the statement's first word in lower case; "" where it begins
// with something else than a word or an opening bracket.
func firstWord(tokens []token) string {
	for _, t := range solid(tokens) {
		switch {
		case t.kind == tokenOther && t.text == "(":
			continue
		case t.kind == tokenWord:
			return t.name
		}
		break
	}
	return ""
}

// forbiddenCall gives the first function that the statement calls and refuse
// does not allow.
func forbiddenCall(tokens []token, refuse func(name string) bool) (string, bool) {
	list := solid(tokens)
	for i := 0; i+1 < len(list); i++ {
		t := list[i]
		if (t.kind == tokenWord || t.kind == tokenName) && list[i+1].text == "(" && refuse(strings.ToLower(t.name)) {
			return t.name, true
		}
	}
	return "", false
}
