package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// EnvironmentTiers gives the environments of a project that are known from
// GitLab's list of its deployments, each with its tier, nil where GitLab said
// none. Those that only a web hook named are not among them. No deployments give
// an empty map.
func (s *Store) EnvironmentTiers(ctx context.Context, instance ci.InstanceID, project ci.ProjectID) (map[string]*string, error) {
	tiers := map[string]*string{}
	err := s.each(ctx, `SELECT environment, max(tier) FROM deployments
		WHERE source = 'gitlab' AND iid IS NOT NULL AND instance_id = $1 AND project_id = $2 GROUP BY environment`,
		[]any{int64(instance), int64(project)}, func(row []any) error {
			var tier *string
			if text, ok := row[1].(string); ok {
				tier = &text
			}
			tiers[row[0].(string)] = tier
			return nil
		})
	return tiers, err
}

// DeploymentEnds gives when those of the deployments that have ended did so, as
// far as a job is known by which they did. None of none.
func (s *Store) DeploymentEnds(ctx context.Context, instance ci.InstanceID, ids []ci.DeploymentID) (map[ci.DeploymentID]time.Time, error) {
	ends := make(map[ci.DeploymentID]time.Time, len(ids))
	if len(ids) == 0 {
		return ends, nil
	}
	err := s.each(ctx, `SELECT id, deployed_at FROM deployments
		WHERE instance_id = $1 AND id = ANY($2) AND job_id IS NOT NULL AND deployed_at IS NOT NULL`, []any{int64(instance), bigints(ids)},
		func(row []any) error {
			ends[ci.DeploymentID(row[0].(int64))] = row[1].(time.Time)
			return nil
		})
	return ends, err
}

// PipelinesOfJobs gives the pipelines of the jobs that are stored, by job; none
// of none.
func (s *Store) PipelinesOfJobs(ctx context.Context, instance ci.InstanceID, ids []ci.JobID) (map[ci.JobID]ci.PipelineID, error) {
	pipelines := make(map[ci.JobID]ci.PipelineID, len(ids))
	if len(ids) == 0 {
		return pipelines, nil
	}
	err := s.each(ctx, `SELECT id, pipeline_id FROM jobs WHERE instance_id = $1 AND id = ANY($2)`, []any{int64(instance), bigints(ids)},
		func(row []any) error {
			pipelines[ci.JobID(row[0].(int64))] = ci.PipelineID(row[1].(int64))
			return nil
		})
	return pipelines, err
}
