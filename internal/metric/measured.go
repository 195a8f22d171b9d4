package metric

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// Some metrics have a second statement, sql/measured/NAME.sql, over what the
// store keeps for them in private tables (store/measure.go). It answers the same
// to the last digit, only sooner; tests hold the two to each other. What is shown
// and can be run by readers is always the first one, over published tables.
//
// The second is used where it fits the question and nothing that it reads is out
// of date in the snapshot that is answered from. Days are kept whole and in UTC:
// what the window cuts off at its edges is read from published tables.

// measuredNow bounds how many changed pipelines are measured before a question
// is answered: fewer are done sooner than the answer without.
const measuredNow = 3000

// measuredText reads a metric's second statement; "" where it has none.
func measuredText(files fs.FS, m metric) (string, error) {
	text, err := fs.ReadFile(files, "sql/measured/"+m.name+".sql")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// catchUp measures what has changed, if that is little, and says nothing of
// what goes wrong: the answer does not depend on it.
func (e *Engine) catchUp(ctx context.Context, q *question) {
	if q.measured == "" {
		return
	}
	if n, err := e.store.PendingMeasures(ctx); err == nil && n > 0 && n <= measuredNow {
		_, _ = e.store.Measure(ctx, measuredNow)
	}
}

// settleMeasured forgets the second statement where it does not fit the
// question, or its rows are out of date in this view.
func (q *question) settleMeasured(ctx context.Context, v *store.View) error {
	if q.measured == "" {
		return nil
	}
	pending, err := v.PendingMeasures(ctx)
	if err != nil {
		return fmt.Errorf("what is measured: %w", err)
	}
	if pending > 0 || !q.fitsMeasured() {
		q.measured = ""
	}
	return nil
}

// fitsMeasured says whether the second statement can answer.
func (q *question) fitsMeasured() bool {
	if q.run != nil || slices.ContainsFunc(q.where, func(c condition) bool { return c.dim.name == Deleted }) {
		return false
	}
	if q.metric.over.name == overPaths.name {
		return true // kept by the run, not by the day
	}
	first, after := q.wholeDays()
	if !first.Before(after) {
		return false
	}
	if q.metric.shape != shifted {
		return true
	}
	// Its days are UTC's, know their place only, and have no child pipelines.
	return q.window.inUTC() && !q.children && !slices.ContainsFunc(q.where, func(c condition) bool {
		return !slices.Contains([]Dim{Instance, Group, Project, Repository, BaseName}, c.dim.name)
	})
}

// wholeDays gives the UTC days [first, after) that lie in the window as a whole.
func (q *question) wholeDays() (first, after time.Time) {
	const day = 24 * time.Hour
	first = q.window.From.Truncate(day)
	if first.Before(q.window.From) {
		first = first.Add(day)
	}
	return first, q.window.To.Truncate(day)
}

// inUTC says whether the zone's clocks show UTC all through the window.
func (w *Window) inUTC() bool {
	for t := w.From; ; {
		if _, offset := t.In(w.zone).Zone(); offset != 0 {
			return false
		}
		_, ends := t.In(w.zone).ZoneBounds()
		if ends.IsZero() || !ends.Before(w.To) {
			return true
		}
		t = ends
	}
}

// renderMeasured writes the second statement of a question.
func (q *question) renderMeasured(files fs.FS) (string, error) {
	s := &statement{files: files}
	return s.finish(s.fill(q, q.metric.over, q.measured))
}

// measuredPaths answers for many runs from the paths that are kept.
func (e *Engine) measuredPaths(ctx context.Context, v *store.View, q *question) (result, error) {
	plain := *q
	plain.by = nil // as in paths
	shown, err := plain.render(e.files)
	if err != nil {
		return result{}, err
	}
	sql, err := plain.renderMeasured(e.files)
	if err != nil {
		return result{}, err
	}
	r := result{sql: shown, measured: true, names: []string{"n", "value", "share", "avg"}}
	columns, rows, err := v.Select(ctx, sql)
	if err != nil {
		return result{}, fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	for _, values := range rows {
		r.add(q, columns, values)
	}
	slices.SortFunc(r.rows, func(a, b Row) int { return compareValues(a.sort, b.sort) })
	return r, nil
}
