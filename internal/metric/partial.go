package metric

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// Partial says what an answer may still be missing.
type Partial struct {
	Syncs      []int64          `json:"syncs,omitempty" doc:"imports that are running"`
	Incomplete int              `json:"incomplete,omitempty" doc:"projects whose data does not reach over the window yet"`
	Projects   []PartialProject `json:"projects,omitempty" doc:"the first hundred of them, by path"`
	Previous   string           `json:"previous,omitempty" doc:"why the previous period is not known"`
}

// PartialProject says what is complete of a project: everything that GitLab
// changed in [From, To); both are nil before its first visit.
type PartialProject struct {
	Project string     `json:"project"`
	From    *time.Time `json:"from"`
	To      *time.Time `json:"to"`
}

// listed bounds the projects of a Partial.
const listed = 100

// partial looks at what a running import has still to bring; nil where none is
// running. Only filters by place narrow it down.
func (e *Engine) partial(ctx context.Context, v *store.View, q *question) (*Partial, error) {
	_, running, err := v.Select(ctx, "SELECT id FROM syncs WHERE state = 'running' ORDER BY id")
	if err != nil || len(running) == 0 {
		return nil, err
	}
	p := &Partial{}
	for _, row := range running {
		p.Syncs = append(p.Syncs, row[0].(int64))
	}
	places := *q
	places.by = nil
	places.where = slices.DeleteFunc(slices.Clone(q.where), func(c condition) bool {
		return !slices.Contains([]Dim{Instance, Group, Project, Repository}, c.dim.name)
	})
	s := &statement{files: e.files}
	sql, err := s.finish(s.fill(&places, overRuns, `SELECT p.full_path, y.backfilled_from, y.synced_to
FROM (SELECT *, id AS project_id FROM projects WHERE deleted_at IS NULL AND ci_access = 'enabled') p
JOIN (SELECT instance_id, max(started_at) AS started_at FROM syncs WHERE state = 'running' GROUP BY instance_id) a
  ON a.instance_id = p.instance_id
LEFT JOIN project_syncs y ON y.instance_id = p.instance_id AND y.project_id = p.id/*joins*/
WHERE (y.backfilled_from IS NULL OR y.backfilled_from > :from OR y.synced_to IS NULL OR y.synced_to < least(:to, a.started_at))/*filters*/`))
	if err != nil {
		return nil, err
	}
	_, rows, err := v.Select(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("what is imported: %w\n%s", err, sql)
	}
	p.Incomplete = len(rows)
	slices.SortFunc(rows, func(a, b []any) int { return compareValues(a[:1], b[:1]) })
	for _, row := range rows[:min(listed, len(rows))] {
		one := PartialProject{Project: row[0].(string)}
		if t, ok := row[1].(time.Time); ok {
			one.From = &t
		}
		if t, ok := row[2].(time.Time); ok {
			one.To = &t
		}
		p.Projects = append(p.Projects, one)
	}
	return p, nil
}
