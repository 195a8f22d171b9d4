package metric

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
	"github.com/weirhq/weir/internal/store"
)

// runID is the run whose critical path is asked for.
type runID struct {
	given             string // of the instance: a number or a base URL
	instance, id      int64
	created, finished time.Time
}

// settlePath reads which run is asked for; without one the answer is by
// base_name.
func (q *question) settlePath(query Query) error {
	if query.Run == "" {
		if len(q.by) == 0 {
			d, _ := lookUp(BaseName)
			q.by = []dimension{d}
		}
		return nil
	}
	if len(q.by) > 0 || len(q.where) > 0 || query.From != "" || query.To != "" {
		return badRequest("A single run is neither divided, nor filtered, nor looked for in a window.", "Leave by, where, from and to out.")
	}
	slash := strings.LastIndexByte(query.Run, '/')
	if slash > 0 {
		if id, err := strconv.ParseInt(query.Run[slash+1:], 10, 64); err == nil {
			q.run = &runID{given: query.Run[:slash], id: id}
			q.children = true
			q.window.From, q.window.To = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
			return nil
		}
	}
	return badRequest(fmt.Sprintf("%q is no run.", query.Run), "Write INSTANCE/ID: weir's number of the GitLab, or its base URL, and GitLab's id of the pipeline.")
}

// findRun looks up the run that is asked for.
func (e *Engine) findRun(ctx context.Context, v *store.View, q *question) error {
	_, rows, err := v.Select(ctx, `SELECT p.instance_id, p.status, p.created_at, p.finished_at
FROM pipelines p JOIN instances i ON i.id = p.instance_id
WHERE p.id = $1 AND (i.base_url = $2 OR CAST(i.id AS text) = $2)`, q.run.id, q.run.given)
	if err != nil {
		return fmt.Errorf("finding a run: %w", err)
	}
	if len(rows) == 0 {
		return &ci.Problem{
			Code: ci.NotFound, Cause: fmt.Sprintf("There is no run %s/%d.", q.run.given, q.run.id),
			Remedy: "Name the GitLab as instances has it, by id or base_url, and the pipeline by GitLab's id.",
		}
	}
	created, hasCreated := rows[0][2].(time.Time)
	finished, hasFinished := rows[0][3].(time.Time)
	if !ci.Status(rows[0][1].(string)).Complete() || !hasCreated || !hasFinished {
		return badRequest(fmt.Sprintf("Run %s/%d has not ended, or GitLab gave it no times.", q.run.given, q.run.id), "Ask again when it has ended.")
	}
	q.run.instance, q.run.created, q.run.finished = rows[0][0].(int64), created, finished
	return nil
}

// window is the stretch of time that the run took.
func (r *runID) window(w Window) Window {
	w.From, w.To = r.created, r.finished
	return w
}

// pathRun is a run while its rows are read.
type pathRun struct {
	instance, id int64
	pieces       []ci.PathPiece
	stages       map[string]ci.JobID
}

// onPath is what is known of the jobs of one base name.
type onPath struct {
	runs, on  int64
	exclusive time.Duration
}

// paths makes critical paths of the rows of jobs: of one run, or of many.
func (e *Engine) paths(ctx context.Context, v *store.View, q *question) (result, error) {
	if q.measured != "" {
		return e.measuredPaths(ctx, v, q)
	}
	plain := *q
	plain.by = nil // the name is a job's, and the statement is over runs
	sql, err := plain.render(e.files)
	if err != nil {
		return result{}, err
	}
	needs, err := e.needs(ctx, v, &plain)
	if err != nil {
		return result{}, err
	}
	r := result{sql: sql, names: []string{"n", "value", "share", "avg"}}
	byName := map[string]*onPath{}
	end := func(run *pathRun) {
		if run == nil {
			return
		}
		path := ci.CriticalPath(run.pieces, run.stages, needs[[2]int64{run.instance, run.id}])
		if q.run != nil {
			r.onePath(q.run, path, len(needs) > 0)
			return
		}
		countPath(byName, run.pieces, path)
	}
	var run *pathRun
	err = v.Each(ctx, sql, nil, func(row []any) error {
		instance, id := row[0].(int64), row[1].(int64)
		if run == nil || run.instance != instance || run.id != id {
			end(run)
			run = &pathRun{instance: instance, id: id, stages: map[string]ci.JobID{}}
		}
		r.coarse = run.add(row[2:]) || r.coarse
		return nil
	})
	if err != nil {
		return result{}, fmt.Errorf("metric %s: %w\n%s", q.metric.name, err, sql)
	}
	end(run)
	if q.run != nil {
		if run == nil {
			r.onePath(q.run, nil, false)
		}
		return r, nil
	}
	for name, on := range byName {
		row := Row{
			Cells: []Cell{
				{"base_name", name},
				{"n", on.runs},
				{"value", on.on},
				{"share", float64(on.on) / float64(on.runs)},
				{"avg", nil},
			},
			sort: []any{name},
		}
		if on.on > 0 {
			row.Cells[4].Value = on.exclusive.Seconds() / float64(on.on)
		}
		r.rows = append(r.rows, row)
	}
	slices.SortFunc(r.rows, func(a, b Row) int { return compareValues(a.sort, b.sort) })
	return r, nil
}

// countPath adds a run to what is known of its jobs.
func countPath(byName map[string]*onPath, pieces, path []ci.PathPiece) {
	seen, on := map[string]bool{}, map[string]bool{}
	of := func(name string) *onPath {
		if byName[name] == nil {
			byName[name] = &onPath{}
		}
		return byName[name]
	}
	for _, p := range pieces {
		if !seen[p.BaseName] {
			seen[p.BaseName] = true
			of(p.BaseName).runs++
		}
	}
	for i := range path {
		known := of(path[i].BaseName)
		known.exclusive += path[i].Exclusive()
		if !on[path[i].BaseName] {
			on[path[i].BaseName] = true
			known.on++
		}
	}
}

// onePath lays out the path of one run.
func (r *result) onePath(run *runID, path []ci.PathPiece, needs bool) {
	r.names = []string{"job", "stage", "job_id", "kind", "ready_at", "started_at", "finished_at", "exclusive", "gap_before"}
	order := "stage"
	if needs {
		order = "needs"
	}
	at := run.created
	for i := range path {
		p := &path[i]
		var stage, started any
		if p.Stage != "" {
			stage = p.Stage
		}
		if p.Started != nil {
			started = *p.Started
		}
		r.rows = append(r.rows, Row{Cells: []Cell{
			{"job", p.Name},
			{"stage", stage},
			{"job_id", int64(p.ID)},
			{"kind", string(p.Kind)},
			{"ready_at", p.Ready},
			{"started_at", started},
			{"finished_at", p.Finished},
			{"exclusive", p.Exclusive().Seconds()},
			{"gap_before", p.Ready.Sub(at).Seconds()},
		}})
		at = p.Finished
	}
	r.facts = []Cell{
		{"run", fmt.Sprintf("%d/%d", run.instance, run.id)},
		{"order", order},
		{"run_wall", run.finished.Sub(run.created).Seconds()},
		{"gap_after", run.finished.Sub(at).Seconds()},
	}
}

// add reads a row: id, name, base_name, stage, kind, queued_at, queued_seconds,
// started_at, finished_at, downstream_at, coarse. It says whether a piece of the
// run came whose times are cut.
func (run *pathRun) add(row []any) bool {
	p := ci.PathPiece{ID: ci.JobID(row[0].(int64)), Name: row[1].(string), BaseName: row[2].(string), Kind: ci.JobKind(row[4].(string))}
	p.Stage, _ = row[3].(string)
	p.Coarse, _ = row[10].(bool)
	if first, ok := run.stages[p.Stage]; !ok || p.ID < first {
		run.stages[p.Stage] = p.ID
	}
	p.Started = optional[time.Time](row[7])
	finished := optional[time.Time](row[8])
	if finished == nil {
		return false
	}
	ready, ok := ci.ReadyAt(p.Kind, optional[time.Time](row[5]), optional[float64](row[6]), p.Started, optional[time.Time](row[9]))
	if !ok {
		return false
	}
	p.Ready, p.Finished = ready, *finished
	run.pieces = append(run.pieces, p)
	return p.Coarse
}

func optional[T any](v any) *T {
	if known, ok := v.(T); ok {
		return &known
	}
	return nil
}

// needs gives what jobs need, by run and job, where that was fetched.
func (e *Engine) needs(ctx context.Context, v *store.View, q *question) (map[[2]int64]map[string][]string, error) {
	found := map[[2]int64]map[string][]string{}
	s := &statement{files: e.files}
	sql, err := s.finish(s.fill(q, q.metric.over, `WITH runs AS (
/*runs*/
)
SELECT n.instance_id, n.pipeline_id, n.job_name, n.needs_name
FROM job_needs n
JOIN runs r ON r.instance_id = n.instance_id AND r.id = n.pipeline_id`))
	if err != nil {
		return nil, err
	}
	err = v.Each(ctx, sql, nil, func(row []any) error {
		instance, okInstance := row[0].(int64)
		id, okID := row[1].(int64)
		job, okJob := row[2].(string)
		needed, okNeeded := row[3].(string)
		if !okInstance || !okID || !okJob || !okNeeded {
			return errors.New("a row of job_needs is not whole")
		}
		key := [2]int64{instance, id}
		if found[key] == nil {
			found[key] = map[string][]string{}
		}
		found[key][job] = append(found[key][job], needed)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading needs: %w\n%s", err, sql)
	}
	return found, nil
}
