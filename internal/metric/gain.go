package metric

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// gain is what is known of one job of one project over many runs.
type gain struct {
	runs, on int64 // that had it; that had it on the critical path
	micros   int64 // by which those would have ended earlier: whole numbers, so that sums are exact
}

// gainKey is a job of a project.
type gainKey struct {
	instance, project int64
	name              string
}

// addGains adds to each slow job how often it lies on the critical path, and
// how much earlier runs would have ended without it; then it puts the rows in
// that order and cuts them off.
func (e *Engine) addGains(ctx context.Context, v *store.View, q *question, r *result) error {
	if r.measured {
		return nil // the second statement has done all of this
	}
	gains, coarse, err := e.gains(ctx, v, q)
	if err != nil {
		return err
	}
	r.coarse = r.coarse || coarse && len(r.rows) > 0 // of nothing, no time was cut
	r.names = append(r.names, "runs", "path_share", "gain_minutes")
	for i := range r.rows {
		row := &r.rows[i]
		name, _ := row.Value("base_name").(string)
		g := gains[gainKey{row.sort[0].(int64), row.sort[1].(int64), name}]
		share, minutes := any(nil), any(nil)
		if g.runs > 0 {
			share, minutes = float64(g.on)/float64(g.runs), float64(g.micros)/60_000_000
		}
		row.Cells = append(row.Cells, Cell{"runs", g.runs}, Cell{"path_share", share}, Cell{"gain_minutes", minutes})
	}
	slices.SortStableFunc(r.rows, func(a, b Row) int {
		x, _ := a.Value("gain_minutes").(float64)
		y, _ := b.Value("gain_minutes").(float64)
		return cmp.Compare(y, x) // of equals, the statement's order: total_minutes
	})
	r.rows = r.rows[:min(q.limit, len(r.rows))]
	return nil
}

// gains follows the critical path of every run that has ended and that somebody
// waits for.
func (e *Engine) gains(ctx context.Context, v *store.View, q *question) (map[gainKey]gain, bool, error) {
	m, err := e.named("critical_path")
	if err != nil {
		return nil, false, err
	}
	paths := *q
	paths.by, paths.metric = nil, m.metric
	paths.text = strings.Replace(m.text, "/*runs*/", "/*waited*/", 1)
	sql, err := paths.render(e.files)
	if err != nil {
		return nil, false, err
	}
	needs, err := e.needs(ctx, v, &paths)
	if err != nil {
		return nil, false, err
	}
	projects, err := e.projectsOf(ctx, v, &paths)
	if err != nil {
		return nil, false, err
	}
	all, coarse := map[gainKey]gain{}, false
	end := func(run *pathRun) {
		if run == nil {
			return
		}
		key := [2]int64{run.instance, run.id}
		names := map[string]bool{}
		for i := range run.pieces {
			names[run.pieces[i].BaseName] = true
		}
		path := ci.CriticalPath(run.pieces, run.stages, needs[key])
		found := ci.PathGains(path, run.pieces, run.stages, needs[key])
		for name := range names {
			k := gainKey{run.instance, projects[key], name}
			g := all[k]
			g.runs++
			if gained, ok := found[name]; ok {
				g.on++
				g.micros += gained.Microseconds()
			}
			all[k] = g
		}
	}
	var run *pathRun
	err = v.Each(ctx, sql, nil, func(row []any) error {
		instance, id := row[0].(int64), row[1].(int64)
		if run == nil || run.instance != instance || run.id != id {
			end(run)
			run = &pathRun{instance: instance, id: id, stages: map[string]ci.JobID{}}
		}
		coarse = run.add(row[2:]) || coarse
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	end(run)
	return all, coarse, nil
}

// projectsOf gives the project of every run that somebody waits for.
func (e *Engine) projectsOf(ctx context.Context, v *store.View, q *question) (map[[2]int64]int64, error) {
	s := &statement{files: e.files}
	sql, err := s.finish(s.fill(q, q.metric.over, "WITH waited AS (\n/*waited*/\n)\nSELECT instance_id, id, project_id FROM waited"))
	if err != nil {
		return nil, err
	}
	found := map[[2]int64]int64{}
	err = v.Each(ctx, sql, nil, func(row []any) error {
		found[[2]int64{row[0].(int64), row[1].(int64)}] = row[2].(int64)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finding projects of runs: %w\n%s", err, sql)
	}
	return found, nil
}

// addPoints adds to each change of a job's or a project's runs the day on which
// its level shifted, with the commits on either side, where one is found.
func (e *Engine) addPoints(ctx context.Context, v *store.View, q *question, r *result) error {
	r.names = append(r.names, "since", "sha_before", "sha_after")
	m, err := e.named("change_points")
	if err != nil {
		return err
	}
	points := *q
	points.by, points.metric, points.text, points.measured = nil, m.metric, m.text, m.measured
	before, _ := q.window.previous()
	points.window.From = before.From
	// Filters that a series does not have (a user, a day) leave the points as
	// they are for all: a level belongs to a job, not to who ran it.
	points.where = slices.DeleteFunc(slices.Clone(q.where), func(c condition) bool {
		return !slices.Contains(m.dimensions(), c.dim.name) && c.dim.name != Deleted
	})
	points.series = map[seriesKey]bool{}
	for i := range r.rows {
		if row := &r.rows[i]; row.Value("what") != "queue" {
			points.series[seriesKey{row.sort[0].(int64), row.sort[1].(int64), row.Value("base_name")}] = true
		}
	}
	if err := points.settleMeasured(ctx, v); err != nil {
		return err
	}
	found, err := e.shifts(ctx, v, &points)
	if err != nil {
		return err
	}
	r.coarse, r.measured = r.coarse || found.coarse, found.measured
	for i := range r.rows {
		row := &r.rows[i]
		since, shaBefore, shaAfter := any(nil), any(nil), any(nil)
		change, _ := row.Value("change").(float64)
		best := 0.0
		for j := range found.rows {
			p := &found.rows[j]
			size, _ := p.Value("value").(float64)
			if row.Value("what") == "queue" || p.Value("base_name") != row.Value("base_name") ||
				p.sort[3] != row.sort[0] || p.sort[4] != row.sort[1] || size*change <= best {
				continue
			}
			best = size * change // the largest in the same direction
			since, shaBefore, shaAfter = p.Value("day"), p.Value("sha_before"), p.Value("sha_after")
		}
		row.Cells = append(row.Cells, Cell{"since", since}, Cell{"sha_before", shaBefore}, Cell{"sha_after", shaAfter})
	}
	return nil
}
