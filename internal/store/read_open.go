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
