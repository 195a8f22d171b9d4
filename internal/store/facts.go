package store

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/internal/ci"
)

// Facts gives what rules look at in one pipeline: the run, and its jobs, each
// combination of name, stage and environment once. not_found where the pipeline
// is not stored.
func (s *Store) Facts(ctx context.Context, instance ci.InstanceID, id ci.PipelineID) (ci.RunFacts, []ci.JobFacts, error) {
	var run ci.RunFacts
	found := false
	err := s.each(ctx, `SELECT coalesce(i.base_url, ''), coalesce(r.full_path, ''), r.topics, coalesce(p.ref, ''), p.ref_type, coalesce(p.source, ''), coalesce(p.name, ''),
			p.is_default_branch, coalesce((SELECT min(name) FROM jobs b WHERE b.instance_id = p.instance_id AND b.downstream_pipeline_id = p.id), '')
		FROM pipelines p LEFT JOIN instances i ON i.id = p.instance_id LEFT JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
		WHERE p.instance_id = $1 AND p.id = $2`, []any{int64(instance), int64(id)}, func(row []any) error {
		found = true
		run = ci.RunFacts{
			Instance: row[0].(string), Project: row[1].(string), Ref: row[3].(string), RefType: ci.RefType(row[4].(string)),
			Source: ci.Source(row[5].(string)), Pipeline: row[6].(string), Bridge: row[8].(string),
		}
		if topics, ok := row[2].([]any); ok {
			for _, t := range topics {
				run.Topics = append(run.Topics, fmt.Sprint(t))
			}
		}
		if on, ok := row[7].(bool); ok {
			run.DefaultBranch = &on
		}
		return nil
	})
	if err != nil {
		return run, nil, err
	}
	if !found {
		return run, nil, problem(ci.NotFound, fmt.Sprintf("There is no pipeline %d of instance %d.", id, instance),
			"weir query 'select instance_id, id from pipelines' lists them.", nil)
	}
	var jobs []ci.JobFacts
	err = s.each(ctx, `SELECT DISTINCT j.name, coalesce(j.stage, ''), coalesce(d.environment, '') FROM jobs j
		LEFT JOIN (SELECT instance_id, job_id, min(environment) AS environment FROM deployments WHERE source = 'gitlab' GROUP BY instance_id, job_id) d
			ON d.instance_id = j.instance_id AND d.job_id = j.id
		WHERE j.instance_id = $1 AND j.pipeline_id = $2 ORDER BY 1, 2, 3`, []any{int64(instance), int64(id)}, func(row []any) error {
		jobs = append(jobs, ci.JobFacts{Name: row[0].(string), Stage: row[1].(string), Environment: row[2].(string)})
		return nil
	})
	return run, jobs, err
}

// InstanceOf gives the instance that has a pipeline of this id: not_found for
// none, bad_request for several.
func (s *Store) InstanceOf(ctx context.Context, id ci.PipelineID) (ci.InstanceID, error) {
	var found []ci.InstanceID
	err := s.each(ctx, "SELECT instance_id FROM pipelines WHERE id = $1 ORDER BY instance_id", []any{int64(id)}, func(row []any) error {
		found = append(found, ci.InstanceID(row[0].(int64)))
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, problem(ci.NotFound, fmt.Sprintf("There is no pipeline %d.", id), "weir query 'select instance_id, id from pipelines' lists them.", nil)
	case len(found) > 1:
		return 0, problem(ci.BadRequest, fmt.Sprintf("Several GitLabs have a pipeline %d.", id), fmt.Sprintf("Name the instance too: %d/%d.", found[0], id), nil)
	}
	return found[0], nil
}
