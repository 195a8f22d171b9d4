package metric

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// commits are those of the last run before a shift and of the first since; nil
// where GitLab gave none.
type commits struct{ before, after any }

// The commits of the first and of the last row of each of some stretches, which
// are rows of stretches: number, instance_id, project_id, base_name, begins, ends.
const (
	commitsOfRuns = `WITH runs AS (
/*runs*/
)
SELECT s.number, (array_agg(x.sha ORDER BY x.created_at, x.id))[1] AS first, (array_agg(x.sha ORDER BY x.created_at DESC, x.id DESC))[1] AS last
FROM {stretches}
JOIN runs x ON x.instance_id = s.instance_id AND x.project_id = s.project_id AND x.created_at >= s.begins AND x.created_at < s.ends
WHERE x.status IN ('success', 'failed') AND x.duration_seconds IS NOT NULL
GROUP BY s.number`

	commitsOfJobs = `WITH attempts AS (
/*attempts*/
)
SELECT s.number, (array_agg(y.sha ORDER BY x.created_at, x.id))[1] AS first, (array_agg(y.sha ORDER BY x.created_at DESC, x.id DESC))[1] AS last
FROM {stretches}
JOIN attempts x ON x.instance_id = s.instance_id AND x.project_id = s.project_id AND x.base_name = s.base_name
 AND x.created_at >= s.begins AND x.created_at < s.ends
LEFT JOIN pipelines y ON y.instance_id = x.instance_id AND y.id = x.pipeline_id
WHERE x.status = 'success' AND x.retried IS NOT TRUE AND x.started_at IS NOT NULL AND x.finished_at IS NOT NULL AND x.duration_seconds IS NOT NULL
GROUP BY s.number`
)

// commitsBeside gives the commits beside each shift: those of the last run on
// the last day of the level before, and of the first on the first of the new
// one. Both days have runs, so no others need be looked at.
func (e *Engine) commitsBeside(ctx context.Context, v *store.View, q *question, found []shift) ([]commits, error) {
	list := make([]commits, len(found))
	for _, kind := range []struct {
		text string
		over grain
		runs bool
	}{{commitsOfRuns, overSeries, true}, {commitsOfJobs, overAttempts, false}} {
		s := &statement{files: e.files}
		near := *q // the window between the first of the days and the last
		var rows []string
		for i := range found {
			d := found[i].series
			if (d.name == nil) != kind.runs {
				continue
			}
			for side, day := range [2]int{max(0, found[i].At-1), found[i].At} {
				from, to := q.stretch(d.day(day))
				if len(rows) == 0 || from.Before(near.window.From) {
					near.window.From = from
				}
				if len(rows) == 0 || to.After(near.window.To) {
					near.window.To = to
				}
				name, _ := d.name.(string)
				rows = append(rows, fmt.Sprintf("(%d, %d, %d, %s, %s, %s)",
					2*i+side, d.instance, d.project, s.token(quote(name)), timestamp(from), timestamp(to)))
			}
		}
		if len(rows) == 0 {
			continue
		}
		stretches := "(VALUES " + strings.Join(rows, ", ") + ") AS s(number, instance_id, project_id, base_name, begins, ends)"
		sql, err := s.finish(s.fill(&near, kind.over, strings.Replace(kind.text, "{stretches}", stretches, 1)))
		if err != nil {
			return nil, err
		}
		err = v.Each(ctx, sql, nil, func(row []any) error {
			i := row[0].(int64)
			if i%2 == 0 {
				list[i/2].before = row[2]
			} else {
				list[i/2].after = row[1]
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("finding commits: %w\n%s", err, sql)
		}
	}
	return list, nil
}

// stretch is what the window has of the day that begins at midnight.
func (q *question) stretch(midnight time.Time) (from, to time.Time) {
	from, to = q.window.From, q.window.To
	if begins := q.window.instant(midnight); begins.After(from) {
		from = begins
	}
	if ends := q.window.instant(midnight.AddDate(0, 0, 1)); ends.Before(to) {
		to = ends
	}
	return from, to
}
