package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/ci"
)

// The secrets by which GitLab's web hooks show who they are: one a connection,
// sealed like a token, but never GitLab's. A person sees it once, when it is made.

// HookStats says what a connection's hooks have brought so far.
type HookStats struct {
	SecretAt       time.Time  // when the secret was made
	Received       int64      // events that were taken in
	Repeated       int64      // deliveries of an event that was there already
	Dropped        int64      // events of kinds that weir does not read
	LastReceivedAt *time.Time // nil: never
	Waiting        int64      // events not written yet
	OldestAt       *time.Time // when the oldest of them came; nil: none
	Failed         int64      // events that could not be written, kept with their error
	LastError      string     // of the newest failed one; empty: none
}

// SetHookSecret seals the secret of a connection's hooks. One that is there is
// replaced only when rotate is true; else that is conflict. not_found if there
// is no such connection.
func (c *Control) SetHookSecret(ctx context.Context, id ci.ConnectionID, secret Secret, rotate bool) error {
	key, err := c.usable()
	if err != nil {
		return err
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		now := c.now().UTC()
		res, err := tx.ExecContext(ctx, `UPDATE connections SET updated_at = $1 WHERE id = $2 AND deleted_at IS NULL`, now, int64(id))
		if err := existed(res, err, noConnection(id)); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM hooks WHERE connection_id = $1`, int64(id)).Scan(&there); err != nil {
			return err
		}
		switch {
		case there == 0:
			_, err = tx.ExecContext(ctx, `INSERT INTO hooks (connection_id, sealed, created_at, received, repeated, dropped)
				VALUES ($1, $2, $3, 0, 0, 0)`, int64(id), key.SealHook(secret, id), now)
		case rotate:
			_, err = tx.ExecContext(ctx, `UPDATE hooks SET sealed = $1, created_at = $2 WHERE connection_id = $3`, key.SealHook(secret, id), now, int64(id))
		default:
			return &ci.Problem{
				Code:   ci.Conflict,
				Cause:  fmt.Sprintf("Connection %d has a hook secret already, and it is shown once only.", id),
				Remedy: fmt.Sprintf("If it is lost, make another and put it into GitLab: weir hooks secret %d --rotate.", id),
			}
		}
		return err
	})
}

// HookSecret opens the secret of a connection's hooks; not_found if it has none.
func (c *Control) HookSecret(ctx context.Context, id ci.ConnectionID) (Secret, error) {
	var sealed string
	err := c.db.QueryRowContext(ctx, `SELECT sealed FROM hooks WHERE connection_id = $1`, int64(id)).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Secret{}, &ci.Problem{
			Code:   ci.NotFound,
			Cause:  fmt.Sprintf("Connection %d has no hook secret.", id),
			Remedy: fmt.Sprintf("Make one: weir hooks secret %d.", id),
		}
	}
	if err != nil {
		return Secret{}, c.problem(err)
	}
	key, err := c.usable()
	if err != nil {
		return Secret{}, err
	}
	return key.OpenHook(sealed, id)
}

// HookStats gives the figures of every connection that has a hook secret.
func (c *Control) HookStats(ctx context.Context) (by map[ci.ConnectionID]HookStats, err error) {
	rows, err := c.db.QueryContext(ctx, `SELECT h.connection_id, h.created_at, h.received, h.repeated, h.dropped, h.last_received_at,
		(SELECT count(*) FROM hook_events e WHERE e.connection_id = h.connection_id AND e.state <> 'failed'),
		(SELECT min(e.received_at) FROM hook_events e WHERE e.connection_id = h.connection_id AND e.state <> 'failed'),
		(SELECT count(*) FROM hook_events e WHERE e.connection_id = h.connection_id AND e.state = 'failed'),
		(SELECT e.error FROM hook_events e WHERE e.connection_id = h.connection_id AND e.state = 'failed' ORDER BY e.id DESC LIMIT 1)
		FROM hooks h`)
	if err != nil {
		return nil, c.problem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	by = map[ci.ConnectionID]HookStats{}
	for rows.Next() {
		var id ci.ConnectionID
		var s HookStats
		var failure *string
		if err := rows.Scan(&id, &s.SecretAt, &s.Received, &s.Repeated, &s.Dropped, &s.LastReceivedAt, &s.Waiting, &s.OldestAt, &s.Failed, &failure); err != nil {
			return nil, err
		}
		s.SecretAt, s.LastReceivedAt, s.OldestAt = s.SecretAt.UTC(), inUTC(s.LastReceivedAt), inUTC(s.OldestAt)
		if failure != nil {
			s.LastError = *failure
		}
		by[id] = s
	}
	return by, c.problem(rows.Err())
}
