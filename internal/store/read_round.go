package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// What the importer reads of many projects at once, to find those in which
// nothing happened.

// AllVersions is Versions over all projects of an instance.
func (s *Store) AllVersions(ctx context.Context, instance ci.InstanceID, ids []ci.PipelineID) (map[ci.PipelineID]Version, error) {
	if len(ids) == 0 {
		return map[ci.PipelineID]Version{}, nil
	}
	return s.versions(ctx, ` WHERE instance_id = $1 AND id = ANY($2)`, int64(instance), bigints(ids))
}

// PipelineCount is a number of live pipelines.
type PipelineCount struct {
	Own      int64 // all but child pipelines
	Children int64 // source parent_pipeline
}

// CountsOf gives what CountPipelines would give of each of the projects; those
// without any pipeline are not in it.
func (s *Store) CountsOf(ctx context.Context, instance ci.InstanceID, projects []ci.ProjectID, from time.Time) (map[ci.ProjectID]PipelineCount, error) {
	counts := make(map[ci.ProjectID]PipelineCount, len(projects))
	if len(projects) == 0 {
		return counts, nil
	}
	err := s.each(ctx, `SELECT project_id, coalesce(source, '') = 'parent_pipeline', count(*) FROM pipelines
		WHERE instance_id = $1 AND project_id = ANY($2) AND updated_at >= $3 AND deleted_at IS NULL GROUP BY 1, 2`,
		[]any{int64(instance), bigints(projects), from.UTC()}, func(row []any) error {
			id := ci.ProjectID(row[0].(int64))
			c := counts[id]
			if row[1].(bool) {
				c.Children = row[2].(int64)
			} else {
				c.Own = row[2].(int64)
			}
			counts[id] = c
			return nil
		})
	return counts, err
}

// UndatedOf gives what UndatedPipelineIDs would give of each of the projects, in
// ascending order; those without any are not in it.
func (s *Store) UndatedOf(ctx context.Context, instance ci.InstanceID, projects []ci.ProjectID, from time.Time) (map[ci.ProjectID][]ci.PipelineID, error) {
	ids := make(map[ci.ProjectID][]ci.PipelineID)
	if len(projects) == 0 {
		return ids, nil
	}
	err := s.each(ctx, `SELECT project_id, id FROM pipelines WHERE instance_id = $1 AND project_id = ANY($2) AND updated_at IS NULL AND source = 'external'
		AND deleted_at IS NULL AND (created_at IS NULL OR created_at >= $3) ORDER BY id`,
		[]any{int64(instance), bigints(projects), from.UTC()}, func(row []any) error {
			id := ci.ProjectID(row[0].(int64))
			ids[id] = append(ids[id], ci.PipelineID(row[1].(int64)))
			return nil
		})
	return ids, err
}
