package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// Rounds that a poller made and that found nothing are many, and each is like
// the one before. What they say together is said by the first of them, and by
// the first that differs from it.

// idleRounds gives the ids of a connection's rounds that say nothing new: nobody
// asked for them, they came to an end, they wrote no run, and they went as the one
// before did, in state, plan and errors. Groups and projects do not count: every
// listing writes them again as they are. $1 is the connection, $2 the time since
// which all rounds are kept.
const idleRounds = `WITH told AS (
  SELECT sync_id, string_agg(code || ' ' || coalesce(CAST(project_id AS VARCHAR), ''), ' ' ORDER BY project_id, code) AS errors
  FROM sync_errors WHERE sync_id IN (SELECT id FROM syncs WHERE connection_id = $1 AND started_at < $2) GROUP BY sync_id
), rounds AS (
  SELECT s.id, s.polled AND s.state IN ('complete', 'incomplete', 'paused')
      AND (s."rows" ->> 'pipelines') IS NULL AND (s."rows" ->> 'jobs') IS NULL AND (s."rows" ->> 'deployments') IS NULL AS idle,
    s.state = lag(s.state) OVER earlier AND s.plan = lag(s.plan) OVER earlier
      AND coalesce(t.errors, '') = lag(coalesce(t.errors, '')) OVER earlier AS same
  FROM syncs s LEFT JOIN told t ON t.sync_id = s.id
  WHERE s.connection_id = $1 AND s.started_at < $2
  WINDOW earlier AS (PARTITION BY s.kind ORDER BY s.id)
)
SELECT id FROM rounds WHERE idle AND same ORDER BY id`

// PruneRounds removes a connection's rounds that began before a time and say
// nothing, with their errors, and gives how many these were. A round says
// something when a person asked for it or nobody knows whether one did, when it
// wrote pipelines, jobs or deployments, when it failed or was cut off, and when its
// state, its plan, or the codes and projects of its errors differ from those of the
// round of its kind before it.
func (s *Store) PruneRounds(ctx context.Context, connection ci.ConnectionID, before time.Time) (int64, error) {
	var pruned int64
	err := s.engine.write(ctx, func(w writer) error {
		pruned = 0
		var ids []int64
		err := eachRow(ctx, w, idleRounds, []any{int64(connection), before.UTC()}, func(row []any) error {
			ids = append(ids, row[0].(int64))
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		if _, err := w.exec(ctx, "DELETE FROM sync_errors WHERE sync_id = ANY($1)", ids); err != nil {
			return err
		}
		pruned, err = w.exec(ctx, "DELETE FROM syncs WHERE id = ANY($1)", ids)
		return err
	})
	if err != nil {
		return 0, s.engine.problem(err)
	}
	return pruned, nil
}
