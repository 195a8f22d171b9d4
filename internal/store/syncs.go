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

// LastRound gives the newest import of a connection that looked at everything
// and has ended; the zero Sync where there is none.
func (s *Store) LastRound(ctx context.Context, connection ci.ConnectionID) (ci.Sync, error) {
	list, err := all[ci.Sync](ctx, s, "syncs", "WHERE connection_id = $1 AND kind IN ('sync', 'full') AND state <> $2 ORDER BY id DESC LIMIT 1",
		int64(connection), string(ci.SyncRunning))
	if err != nil || len(list) == 0 {
		return ci.Sync{}, err
	}
	return list[0], nil
}
