package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirhq/weir/internal/ci"
)

// What metrics would otherwise compute from millions of jobs at every question
// is kept in private tables. Package metric reads them; what it answers from
// them is exactly what its statements over published tables give.
//
//	measure_attempts  an attempt that passed or failed (flaky jobs), with what its
//	                  pipeline ran on. alone: no other pipeline ran on that commit,
//	                  and this one has no other attempt of the job, so it is a group
//	                  by itself. It may be false without need, never true
//	measure_days      a project's UTC day of one base name, or of its runs where that
//	                  is NULL (change points). level: the day since 1970, number and
//	                  median of the effective successful attempts, or of the finished
//	                  runs but child pipelines, as text: a hundred thousand numbers
//	                  take longer to write out, and to hand over one by one, than to
//	                  compute
//	measure_runs      the day in which a pipeline is counted: should its created_at
//	                  change, it leaves one that nothing else names
//	measure_paths     a pipeline and a base name (critical path, slow jobs): the
//	                  seconds that jobs of that name add to the path, and gain, the
//	                  microseconds by which it would have ended earlier without them
//	                  (whole numbers, so that sums are exact); NULL where none is on it
//	measure_dirty     the pipelines whose rows above may be out of date
//
// An import marks what it touches in measure_dirty, in its own transaction, and
// [Store.Measure] takes the marks away in the transaction that computes the rows
// anew. So whoever finds no mark in his snapshot finds no row out of date
// either, whatever was killed in between.

// measureDirty marks pipelines: $1 instance, $2 ids in order.
const measureDirty = `INSERT INTO measure_dirty (instance_id, pipeline_id)
SELECT $1, id FROM unnest(CAST($2 AS BIGINT[])) AS t(id) ON CONFLICT DO NOTHING`

// markMeasured marks the pipelines of rows that are written past Apply.
func markMeasured(ctx context.Context, w writer, t *Table, rows [][]any) error {
	var columns []string
	switch t.Name {
	case "pipelines":
		columns = []string{"id"}
	case "jobs":
		columns = []string{"pipeline_id", "downstream_pipeline_id"}
	case "job_needs":
		columns = []string{"pipeline_id"}
	}
	names := t.ColumnNames()
	instance := slices.Index(names, "instance_id")
	marked := map[ci.InstanceID][]int64{}
	for _, name := range columns {
		at := slices.Index(names, name)
		for _, row := range rows {
			of, known := row[instance].(int64)
			if id, ok := row[at].(int64); ok && known {
				marked[ci.InstanceID(of)] = append(marked[ci.InstanceID(of)], id)
			}
		}
	}
	return markIn(ctx, w, measureDirty, marked)
}

// markIn runs a statement that marks pipelines, once an instance.
func markIn(ctx context.Context, w writer, statement string, marked map[ci.InstanceID][]int64) error {
	for instance, ids := range marked {
		slices.Sort(ids)
		ids = slices.Compact(ids)
		marked[instance] = ids // Compact clears what it cuts off
		if _, err := w.exec(ctx, statement, int64(instance), ids); err != nil {
			return err
		}
	}
	return nil
}

// PendingMeasures gives the number of pipelines that [Store.Measure] has still
// to look at.
func (s *Store) PendingMeasures(ctx context.Context) (int64, error) {
	var n int64
	err := s.View(ctx, func(v *View) (err error) {
		n, err = v.PendingMeasures(ctx)
		return err
	})
	return n, err
}

// PendingMeasures gives the number of pipelines whose measures are out of date
// in this view.
func (v *View) PendingMeasures(ctx context.Context) (int64, error) {
	return oneInt(ctx, v.reader, "SELECT count(*) FROM measure_dirty")
}

// Measure computes what is kept for metrics anew for up to limit marked
// pipelines, the newest first, in one transaction, and gives the number of those
// that are still marked. A day of a large GitLab is a few thousand. Without marks
// it does nothing.
func (s *Store) Measure(ctx context.Context, limit int) (int64, error) {
	var left int64
	err := s.engine.write(ctx, func(w writer) error {
		// An import that has marked and not yet committed is waited for: its marks
		// must not be taken away without its rows having been seen.
		if err := s.alone(ctx, w, "measure_dirty"); err != nil {
			return err
		}
		marked, err := oneInt(ctx, w, "SELECT count(*) FROM measure_dirty")
		if err != nil || marked == 0 {
			return err
		}
		m := &measuring{w: w, dialect: s.engine.dialect()}
		if err := m.work(ctx, limit); err != nil {
			return err
		}
		left, err = oneInt(ctx, w, "SELECT count(*) FROM measure_dirty")
		return err
	})
	if err != nil {
		return 0, s.engine.problem(fmt.Errorf("measure: %w", err))
	}
	return left, nil
}
