package metric

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// compare adds the previous period to an answer. Its rows are named by the
// stretch that they are compared with: the day a week ago stands beside the day.
func (e *Engine) compare(ctx context.Context, v *store.View, q *question, t *Table) error {
	window, back := q.window.previous()
	before := *q
	before.window, before.back = window, back
	before.buckets = nil
	before.limit = mostRows // what stands beside a row may have been far down in its own period
	for _, b := range q.buckets {
		before.buckets = append(before.buckets, bucket{
			b.label, q.window.instant(q.window.clock(b.from).Add(-back)), q.window.instant(q.window.clock(b.to).Add(-back)),
		})
	}
	then, err := e.rows(ctx, v, &before)
	if err != nil {
		return err
	}
	unknown, err := e.uncovered(ctx, v, &before, q.window.To)
	if err != nil {
		return err
	}
	t.Compared = &window
	byKey := map[string]*Row{}
	for i := range then.rows {
		byKey[q.likeKey(&then.rows[i])] = &then.rows[i]
	}
	names := slices.Clone(then.names)
	for _, c := range t.Columns {
		if c.Unit != "" && !slices.Contains(names, c.Name) && q.metric.shape != byStatus {
			names = append(names, c.Name)
		}
	}
	missing := map[string]bool{}
	for i := range t.Rows {
		row := &t.Rows[i]
		if project, ok := unknown[q.placeOf(row)]; ok {
			missing[project] = true
			continue
		}
		if row.Previous = byKey[q.likeKey(row)]; row.Previous == nil {
			empty := emptyRow(q, names)
			if q.metric.shape == byStatus {
				empty = emptyRow(q, []string{"n"})
			}
			q.nameEmpty(&empty, row)
			row.Previous = &empty
		}
		row.Previous.setBack(q, back)
	}
	if len(missing) > 0 {
		if t.Partial == nil {
			t.Partial = &Partial{}
		}
		t.Partial.Previous = fmt.Sprintf("The previous period begins at %s, before what is imported of %s.",
			timeText(window.From), strings.Join(firstFew(missing), ", "))
	}
	return nil
}

// likeKey is by what a row finds its like in the previous period.
func (q *question) likeKey(r *Row) string {
	switch {
	case q.metric.shape == onThePath:
		return fmt.Sprintf("%q", r.sort)
	case len(q.metric.finding.same) == 0:
		return r.key
	}
	parts := slices.Clone(r.sort)
	for _, name := range q.metric.finding.same {
		parts = append(parts, r.Value(name))
	}
	return fmt.Sprintf("%q", parts)
}

// nameEmpty makes a row of nothing one about what another is about.
func (q *question) nameEmpty(empty, row *Row) {
	for i, c := range empty.Cells {
		switch {
		case slices.Contains(q.metric.finding.same, c.Name):
			empty.Cells[i].Value = row.Value(c.Name)
		case slices.Contains(q.metric.finding.unsaid, c.Name):
			empty.Cells[i].Value = nil
		}
	}
	empty.Cells = slices.Concat(row.Cells[:len(q.by)], empty.Cells)
}

// placeOf is the place of a row as uncovered knows it: its own, or where it says
// none all that was asked about.
func (q *question) placeOf(r *Row) string {
	switch {
	case q.metric.shape == onThePath:
		return placeKey(&question{}, r)
	case slices.Contains(q.metric.finding.same, string(Project)):
		return fmt.Sprintf("%q", []any{r.Value(string(Project))})
	}
	return placeKey(q, r)
}

// firstFew gives the first names in order, and says how many more there are.
func firstFew(names map[string]bool) []string {
	const few = 5
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	if len(list) > few {
		return append(list[:few:few], fmt.Sprintf("and %d more", len(list)-few))
	}
	return list
}

// setBack names the stretch of time that the row is really about.
func (r *Row) setBack(q *question, back time.Duration) {
	cells := slices.Clone(r.Cells)
	for i, d := range q.by {
		switch value := cells[i].Value.(type) {
		case string:
			if day, err := time.Parse(time.DateOnly, value); err == nil && d.kind == date {
				cells[i].Value = day.Add(-back).Format(time.DateOnly)
			}
		case int64:
			if d.name == HourOfWeek {
				const hours = 168
				cells[i].Value = ((value-int64(back.Hours()))%hours + hours) % hours
			}
		}
	}
	r.Cells = cells
}

// uncovered gives the rows, by what they say of place and the like, in which a
// project takes part that is not imported as far back as the previous period
// begins, each with the path of one such project.
func (e *Engine) uncovered(ctx context.Context, v *store.View, before *question, to time.Time) (map[string]string, error) {
	_, rows, err := v.Select(ctx, "SELECT count(*) FROM project_syncs WHERE backfilled_from > "+timestamp(before.window.From))
	if err != nil || rows[0][0] == int64(0) {
		return nil, err
	}
	over := *before
	over.window.To, over.back = to, 0
	over.by = slices.DeleteFunc(slices.Clone(before.by), func(d dimension) bool { return timed(d.name) })
	switch {
	case before.metric.shape == onThePath:
		over.by = nil // a job's name is no dimension of runs
	case slices.Contains(before.metric.finding.same, string(Project)):
		d, _ := lookUp(Project)
		over.by = []dimension{d}
	}
	relation, g := "looked_at AS (\n/*runs*/\n)", overRuns
	switch {
	case strings.Contains(before.text, "/*failed*/"):
		relation, g = "looked_at AS (\n/*failed*/\n)", overAttempts
	case before.metric.over.name == overDeployments.name:
		relation, g = "ended AS (\n/*deployments*/\n), looked_at AS (\n  SELECT /*dims*/d.* FROM ended d/*joins*/\n"+
			"  WHERE d.ended_at >= :from AND d.ended_at < :to/*filters*/\n)", overDeployments
	case before.metric.over.name == overAttempts.name || before.metric.over.name == overGroups.name:
		relation, g = "looked_at AS (\n/*attempts*/\n)", overAttempts
	}
	over.where = slices.DeleteFunc(slices.Clone(before.where), func(c condition) bool { return timed(c.dim.name) })
	s := &statement{files: e.files}
	sql, err := s.finish(s.fill(&over, g, `WITH `+relation+`
SELECT /*by*/min(c.full_path) AS project
FROM looked_at
JOIN project_syncs y ON y.instance_id = looked_at.instance_id AND y.project_id = looked_at.project_id
JOIN projects c ON c.instance_id = looked_at.instance_id AND c.id = looked_at.project_id
WHERE y.backfilled_from > `+timestamp(before.window.From)+`
/*group by*/`))
	if err != nil {
		return nil, err
	}
	columns, rows, err := v.Select(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("what is imported: %w\n%s", err, sql)
	}
	unknown := map[string]string{}
	for _, values := range rows {
		var r result
		r.add(&over, columns, values)
		if project, ok := r.rows[0].Value("project").(string); ok {
			unknown[placeKey(&over, &r.rows[0])] = project
		}
	}
	return unknown, nil
}

func timed(d Dim) bool { return slices.Contains(when(), d) }

// placeKey is a row's key without its time. Of a place the path is enough: two
// of one path that differ in what is imported are rather both unknown.
func placeKey(q *question, r *Row) string {
	var parts []any
	for i, d := range q.by {
		if !timed(d.name) {
			parts = append(parts, r.Cells[i].Value)
		}
	}
	return fmt.Sprintf("%q", parts)
}
