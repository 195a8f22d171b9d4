package store

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
)

// LastSyncs gives the latest run of the importer for each connection; one that
// was never imported is not in it.
func (s *Store) LastSyncs(ctx context.Context) (map[ci.ConnectionID]ci.Sync, error) {
	list, err := all[ci.Sync](ctx, s, "syncs", "WHERE id IN (SELECT max(id) FROM syncs GROUP BY connection_id)")
	if err != nil {
		return nil, err
	}
	last := make(map[ci.ConnectionID]ci.Sync, len(list))
	for _, sync := range list {
		last[sync.ConnectionID] = sync
	}
	return last, nil
}

// UnendedSyncs gives the runs of the importer that are stored as running, by
// id: those that do run, and those whose process died.
func (s *Store) UnendedSyncs(ctx context.Context) ([]ci.Sync, error) {
	return all[ci.Sync](ctx, s, "syncs", "WHERE state = $1 ORDER BY id", string(ci.SyncRunning))
}
