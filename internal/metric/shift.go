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
	name              any // base_name; nil: runs
	days              []string
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
	var current *daily
	var found []Row
	var places []beside
	end := func() {
		if current == nil || !q.wantsSeries(current.name) {
			return
		}
		for _, s := range ci.Shifts(current.levels) {
			n := int64(0)
			for _, level := range current.levels {
				n += level.N
			}
			path := paths[[2]int64{current.instance, current.project}]
			found = append(found, Row{
				Cells: []Cell{
					{"project", path},
					{"base_name", current.name},
					{"day", current.days[s.At]},
					{"n", n},
					{"before", s.Before},
					{"after", s.After},
					{"value", s.After/s.Before - 1},
					{"sha_before", nil},
					{"sha_after", nil},
				},
				sort: []any{path, current.name, current.days[s.At], current.instance, current.project},
			})
			places = append(places, beside{current.instance, current.project, current.name, current.days[s.At]})
		}
	}
	err = v.Each(ctx, sql, nil, func(row []any) error {
		instance, project, name := row[0].(int64), row[1].(int64), row[2]
		if current == nil || current.instance != instance || current.project != project || current.name != name {
			end()
			current = &daily{instance: instance, project: project, name: name}
		}
		current.days = append(current.days, row[3].(string))
		median, _ := row[5].(float64)
		current.levels = append(current.levels, ci.Level{Median: median, N: row[4].(int64)})
		r.coarse = r.coarse || row[6] == true
		return nil
	})
	if err != nil {
		return result{}, fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	end()
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
	day               string
}

// shaBeside gives the commit of the last run before the day, or of the first
// since; nil where GitLab gave none.
func (e *Engine) shaBeside(ctx context.Context, v *store.View, q *question, at beside, side string) (any, error) {
	day, err := time.Parse(time.DateOnly, at.day)
	if err != nil {
		return nil, err
	}
	begins := timestamp(q.window.instant(day))
	bound, order := "< "+begins, "DESC"
	if side == "after" {
		bound, order = ">= "+begins, "ASC"
	}
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
	text += fmt.Sprintf(" AND x.instance_id = %d AND x.project_id = %d AND x.created_at %s\nORDER BY x.created_at %s, x.id %s LIMIT 1",
		at.instance, at.project, bound, order, order)
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
