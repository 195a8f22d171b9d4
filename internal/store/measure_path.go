package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// freshPieces are the jobs of fresh pipelines, run by run. Times are
// microseconds since 1970, because numbers are read much faster.
const freshPieces = `SELECT j.instance_id, j.pipeline_id, j.id, j.name, coalesce(j.stage, ''), j.kind, j.coarse,
		{queued_at}, j.queued_seconds, {started_at}, {finished_at}, CASE WHEN j.downstream_pipeline_id IS NOT NULL THEN {created_at} END
	FROM fresh_job j
	LEFT JOIN pipelines d ON d.instance_id = j.instance_id AND d.id = j.downstream_pipeline_id
	ORDER BY j.instance_id, j.pipeline_id`

// pathOf is a pipeline while its jobs are read.
type pathOf struct {
	instance, id int64
	pieces       []ci.PathPiece
	stages       map[string]ci.JobID
}

// paths keeps the critical paths of the fresh pipelines.
func (m *measuring) paths(ctx context.Context) error {
	needs, err := m.needs(ctx)
	if err != nil {
		return err
	}
	var rows [][]any
	current := pathOf{stages: map[string]ci.JobID{}}
	end := func() {
		path := ci.CriticalPath(current.pieces, current.stages, needs[[2]int64{current.instance, current.id}])
		for i := range path {
			rows = append(rows, []any{current.instance, int64(path[i].ID), path[i].Exclusive().Seconds()})
		}
		clear(current.stages)
		current.pieces = current.pieces[:0]
	}
	micros := func(column string) string {
		return "CAST(round(CAST(extract(epoch FROM " + column + ") AS double precision) * 1000000) AS bigint)"
	}
	statement := strings.NewReplacer("{queued_at}", micros("j.queued_at"), "{started_at}", micros("j.started_at"),
		"{finished_at}", micros("j.finished_at"), "{created_at}", micros("d.created_at")).Replace(freshPieces)
	err = eachRow(ctx, m.w, statement, nil, func(row []any) error {
		instance, id := row[0].(int64), row[1].(int64)
		if current.instance != instance || current.id != id {
			end()
			current.instance, current.id = instance, id
		}
		current.add(row[2:])
		return nil
	})
	if err != nil {
		return err
	}
	end()
	t := freshPath()
	if _, err := m.w.exec(ctx, m.dialect.createStage(&t)); err != nil {
		return err
	}
	if err := m.w.load(ctx, &t, rows); err != nil {
		return err
	}
	return m.step(ctx, "", freshPaths)
}

// add reads a row: id, name, stage, kind, coarse, queued, waited, started,
// finished, downstream.
func (p *pathOf) add(row []any) {
	piece := ci.PathPiece{ID: ci.JobID(row[0].(int64)), Name: row[1].(string), Stage: row[2].(string), Kind: ci.JobKind(row[3].(string))}
	piece.Coarse, _ = row[4].(bool)
	if first, ok := p.stages[piece.Stage]; !ok || piece.ID < first {
		p.stages[piece.Stage] = piece.ID
	}
	finished := moment(row[8])
	if finished == nil {
		return
	}
	var waited *float64
	if seconds, ok := row[6].(float64); ok {
		waited = &seconds
	}
	ready, ok := ci.ReadyAt(piece.Kind, moment(row[5]), waited, moment(row[7]), moment(row[9]))
	if !ok {
		return
	}
	piece.Ready, piece.Finished = ready, *finished
	p.pieces = append(p.pieces, piece)
}

func moment(micros any) *time.Time {
	n, ok := micros.(int64)
	if !ok {
		return nil
	}
	t := time.UnixMicro(n).UTC()
	return &t
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
