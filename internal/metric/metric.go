// Package metric says what each number means, and computes it. There is one
// engine for all readers: pages, API, command line and tests ask the same
// [Query] and get the same [Table].
//
// # What is where
//
// A metric is one line in list.go, one file sql/NAME.sql (a header with its
// definition, and a statement) and one script testdata/NAME.txt, which says in
// plain text what it answers to which rows. The statement runs on DuckDB and on
// PostgreSQL; a few metrics go on in Go over the rows that it gives (critical
// path, changes of level). doc/metrics.md is written from the headers.
//
// Dimensions, filters, windows and the previous period are the engine's: they
// are written into the marks of a statement (statement.go), in the same way for
// every metric.
//
// # Promises
//
// Nothing is rounded. An undivided answer has exactly one row, a divided one has
// no row where there is nothing. Counts and sums of nothing are 0; percentiles,
// averages, rates and shares of nothing are NULL. An answer is computed on one
// snapshot and carries the SQL that it came from.
package metric

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// Config is what the engine stands on.
type Config struct {
	Store *store.Store     // required to answer; definitions need none
	Now   func() time.Time // the clock; nil: time.Now
	Costs *Costs           // prices of minutes; nil: nothing has a price
}

// Engine answers questions. It is safe for concurrent use.
type Engine struct {
	store   *store.Store
	now     func() time.Time
	costs   atomic.Pointer[Costs]
	files   fs.FS
	metrics []defined
}

// defined is a metric with what its file says.
type defined struct {
	metric
	definition Definition
	text       string
	measured   string // its second statement (measured.go); "": none
}

// Query is a question, in the words in which people ask it.
type Query struct {
	Metric string
	// From and To bound the window [From, To): RFC 3339, a date, or a span back
	// from now. Empty: 30d, and now.
	From, To string
	// TZ is the zone that dates and days are counted in. Empty: UTC.
	TZ string
	// By divides the answer; each element is a dimension, or several with commas.
	By []string
	// Where filters it: dim=value, or dim= for rows without a value. Filters of
	// one dimension are alternatives, those of several hold together.
	Where []string
	// Include adds what is left out by default: children.
	Include []string
	// Compare adds another period: previous.
	Compare string
	// Run is the run whose critical path is asked for: INSTANCE/ID.
	Run string
	// Limit bounds the rows of a finding. 0: twenty.
	Limit int
}

// New makes an engine. Its errors are defects of the metrics' files.
func New(c Config) (*Engine, error) { return newEngine(c, append(list(), findings()...), files) }

func newEngine(c Config, list []metric, files fs.FS) (*Engine, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	e := &Engine{store: c.Store, now: c.Now, files: files}
	e.costs.Store(c.Costs)
	for _, m := range list {
		d, text, err := readMetric(files, m)
		if err != nil {
			return nil, err
		}
		measured, err := measuredText(files, m)
		if err != nil {
			return nil, err
		}
		e.metrics = append(e.metrics, defined{m, d, text, measured})
	}
	return e, nil
}

// SetCosts puts other prices in force, for questions that come from now on.
// nil: nothing has a price.
func (e *Engine) SetCosts(c *Costs) { e.costs.Store(c) }

// Definitions gives what every metric means, in the order in which a reader
// meets them. The slice is the caller's.
func (e *Engine) Definitions() []Definition {
	return e.definitions(func(m *defined) bool { return m.shape != ranked })
}

// Definition gives what one metric means; not_found where none has that name.
func (e *Engine) Definition(name string) (Definition, error) {
	m, err := e.named(name)
	return m.definition, err
}

func (e *Engine) named(name string) (defined, error) {
	i := slices.IndexFunc(e.metrics, func(m defined) bool { return m.name == name })
	if i < 0 {
		var names []string
		for _, m := range e.metrics {
			names = append(names, m.name)
		}
		return defined{}, &ci.Problem{
			Code: ci.NotFound, Cause: fmt.Sprintf("There is no metric %q.", name),
			Remedy: "Name one of " + strings.Join(names, ", ") + ".",
		}
	}
	return e.metrics[i], nil
}

// Answer answers a question. Its errors are *ci.Problem: not_found for a metric
// that there is none of, bad_request for what does not fit it (with what does),
// and those of the database.
func (e *Engine) Answer(ctx context.Context, query Query) (Table, error) {
	m, err := e.named(query.Metric)
	if err != nil {
		return Table{}, err
	}
	q, err := e.read(m, query)
	if err != nil {
		return Table{}, err
	}
	if e.store == nil {
		return Table{}, errors.New("metric: Config.Store is missing")
	}
	t := Table{
		Metric: m.name, Unit: m.unit, By: []Dim{}, Window: q.window, AsOf: q.now, Precision: ci.Milliseconds, Definition: m.definition,
	}
	for _, d := range q.by {
		t.By = append(t.By, d.name)
		t.Overlap = t.Overlap || d.over(m.over).many()
	}
	e.catchUp(ctx, q)
	err = e.store.View(ctx, func(v *store.View) error {
		if err := q.settleMeasured(ctx, v); err != nil {
			return err
		}
		if q.run != nil {
			if err := e.findRun(ctx, v, q); err != nil {
				return err
			}
			t.Window = q.run.window(q.window)
		}
		if t.Partial, err = e.partial(ctx, v, q); err != nil {
			return err
		}
		if m.shape == shifted {
			t.By = []Dim{Project, BaseName, Day}
		}
		result, err := e.rows(ctx, v, q)
		if err != nil {
			return err
		}
		t.SQL, t.Rows, t.Facts, t.Columns = result.sql, result.rows, result.facts, columnsOf(m.unit, t.By, result)
		if q.costs != nil && slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Unit == "money" }) {
			t.Currency = q.costs.Currency
		}
		t.Measured = result.measured
		if result.coarse {
			t.Precision = ci.Seconds
		}
		if query.Compare == "" {
			return nil
		}
		return e.compare(ctx, v, q, &t)
	})
	if err != nil {
		return Table{}, err
	}
	return t, nil
}

// rows answers a question as the shape of its metric wants it.
func (e *Engine) rows(ctx context.Context, v *store.View, q *question) (result, error) {
	switch q.metric.shape {
	case onThePath:
		return e.paths(ctx, v, q)
	case shifted:
		return e.shifts(ctx, v, q)
	case ranked:
		return e.find(ctx, v, q)
	}
	return e.answer(ctx, v, q)
}

// read reads a question and refuses what does not fit the metric.
func (e *Engine) read(m defined, query Query) (*question, error) {
	q := &question{
		metric: m.metric, text: m.text, measured: m.measured, now: e.now().UTC().Truncate(time.Microsecond), costs: e.costs.Load(), others: e.named,
	}
	var err error
	if q.window, err = readWindow(query.From, query.To, query.TZ, q.now); err != nil {
		return nil, err
	}
	for _, element := range query.By {
		for name := range strings.SplitSeq(element, ",") {
			d, err := q.fitting(strings.TrimSpace(name), "divided", m.divides())
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(q.by, func(other dimension) bool { return other.name == d.name }) {
				return nil, badRequest(fmt.Sprintf("The answer is divided by %s twice.", d.name), "Name each dimension once.")
			}
			q.by = append(q.by, d)
		}
	}
	for _, filter := range query.Where {
		if err := q.filter(filter); err != nil {
			return nil, err
		}
	}
	for _, element := range query.Include {
		for word := range strings.SplitSeq(element, ",") {
			if strings.TrimSpace(word) != "children" {
				return nil, badRequest(fmt.Sprintf("Nothing is included by %q.", word), "Include children, or leave it out.")
			}
			q.children = true
		}
	}
	if query.Compare != "" && query.Compare != "previous" {
		return nil, badRequest(fmt.Sprintf("Nothing is compared by %q.", query.Compare), "Compare with previous, or leave it out.")
	}
	return q, q.settle(query)
}

// fitting finds a dimension among those that fit.
func (q *question) fitting(name, done string, fits []Dim) (dimension, error) {
	if d, ok := lookUp(Dim(name)); ok && slices.Contains(fits, d.name) {
		return d, nil
	}
	words := make([]string, len(fits))
	for i, d := range fits {
		words[i] = string(d)
	}
	remedy := "Nothing fits it: leave it out."
	if len(words) > 0 {
		remedy = "These fit: " + strings.Join(words, ", ") + "."
	}
	return dimension{}, badRequest(fmt.Sprintf("%s cannot be %s by %q.", q.metric.name, done, name), remedy)
}

// filter reads dim=value.
func (q *question) filter(given string) error {
	name, value, ok := strings.Cut(given, "=")
	if !ok || strings.ContainsRune(given, 0) {
		return badRequest(fmt.Sprintf("%q is no filter.", given), "Write dim=value, such as project=acme/shop, or dim= for rows without a value.")
	}
	d := dimension{name: Deleted, kind: truth}
	if name != string(Deleted) {
		var err error
		if d, err = q.fitting(name, "filtered", q.metric.dimensions()); err != nil {
			return err
		}
	}
	c := condition{dim: d, values: []string{value}}
	if value == "" && name != string(Deleted) {
		c.values, c.null = nil, true
	} else if _, err := d.literal(value); err != nil {
		return badRequest(fmt.Sprintf("The filter %s=%s cannot be: %v.", name, value, err), "Give a value as the answers show it.")
	}
	for i := range q.where {
		if q.where[i].dim.name == d.name {
			q.where[i].values, q.where[i].null = append(q.where[i].values, c.values...), q.where[i].null || c.null
			return nil
		}
	}
	q.where = append(q.where, c)
	return nil
}

// settle looks at what single metrics ask for beside the rest.
func (q *question) settle(query Query) error {
	if why := q.metric.alone; query.Compare != "" && why.why != "" {
		return badRequest(fmt.Sprintf("%s is not compared with another period: %s.", q.metric.name, why.why), why.remedy)
	}
	if query.Compare != "" && query.Run != "" {
		return badRequest("A single run is not compared with another period: it happens once.", "Leave the run out, or compare out.")
	}
	if query.Run != "" && q.metric.shape != onThePath {
		return badRequest(fmt.Sprintf("%s is not asked of a single run.", q.metric.name), "Ask critical_path, or leave the run out.")
	}
	if query.Limit != 0 && q.metric.shape != ranked {
		return badRequest(q.metric.name+" has no limit of rows.", "Filter it by where; weir report lists the findings, which have one.")
	}
	switch {
	case q.metric.over.name == overPeriods.name:
		if err := q.settleBuckets(); err != nil || q.metric.shape != ranked {
			return err
		}
		return q.settleFinding(query)
	case q.metric.shape == onThePath:
		return q.settlePath(query)
	case q.metric.shape == ranked:
		return q.settleFinding(query)
	}
	return nil
}

// mostBuckets bounds the stretches that a window is cut into: each is a row of
// the statement. It is more days than there have been GitLabs for.
const mostBuckets = 20_000

// settleBuckets cuts the window for a metric that is answered bucket by bucket.
func (q *question) settleBuckets() error {
	var by []Dim
	for _, d := range q.by {
		if d.kind == date {
			by = append(by, d.name)
		}
	}
	for _, c := range q.where {
		if c.dim.kind == date && !slices.Contains(by, c.dim.name) {
			return badRequest(fmt.Sprintf("%s can be filtered by %s only where it is divided by it.", q.metric.name, c.dim.name),
				"Say from and to instead.")
		}
	}
	switch len(by) {
	case 0:
		q.buckets = []bucket{{"", q.window.From, q.window.To}}
	case 1:
		if days := map[Dim]float64{Day: 1, Week: 7, Month: 28}[by[0]]; q.window.Days()/days > mostBuckets {
			return badRequest(fmt.Sprintf("The window is too long to be answered by %s, each as a window of its own.", by[0]),
				fmt.Sprintf("Give a later beginning or an earlier end: at most %d are answered.", mostBuckets))
		}
		q.buckets = q.window.buckets(by[0])
	default:
		return badRequest(fmt.Sprintf("%s cannot be divided by %s and %s at once.", q.metric.name, by[0], by[1]), "Choose one of them.")
	}
	return nil
}
