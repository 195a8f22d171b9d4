package store

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/internal/ci"
)

// freshPieces are the jobs of the fresh pipelines, those of a pipeline together.
const freshPieces = `SELECT j.instance_id, j.pipeline_id, j.id, j.kind, j.name, j.base_name, coalesce(j.stage, ''),
		j.queued_at, j.queued_seconds, j.started_at, j.finished_at, d.created_at, coalesce(j.time_precision = 's', false)
	FROM {jobs}
	LEFT JOIN fresh_downstream d ON d.instance_id = j.instance_id AND d.id = j.downstream_pipeline_id
	ORDER BY j.instance_id, j.pipeline_id`

// keptPaths describes measure_paths.
func keptPaths() Table {
	return Table{Name: "measure_paths", Columns: []Column{
		number("instance_id"), number("pipeline_id"),
		{Name: "base_name", Type: Text},
		{Name: "seconds", Type: Double, Nullable: true},
		{Name: "coarse", Type: Boolean},
		{Name: "gain", Type: BigInt, Nullable: true},
	}}
}

// paths keeps the critical paths of the fresh pipelines, and what each job on
// them held up. They are followed while the next jobs are read.
func (m *measuring) paths(ctx context.Context) error {
	needs, err := m.needs(ctx)
	if err != nil {
		return err
	}
	ended := make(chan *pathOf, pathsAhead)
	var rows [][]any
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() error {
		for run := range ended {
			rows = run.measure(rows)
		}
		return nil
	})
	g.Go(func() error {
		defer close(ended)
		run := &pathOf{}
		err := eachRow(reading, m.w, m.fill(freshPieces), nil, func(row []any) error {
			if instance, id := row[0].(int64), row[1].(int64); instance != run.instance || id != run.id {
				if run.stages != nil {
					ended <- run
				}
				run = &pathOf{instance: instance, id: id, stages: map[string]ci.JobID{}, needs: needs[[2]int64{instance, id}]}
			}
			run.add(row[2:])
			return nil
		})
		if run.stages != nil {
			ended <- run
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	t := keptPaths()
	if rows, err = m.w.insert(ctx, &t, rows); err != nil || len(rows) == 0 {
		return err
	}
	if _, err := m.w.exec(ctx, m.dialect.createStage(&t)); err != nil {
		return err
	}
	if err := m.w.load(ctx, &t, rows); err != nil {
		return err
	}
	columns := quoteNames(t.ColumnNames())
	return m.step(ctx, "", "INSERT INTO measure_paths ("+columns+") SELECT "+columns+" FROM "+quoteName(stage(&t)))
}

// pathsAhead bounds the pipelines that are read and not followed yet.
const pathsAhead = 64

// pathOf is a pipeline whose path is looked for.
type pathOf struct {
	instance, id int64
	pieces       []ci.PathPiece
	stages       map[string]ci.JobID // the smallest id of each
	needs        map[string][]string
}

// add takes a row of freshPieces, from the job's id on.
func (p *pathOf) add(row []any) {
	moment := func(value any) *time.Time {
		t, ok := value.(time.Time)
		if !ok {
			return nil
		}
		return &t
	}
	piece := ci.PathPiece{
		ID: ci.JobID(row[0].(int64)), Kind: ci.JobKind(row[1].(string)), Name: row[2].(string), BaseName: row[3].(string), Stage: row[4].(string),
		Coarse: row[10].(bool),
	}
	if first, ok := p.stages[piece.Stage]; !ok || piece.ID < first {
		p.stages[piece.Stage] = piece.ID
	}
	var waited *float64
	if seconds, ok := row[6].(float64); ok {
		waited = &seconds
	}
	ready, ok := ci.ReadyAt(piece.Kind, moment(row[5]), waited, moment(row[7]), moment(row[9]))
	finished, ended := row[8].(time.Time)
	if !ok || !ended {
		return
	}
	piece.Ready, piece.Finished = ready, finished
	p.pieces = append(p.pieces, piece)
}

// measure adds to rows what is kept of the path: a row for each base name that
// the pipeline has a piece of.
func (p *pathOf) measure(rows [][]any) [][]any {
	first := len(rows)
	of := func(name string) []any {
		for _, row := range rows[first:] {
			if row[2] == name {
				return row
			}
		}
		rows = append(rows, []any{p.instance, p.id, name, nil, false, nil})
		return rows[len(rows)-1]
	}
	for i := range p.pieces {
		row := of(p.pieces[i].BaseName)
		row[4] = row[4] == true || p.pieces[i].Coarse
	}
	path := ci.CriticalPath(p.pieces, p.stages, p.needs)
	for i := range path {
		row := of(path[i].BaseName)
		before, _ := row[3].(float64)
		row[3] = before + path[i].Exclusive().Seconds()
	}
	for name, gained := range ci.PathGains(path, p.pieces, p.stages, p.needs) {
		of(name)[5] = gained.Microseconds()
	}
	return rows
}

// needs gives what jobs of the fresh pipelines need, where that was fetched.
func (m *measuring) needs(ctx context.Context) (map[[2]int64]map[string][]string, error) {
	found := map[[2]int64]map[string][]string{}
	err := eachRow(ctx, m.w, `SELECT n.instance_id, n.pipeline_id, n.job_name, n.needs_name
		FROM job_needs n JOIN fresh_pipeline f ON f.instance_id = n.instance_id AND f.pipeline_id = n.pipeline_id`, nil, func(row []any) error {
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
	return found, err
}
