package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// ErasedAt gives when jobs were erased, in UTC, as far as it is stored: nil for
// one that was not. Jobs that are not stored, or stored as deleted, are not in
// it; no ids give an empty answer.
func (s *Store) ErasedAt(ctx context.Context, instance ci.InstanceID, ids []ci.JobID) (map[ci.JobID]*time.Time, error) {
	erased := make(map[ci.JobID]*time.Time, len(ids))
	if len(ids) == 0 {
		return erased, nil
	}
	err := s.each(ctx, `SELECT id, erased_at FROM jobs WHERE instance_id = $1 AND id = ANY($2) AND deleted_at IS NULL`,
		[]any{int64(instance), bigints(ids)}, func(row []any) error {
			id := ci.JobID(row[0].(int64))
			erased[id] = nil
			if at, ok := row[1].(time.Time); ok {
				erased[id] = new(at.UTC())
			}
			return nil
		})
	return erased, err
}
