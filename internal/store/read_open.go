package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// PipelinesCreated gives when pipelines were created; those that are not stored
// are not in it, and no ids give none.
func (s *Store) PipelinesCreated(ctx context.Context, instance ci.InstanceID, ids []ci.PipelineID) (map[ci.PipelineID]time.Time, error) {
	created := make(map[ci.PipelineID]time.Time, len(ids))
	if len(ids) == 0 {
		return created, nil
	}
	err := s.each(ctx, `SELECT id, created_at FROM pipelines WHERE instance_id = $1 AND id = ANY($2) AND created_at IS NOT NULL`,
		[]any{int64(instance), bigints(ids)}, func(row []any) error {
			created[ci.PipelineID(row[0].(int64))] = row[1].(time.Time)
			return nil
		})
	return created, err
}

// ProjectOf gives the full path of the project that a pipeline of an instance,
// which is given by its id or its base URL, belongs to; empty where that is not
// stored.
func (s *Store) ProjectOf(ctx context.Context, instance string, id ci.PipelineID) (string, error) {
	var path string
	err := s.each(ctx, `SELECT r.full_path FROM pipelines p JOIN instances i ON i.id = p.instance_id
		JOIN projects r ON r.instance_id = p.instance_id AND r.id = p.project_id
		WHERE p.id = $2 AND (i.base_url = $1 OR CAST(i.id AS text) = $1)`, []any{instance, int64(id)}, func(row []any) error {
		path, _ = row[0].(string)
		return nil
	})
	return path, err
}
