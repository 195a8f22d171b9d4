package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirhq/weir/internal/ci"
)

// ExportRows opens a published table or view to be read as a whole: every
// column in schema order, rows ordered by key (a view's by instance_id and id),
// all as they were at one moment. Only a page of it is in memory at a time. An
// unknown name is not_found. The result must be closed.
func (s *Store) ExportRows(ctx context.Context, table string) (*Result, error) {
	t, ok := TableByName(table)
	if !ok {
		return nil, problem(ci.NotFound, fmt.Sprintf("There is no table %q.", table), "weir schema lists the tables.", nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	r, release, err := s.engine.snapshot(ctx)
	if err != nil {
		cancel()
		return nil, s.engine.problem(err)
	}
	pages, err := newPages(ctx, r, s.engine.dialect(), &t)
	if err != nil {
		cancel()
		return nil, s.engine.problem(errors.Join(err, release()))
	}
	return &Result{cursor: pages, explain: s.engine.problem, finish: func() error {
		cancel() // first: what is left of a long answer is not worth reading
		return errors.Join(pages.close(), release())
	}}, nil
}

// pages walks over a table in ranges of its key. DuckDB builds an answer in
// memory before the first row can be read, so the whole table cannot be one.
type pages struct {
	ctx     context.Context // of the walk, which one call of ExportRows began
	reader  reader
	dialect dialect
	table   *Table
	keys    []string
	bounds  [][]any // the last key of each page but the last
	page    int
	open    cursor
}

// pageSpread is how many rows a page has on average.
const pageSpread = 16384

func newPages(ctx context.Context, r reader, d dialect, t *Table) (*pages, error) {
	p := &pages{ctx: ctx, reader: r, dialect: d, table: t, keys: t.Keys()}
	if t.IsView() {
		p.keys = []string{"instance_id", "id"}
	}
	if d.pages == "" {
		return p, nil
	}
	// Any rows make good bounds; the ones picked by a hash lie evenly.
	cursor, err := r.rows(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s", quoteNames(p.keys), quoteName(t.Name),
		fmt.Sprintf(d.pages, quoteNames(p.keys), pageSpread), d.order(t, p.keys)))
	if err != nil {
		return nil, err
	}
	defer cursor.close()
	for {
		row, err := cursor.next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		p.bounds = append(p.bounds, row)
	}
}

func (p *pages) columns() []ResultColumn {
	list := make([]ResultColumn, len(p.table.Columns))
	for i, c := range p.table.Columns {
		list[i] = ResultColumn{Name: c.Name, Type: string(c.Type)}
	}
	return list
}

func (p *pages) next() ([]any, error) {
	for {
		if p.open == nil {
			if p.page > len(p.bounds) {
				return nil, io.EOF
			}
			statement, args := p.statement()
			var err error
			if p.open, err = p.reader.rows(p.ctx, statement, args...); err != nil {
				return nil, err
			}
			p.page++
		}
		row, err := p.open.next()
		if err == nil {
			return p.typed(row), nil
		}
		closed := p.close()
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if closed != nil {
			return nil, closed
		}
	}
}

// typed gives JSON, which is read as text, its type back.
func (p *pages) typed(row []any) []any {
	for i := range row {
		if p.table.Columns[i].Type == JSON {
			row[i] = plain(row[i], string(JSON))
		}
	}
	return row
}

// statement selects the rows of the page at hand.
func (p *pages) statement() (string, []any) {
	var selected []string
	for _, c := range p.table.Columns {
		if c.Type == JSON {
			selected = append(selected, "CAST("+quoteName(c.Name)+" AS varchar)")
		} else {
			selected = append(selected, quoteName(c.Name))
		}
	}
	var where []string
	var args []any
	bound := func(compare string, key []any) {
		first := len(args) + 1
		args = append(args, key...)
		// For the engine, so that it can leave out whole row groups.
		where = append(where, fmt.Sprintf("%s %s= $%d", quoteName(p.keys[0]), compare[:1], first))
		where = append(where, p.beyond(compare, first, 0))
	}
	if p.page > 0 {
		bound(">", p.bounds[p.page-1])
	}
	if p.page < len(p.bounds) {
		bound("<=", p.bounds[p.page])
	}
	// Within one instance the second key lies in a range of its own.
	if p.page > 0 && p.page < len(p.bounds) && len(p.keys) > 1 && p.bounds[p.page-1][0] == p.bounds[p.page][0] {
		args = append(args, p.bounds[p.page-1][1], p.bounds[p.page][1])
		where = append(where, fmt.Sprintf("%s BETWEEN $%d AND $%d", quoteName(p.keys[1]), len(args)-1, len(args)))
	}
	statement := fmt.Sprintf("SELECT %s FROM %s", strings.Join(selected, ", "), quoteName(p.table.Name))
	if len(where) > 0 {
		statement += " WHERE " + strings.Join(where, " AND ")
	}
	return statement + " ORDER BY " + p.dialect.order(p.table, p.keys), args
}

// beyond compares the keys from i on with the parameters from first on, one
// after the other. DuckDB has no BETWEEN for rows, which its optimizer makes of
// a pair of (a, b) > (c, d).
func (p *pages) beyond(compare string, first, i int) string {
	key := quoteName(p.keys[i])
	if i == len(p.keys)-1 {
		return fmt.Sprintf("%s %s $%d", key, compare, first+i)
	}
	return fmt.Sprintf("(%s %s $%d OR (%s = $%d AND %s))", key, compare[:1], first+i, key, first+i, p.beyond(compare, first, i+1))
}

func (p *pages) close() error {
	if p.open == nil {
		return nil
	}
	err := p.open.close()
	p.open = nil
	return err
}
