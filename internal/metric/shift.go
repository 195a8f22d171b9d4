package metric

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// daily is a series of days of one job or of the runs of one project.
type daily struct {
	instance, project int64
	name              any         // base_name; nil: runs
	days              []time.Time // midnights in UTC, whatever the zone
	levels            []ci.Level
}

// shifts looks for changes of level in every series that the statement gives.
func (e *Engine) shifts(ctx context.Context, v *store.View, q *question) (result, error) {
	sql, err := q.render(e.files)
	if err != nil {
		return result{}, err
	}
	r := result{sql: sql, names: []string{"n", "before", "after", "value", "sha_before", "sha_after"}}
	paths, err := projectPaths(ctx, v)
	if err != nil {
		return result{}, err
	}
	var found []Row
	var places []beside
	err = e.series(ctx, v, q, &r, func(d *daily) {
		if !q.wantsSeries(d.name) {
			return
		}
		for _, s := range ci.Shifts(d.levels) {
			n := int64(0)
			for _, level := range d.levels {
				n += level.N
			}
			path, day := paths[[2]int64{d.instance, d.project}], d.days[s.At].Format(time.DateOnly)
			found = append(found, Row{
				Cells: []Cell{
					{"project", path},
					{"base_name", d.name},
					{"day", day},
					{"n", n},
					{"before", s.Before},
					{"after", s.After},
					{"value", s.After/s.Before - 1},
					{"sha_before", nil},
					{"sha_after", nil},
				},
				sort: []any{path, d.name, day, d.instance, d.project},
			})
			places = append(places, beside{d.instance, d.project, d.name, d.days[max(0, s.At-1)], d.days[s.At]})
		}
	})
	if err != nil {
		return result{}, err
	}
	for i := range found {
		for side, cell := range map[string]int{"before": 7, "after": 8} {
			sha, err := e.shaBeside(ctx, v, q, places[i], side)
			if err != nil {
				return result{}, err
			}
			found[i].Cells[cell].Value = sha
		}
	}
	slices.SortStableFunc(found, func(a, b Row) int { return compareValues(a.sort, b.sort) })
	r.rows = found
	return r, nil
}

// series gives the series that are looked at, days in order.
func (e *Engine) series(ctx context.Context, v *store.View, q *question, r *result, f func(*daily)) error {
	if q.measured != "" {
		return e.measuredSeries(ctx, v, q, r, f)
	}
	var current *daily
	err := v.Each(ctx, r.sql, nil, func(row []any) error {
		instance, project, name := row[0].(int64), row[1].(int64), row[2]
		if current == nil || current.instance != instance || current.project != project || current.name != name {
			if current != nil {
				f(current)
			}
			current = &daily{instance: instance, project: project, name: name}
		}
		day, err := time.Parse(time.DateOnly, row[3].(string))
		if err != nil {
			return err
		}
		current.days = append(current.days, day)
		median, _ := row[5].(float64)
		current.levels = append(current.levels, ci.Level{Median: median, N: row[4].(int64)})
		r.coarse = r.coarse || row[6] == true
		return nil
	})
	if err != nil {
		return fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, r.sql)
	}
	if current != nil {
		f(current)
	}
	return nil
}

// wantsSeries says whether the filter by base_name, if there is one, lets a
// series through.
func (q *question) wantsSeries(name any) bool {
	for _, c := range q.where {
		if c.dim.name != BaseName {
			continue
		}
		text, isText := name.(string)
		return !isText && c.null || isText && slices.Contains(c.values, text)
	}
	return true
}

// beside is where a shift was found.
type beside struct {
	instance, project int64
	name              any
	last, first       time.Time // days: the last of the level before, the first of the new one
}

// shaBeside gives the commit of the last run before the day, or of the first
// since; nil where GitLab gave none.
func (e *Engine) shaBeside(ctx context.Context, v *store.View, q *question, at beside, side string) (any, error) {
	// Both days have runs, so no others need be looked at.
	day, order := at.last, "DESC"
	if side == "after" {
		day, order = at.first, "ASC"
	}
	near := *q
	if begins := q.window.instant(day); begins.After(near.window.From) {
		near.window.From = begins
	}
	if ends := q.window.instant(day.AddDate(0, 0, 1)); ends.Before(near.window.To) {
		near.window.To = ends
	}
	q = &near
	text := "WITH runs AS (\n/*runs*/\n)\nSELECT x.sha FROM runs x WHERE x.status IN ('success', 'failed') AND x.duration_seconds IS NOT NULL"
	over := overSeries
	s := &statement{files: e.files}
	if name, ok := at.name.(string); ok {
		text = "WITH attempts AS (\n/*attempts*/\n)\nSELECT y.sha FROM attempts x" +
			"\nLEFT JOIN pipelines y ON y.instance_id = x.instance_id AND y.id = x.pipeline_id" +
			"\nWHERE x.status = 'success' AND x.retried IS NOT TRUE AND x.started_at IS NOT NULL AND x.finished_at IS NOT NULL" +
			" AND x.duration_seconds IS NOT NULL AND x.base_name = " + s.token(quote(name))
		over = overAttempts
	}
	text += fmt.Sprintf(" AND x.instance_id = %d AND x.project_id = %d\nORDER BY x.created_at %s, x.id %s LIMIT 1",
		at.instance, at.project, order, order)
	sql, err := s.finish(s.fill(q, over, text))
	if err != nil {
		return nil, err
	}
	_, rows, err := v.Select(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("finding a commit: %w\n%s", err, sql)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows[0][0], nil
}

// projectPaths gives the full path of every project.
func projectPaths(ctx context.Context, v *store.View) (map[[2]int64]any, error) {
	_, rows, err := v.Select(ctx, "SELECT instance_id, id, full_path FROM projects")
	if err != nil {
		return nil, fmt.Errorf("reading projects: %w", err)
	}
	paths := make(map[[2]int64]any, len(rows))
	for _, row := range rows {
		paths[[2]int64{row[0].(int64), row[1].(int64)}] = row[2]
	}
	return paths, nil
}
