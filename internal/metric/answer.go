package metric

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Table is an answer.
type Table struct {
	Metric   string
	Unit     string // of value, p50, …: count, rate, s, min, 1/day or money
	Currency string // of money; "" where no prices are set
	By       []Dim
	Window   Window
	Compared *Window // the previous period, where it was asked for
	AsOf     time.Time
	// Precision is s where a row whose times are cut to seconds took part, else ms.
	Precision ci.TimePrecision
	Overlap   bool // rows may share what they count: they do not add up to the undivided answer
	// Measured says that the rows were put together from what the store keeps for
	// this metric; SQL gives the same from published tables.
	Measured bool
	Columns  []Column
	Rows     []Row
	Partial  *Partial // nil: nothing is known to be missing
	SQL      string   // runs as it is in weir query
	// Facts are what some metrics say of the answer as a whole.
	Facts      []Cell
	Definition Definition
}

// Column says what a key of the rows is.
type Column struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"` // empty for a dimension
}

// Row is a row of an answer: the dimensions' values, then the metric's.
type Row struct {
	Cells []Cell
	// Previous is the same of the previous period; nil where it was not asked
	// for or is not known as a whole.
	Previous *Row

	sort []any  // the dimensions' values and what else tells them apart
	key  string // sort as text
}

// Cell is a key and its value: nil, bool, int64, float64, string or time.Time.
type Cell struct {
	Name  string
	Value any
}

// Value gives the value of a key; nil where the row has none of that name.
func (r *Row) Value(name string) any {
	for _, c := range r.Cells {
		if c.Name == name {
			return c.Value
		}
	}
	return nil
}

// MarshalJSON writes the answer as doc/metrics.md has it, keys in its order.
func (t Table) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	add := func(key string, value any) error {
		text, err := plainJSON(value)
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + key + `":`)
		b.Write(text)
		return err
	}
	type span struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	type window struct {
		span
		TZ       string `json:"tz"`
		Previous *span  `json:"previous,omitempty"`
	}
	w := window{span{timeText(t.Window.From), timeText(t.Window.To)}, t.Window.TZ, nil}
	if t.Compared != nil {
		w.Previous = &span{timeText(t.Compared.From), timeText(t.Compared.To)}
	}
	rows := make([]json.RawMessage, len(t.Rows))
	for i := range t.Rows {
		var err error
		if rows[i], err = t.Rows[i].json(t.Compared != nil); err != nil {
			return nil, err
		}
	}
	err := add("metric", t.Metric)
	for _, member := range []Cell{
		{"unit", t.Unit},
		{"by", t.By},
		{"window", w},
		{"as_of", timeText(t.AsOf)},
		{"precision", t.Precision},
		{"overlap", t.Overlap},
		{"measured", t.Measured},
		{"columns", t.Columns},
		{"rows", rows},
		{"partial", t.Partial},
		{"sql", t.SQL},
	} {
		if err == nil {
			err = add(member.Name, member.Value)
		}
	}
	if t.Currency != "" && err == nil {
		err = add("currency", t.Currency)
	}
	for _, fact := range t.Facts {
		if err == nil {
			err = add(fact.Name, plainValue(fact.Value))
		}
	}
	b.WriteByte('}')
	return b.Bytes(), err
}

// plainJSON writes < and > as they are: SQL is full of them.
func plainJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (r *Row) json(compared bool) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range r.Cells {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := plainJSON(c.Name)
		if err != nil {
			return nil, err
		}
		value, err := plainJSON(plainValue(c.Value))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	if compared {
		previous := json.RawMessage("null")
		if r.Previous != nil {
			var err error
			if previous, err = r.Previous.json(false); err != nil {
				return nil, err
			}
		}
		b.WriteString(`,"previous":`)
		b.Write(previous)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func plainValue(v any) any {
	if t, ok := v.(time.Time); ok {
		return timeText(t)
	}
	return v
}

// timeText is RFC 3339 in UTC with as many digits as the time has.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// result is what a statement answered.
type result struct {
	sql    string
	rows   []Row
	names  []string // of the metric's own keys
	facts  []Cell
	coarse bool

	measured bool // whether the second statement gave the rows
}

// answer runs the question's statement and makes rows of its answer.
func (e *Engine) answer(ctx context.Context, v *store.View, q *question) (result, error) {
	sql, err := q.render(e.files)
	if err != nil {
		return result{}, err
	}
	r := result{sql: sql}
	if q.measured != "" && q.fitsMeasured() { // the previous period may have no whole day
		r.measured = true
		if sql, err = q.renderMeasured(e.files); err != nil {
			return result{}, err
		}
	}
	columns, rows, err := v.Select(ctx, sql)
	if err != nil {
		return result{}, fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	for _, c := range columns {
		if own(c.Name) {
			r.names = append(r.names, c.Name)
		}
	}
	for _, values := range rows {
		r.add(q, columns, values)
	}
	if q.metric.shape == byStatus {
		r.pivot()
	}
	r.rows = slices.DeleteFunc(r.rows, func(row Row) bool { return len(q.by) > 0 && nothing(&row) })
	if q.metric.shape == ranked {
		return r, nil // in the statement's order; of nothing, nothing
	}
	if len(q.by) == 0 && len(r.rows) == 0 {
		r.rows = []Row{emptyRow(q, r.names)}
	}
	slices.SortStableFunc(r.rows, func(a, b Row) int { return compareValues(a.sort, b.sort) })
	return r, nil
}

// add makes a row of a statement's: by_* are dimensions, key_* tell apart what
// looks the same, coarse says whether times were cut; the rest is the metric's.
func (r *result) add(q *question, columns []store.ResultColumn, values []any) {
	row := Row{}
	var shown, hidden []any
	var cells []Cell
	for i, c := range columns {
		name, isDim := strings.CutPrefix(c.Name, "by_")
		switch {
		case isDim:
			row.Cells = append(row.Cells, Cell{name, values[i]})
			shown = append(shown, values[i])
		case strings.HasPrefix(c.Name, "key_"):
			hidden = append(hidden, values[i])
		case c.Name == "coarse":
			r.coarse = r.coarse || values[i] == true
		default:
			cells = append(cells, Cell{c.Name, numberOf(values[i])})
		}
	}
	row.Cells = append(row.Cells, cells...)
	row.sort = slices.Concat(shown, hidden)
	row.key = fmt.Sprintf("%q", row.sort)
	r.rows = append(r.rows, row)
}

// own says whether a column is a key of the metric's own.
func own(column string) bool {
	return column != "coarse" && !strings.HasPrefix(column, "by_") && !strings.HasPrefix(column, "key_")
}

// pivot makes one row of the rows that differ in their status only.
func (r *result) pivot() {
	var rows []Row
	at := map[string]int{}
	r.names = []string{"n"}
	for _, row := range r.rows {
		i, ok := at[row.key]
		if !ok {
			i = len(rows)
			at[row.key] = i
			rows = append(rows, Row{Cells: append(slices.Clone(row.Cells[:len(row.Cells)-2]), Cell{"n", int64(0)}), sort: row.sort, key: row.key})
		}
		status, n := row.Value("counted").(string), row.Value("n").(int64)
		total := &rows[i].Cells[slices.IndexFunc(rows[i].Cells, func(c Cell) bool { return c.Name == "n" })]
		total.Value = total.Value.(int64) + n
		rows[i].Cells = append(rows[i].Cells, Cell{status, n})
		if !slices.Contains(r.names, status) {
			r.names = append(r.names, status)
		}
	}
	slices.Sort(r.names[1:])
	for i := range rows {
		after := slices.IndexFunc(rows[i].Cells, func(c Cell) bool { return c.Name == "n" }) + 1
		slices.SortFunc(rows[i].Cells[after:], func(a, b Cell) int { return strings.Compare(a.Name, b.Name) })
	}
	r.rows = rows
}

// numberOf takes a number that came as exact decimal as a float.
func numberOf(v any) any {
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return v
}

// nothing says whether a row has nothing to tell.
func nothing(r *Row) bool {
	open := r.Value("open")
	return r.Value("n") == int64(0) && (open == nil || open == int64(0))
}

// emptyRow is what an undivided answer says of nothing.
func emptyRow(q *question, names []string) Row {
	row := Row{}
	if len(names) == 0 {
		names = []string{"n"}
	}
	for _, name := range names {
		row.Cells = append(row.Cells, Cell{name, emptyValue(q.metric.unit, name)})
	}
	return row
}

// emptyValue is what a key says of nothing: counts and sums are 0, all else is
// not known.
func emptyValue(unit, name string) any {
	switch unitOf(unit, name) {
	case "count":
		return int64(0)
	case "s", "min", "money", "1/day":
		switch name {
		case "value", "minutes", "unpriced_minutes", "waited_minutes", "total_minutes", "queue_minutes", "wasted_minutes", "per_day":
			return 0.0
		}
	}
	return nil
}

// unitOf gives the unit of a key of the metric's own.
func unitOf(unit, name string) string {
	if unit == listUnit {
		return findingUnit(name)
	}
	switch name {
	case "n", "open", "days", "failed":
		return "count"
	case "rate", "share":
		return "rate"
	case "unpriced_minutes":
		return "min"
	case "per_week":
		return "1/week"
	case "avg", "before", "after", "exclusive", "gap_before":
		return "s"
	case "job", "stage", "job_id", "kind", "ready_at", "started_at", "finished_at", "sha_before", "sha_after":
		return ""
	}
	return unit
}

func columnsOf(unit string, by []Dim, r result) []Column {
	list := []Column{}
	for _, d := range by {
		list = append(list, Column{Name: string(d)})
	}
	for _, name := range r.names {
		list = append(list, Column{name, unitOf(unit, name)})
	}
	return list
}

// compareValues orders rows: numbers by size, text by its bytes, null last.
func compareValues(a, b []any) int {
	for i := range min(len(a), len(b)) {
		if c := compareValue(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareValue(a, b any) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(rank(a == nil), rank(b == nil))
	}
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b)
		}
	case bool:
		if b, ok := b.(bool); ok {
			return cmp.Compare(rank(a), rank(b))
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}
