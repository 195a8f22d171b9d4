package store

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
)

// Coverage says how much of history belongs to something. Deleted pipelines
// count like all others.
type Coverage struct {
	Pipelines         int64
	Mapped            int64 // to a service
	WithoutRepository int64 // whose project's repository no gitlab connection brought
	Pending           int64 // that changed and wait for the rules
	Deployments       int64
	WithoutService    int64             // deployments
	Projects          []ProjectCoverage // those with a pipeline that no service has, the most of them first
}

// ProjectCoverage is a project's share of what belongs to nothing.
type ProjectCoverage struct {
	InstanceID ci.InstanceID
	Project    string // full path; "" if unknown
	Pipelines  int64
	Unmapped   int64
	Example    ci.PipelineID // the newest that is not mapped
}

const coverageTotals = `SELECT (SELECT count(*) FROM pipelines),
	(SELECT count(*) FROM (SELECT DISTINCT instance_id, pipeline_id FROM pipeline_services) m),
	(SELECT count(*) FROM pipelines p LEFT JOIN projects j ON j.instance_id = p.instance_id AND j.id = p.project_id WHERE j.repository_id IS NULL),
	(SELECT count(*) FROM catalog_dirty), (SELECT count(*) FROM deployments WHERE deleted_at IS NULL),
	(SELECT count(*) FROM deployments WHERE deleted_at IS NULL AND service_id IS NULL)`

const coverageProjects = `SELECT p.instance_id, coalesce(j.full_path, ''), count(*) AS n, count(CASE WHEN m.pipeline_id IS NULL THEN 1 END) AS unmapped,
		max(CASE WHEN m.pipeline_id IS NULL THEN p.id END)
	FROM pipelines p LEFT JOIN (SELECT DISTINCT instance_id, pipeline_id FROM pipeline_services) m ON m.instance_id = p.instance_id AND m.pipeline_id = p.id
	LEFT JOIN projects j ON j.instance_id = p.instance_id AND j.id = p.project_id
	GROUP BY p.instance_id, p.project_id, j.full_path HAVING count(CASE WHEN m.pipeline_id IS NULL THEN 1 END) > 0
	ORDER BY unmapped DESC, p.instance_id, p.project_id`

// Coverage counts what belongs to services and what to nothing; zeros and no
// projects on an empty store.
func (s *Store) Coverage(ctx context.Context) (Coverage, error) {
	var c Coverage
	err := s.each(ctx, coverageTotals, nil, func(row []any) error {
		for i, n := range []*int64{&c.Pipelines, &c.Mapped, &c.WithoutRepository, &c.Pending, &c.Deployments, &c.WithoutService} {
			*n = row[i].(int64)
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	err = s.each(ctx, coverageProjects, nil, func(row []any) error {
		c.Projects = append(c.Projects, ProjectCoverage{
			InstanceID: ci.InstanceID(row[0].(int64)), Project: row[1].(string), Pipelines: row[2].(int64), Unmapped: row[3].(int64),
			Example: ci.PipelineID(row[4].(int64)),
		})
		return nil
	})
	return c, err
}

// PipelinesByRule gives the number of pipelines that each service rule leads to
// its service; rules without any are not in it.
func (s *Store) PipelinesByRule(ctx context.Context) (map[ci.RuleID]int64, error) {
	n := map[ci.RuleID]int64{}
	err := s.each(ctx, "SELECT rule_id, count(*) FROM pipeline_services WHERE rule_id IS NOT NULL GROUP BY rule_id", nil,
		func(row []any) error { n[ci.RuleID(row[0].(int64))] = row[1].(int64); return nil })
	return n, err
}

// PipelinesByService gives the number of pipelines that belong to each
// service; services without any are not in it.
func (s *Store) PipelinesByService(ctx context.Context) (map[ci.ServiceID]int64, error) {
	n := map[ci.ServiceID]int64{}
	err := s.each(ctx, "SELECT service_id, count(*) FROM pipeline_services GROUP BY service_id", nil,
		func(row []any) error { n[ci.ServiceID(row[0].(int64))] = row[1].(int64); return nil })
	return n, err
}

// DeploymentsByRule gives the number of live deployments that each deploy rule
// found; rules without any are not in it.
func (s *Store) DeploymentsByRule(ctx context.Context) (map[ci.RuleID]int64, error) {
	n := map[ci.RuleID]int64{}
	err := s.each(ctx, "SELECT rule_id, count(*) FROM deployments WHERE rule_id IS NOT NULL AND deleted_at IS NULL GROUP BY rule_id", nil,
		func(row []any) error { n[ci.RuleID(row[0].(int64))] = row[1].(int64); return nil })
	return n, err
}
